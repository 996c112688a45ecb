"""litemono demo --task refine, and prediction with the refiner that it trains."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import assert_refused, invoke

from litemono.predict import main as predict_main

TINY = ("--task=refine", "--drives=3", "--frames_per_drive=4", "--height=32", "--width=96", "--num_epochs=1",
        "--batch_size=2", "--num_workers=1")  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    """The demo's folder, and what it printed."""
    import os
    import subprocess
    import sys

    from conftest import ROOT

    output = tmp_path_factory.mktemp("refine") / "demo"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "litemono.demo", f"--output={output}", *TINY]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return output, done.stdout


def test_the_demo_ends_with_the_refined_depth_beside_the_best_scale_and_shift(demo):
    output, said = demo
    rows = [re.findall(r"\d+\.\d+", line) for line in said.splitlines() if re.match(r"│ (refined|given)", line)]
    assert [len(numbers) for numbers in rows[-3:]] == [6, 6, 6]
    assert "$ python -m litemono.refine " in said and "$ python -m litemono.predict " in said
    assert Image.open(output / "demo.png").width > 1000
    depth = np.asarray(Image.open(output / "pictures" / f"{2:010d}_depth.png"))
    assert depth.dtype == np.uint16 and depth.shape == (64, 192) and depth.min() > 0


def weights_and_input(demo) -> list[object]:
    output, _ = demo
    images = "2000_01_01/2000_01_01_drive_0003_sync/image_02/data"
    return [
        "--load_weights",
        output / "runs/refined/models/last",
        "--input",
        output / "world" / images,
        "--device",
        "cpu",
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), "a refiner needs the depth that another network gave the images; give --frozen_depth"),
        (("--frozen_depth", "docs"), "no frozen depth; none of docs/0000000000_depth.png"),
        (("--frozen_depth", "docs", "--height", 64), "--height: a refiner has its own"),
        (("--frozen_depth", "no/such"), "--frozen_depth no/such: no such folder"),
    ],
)
def test_prediction_without_depth_to_refine_is_refused(demo, tmp_path, capsys, more, says):
    assert_refused(invoke(predict_main, capsys, *weights_and_input(demo), "--output", tmp_path, *more), says)


def test_depth_for_images_of_another_size_is_refused(demo, tmp_path, capsys):
    for frame in range(4):
        Image.fromarray(np.ones((10, 20), np.uint16)).save(tmp_path / f"{frame:010d}.png")
    outcome = invoke(predict_main, capsys, *weights_and_input(demo), "--frozen_depth", tmp_path, "--output", tmp_path)
    assert_refused(outcome, "20x10 pixels, its image has 192x64")


def test_only_so_many_images_are_refined_and_settings_of_other_networks_are_refused(demo, tmp_path, capsys):
    output, _ = demo
    frozen = output / "world/frozen/2000_01_01/2000_01_01_drive_0003_sync/image_02/data"
    given = (*weights_and_input(demo), "--frozen_depth", frozen, "--output", tmp_path / "refined")
    for more, says in (
        (("--backend", "onnxruntime"), "a refiner runs in torch"),
        (("--batch_size", 2), "--batch_size"),
    ):
        assert_refused(invoke(predict_main, capsys, *given, *more), says)
    done = invoke(predict_main, capsys, *given, "--max_frames", 2)
    assert done.code == 0 and len(list((tmp_path / "refined").iterdir())) == 2, done.err
