"""litemono demo --task segment on a very small world."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from litemono.metrics import intersection_over_union
from litemono.synthetic.composite_baselines import best_masks, compensated_difference, difference

TINY = ("--task=segment", "--backgrounds=4", "--figures=2", "--variants=1", "--height=32", "--width=48", "--num_epochs=1",
        "--batch_size=4", "--num_workers=1")  # fmt: skip


def test_the_story_ends_with_the_network_beside_background_subtraction(tmp_path, command):
    output = tmp_path / "demo"
    done = command("litemono.demo", "--output", output, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    for module in ("litemono.prepare pack-composites", "litemono.segment ", "litemono.segment_apply"):
        assert f"$ python -m {module}" in done.stdout
    rows = [re.findall(r"\d\.\d{3}", line) for line in done.stdout.splitlines() if re.match("│ (cnn|differ)", line)]
    assert len(rows) == 3 and all(len(row) == 6 for row in rows)
    ours = json.loads((output / "predictions/metrics.json").read_text())["results"]
    assert rows[0][4] == f"{ours['mask_iou']['mean']:.3f}"
    assert Image.open(output / "demo.png").width > 600


@pytest.mark.parametrize("flags", [("--height=16",), ("--backgrounds=1",), ("--figures=0",)])
def test_what_cannot_be_trained_is_refused_before_anything_is_rendered(tmp_path, command, flags):
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY, *flags)
    assert done.returncode == 2 and flags[0].partition("=")[0] in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()


def test_the_difference_finds_what_is_there_and_survives_another_exposure():
    rng = np.random.default_rng(0)
    background = rng.integers(60, 120, (3, 24, 24)).astype(np.uint8)
    truth = np.zeros((24, 24), bool)
    truth[6:16, 8:18] = True
    picture = np.where(truth, 220, background).astype(np.uint8)
    threshold, (mask,) = best_masks([(background, picture)], [truth], difference)
    assert np.array_equal(mask, truth) and 4 <= threshold <= 120
    brighter = np.where(truth, 255, background * 1.2).astype(np.uint8)
    _, (mask,) = best_masks([(background, brighter)], [truth], compensated_difference)
    assert intersection_over_union(mask, truth) > 0.9
    assert compensated_difference(background, brighter)[~truth].max() < difference(background, brighter)[~truth].max()
