"""The demo: baselines that mean what their names say, and the whole story on a very small world."""

import json

import numpy as np
import pytest
from PIL import Image

from evaluate.protocol import Protocol
from litemono import demo
from litemono.synthetic import writer

H, W = 96, 320
UNSCALED = Protocol(median_scaling=False)


def maps_of(*metres: float) -> list[np.ndarray]:
    return [np.full((H, W), value, np.float32) for value in metres]


def test_the_best_constant_for_one_wall_is_its_distance():
    metres, errors = demo.best_guess(maps_of(12.0), demo.constant, UNSCALED)
    assert metres == pytest.approx(12.0, rel=0.03)  # half the step between two guesses
    assert errors.abs_rel < 0.03


def test_the_best_constant_for_two_walls_is_the_nearer_one():
    # At depth c between 10 and 30: (c - 10) / 10 + (30 - c) / 30 grows with c.
    metres, errors = demo.best_guess(maps_of(10.0, 30.0), demo.constant, UNSCALED)
    assert metres == pytest.approx(10.0, rel=0.03)
    assert errors.abs_rel == pytest.approx((0 + 20 / 30) / 2, abs=0.03)


def test_a_median_scaled_constant_is_exact_where_every_image_is_one_wall():
    guess = [demo.constant(H, W)] * 2
    assert demo.mean_errors(maps_of(10.0, 30.0), guess, Protocol()).abs_rel == pytest.approx(0, abs=1e-6)


def test_the_flat_road_is_as_far_as_the_rendered_one():
    disparity = demo.flat_road(H, W)
    settings = writer.Settings(height=H, width=W, drives=3, frames_per_drive=3)
    exact = writer.exact_depth(settings, 0, 0)[80:]
    agreement = np.abs(disparity[80:] * exact - 1)
    assert np.mean(agreement < 0.1) > 0.5  # the bottom of the picture is mostly road, the camera pitches a little
    assert np.all(disparity[: H // 2] == np.float32(1 / 80))
    assert np.all(np.diff(disparity[:, 0]) >= 0)


def test_the_flat_road_is_exact_on_a_flat_road():
    rows = np.arange(H)[:, None] - 0.5 * H
    plane = np.where(rows > 2, 1.92 * H * 1.65 / np.maximum(rows, 1e-9), 0) * np.ones((1, W))
    errors = demo.mean_errors([plane.astype(np.float32)], [demo.flat_road(H, W)], UNSCALED)
    assert errors.abs_rel < 1e-5


def test_the_best_wall_at_the_end_of_a_flat_road_is_found():
    truth = 1 / demo.flat_road(H, W, 15.0)
    end, errors = demo.best_guess([truth], demo.flat_road, UNSCALED)
    assert end == pytest.approx(15.0, rel=0.03)
    assert errors.abs_rel < 0.03


TINY = ("--drives=3", "--frames_per_drive=4", "--height=32", "--width=96", "--num_epochs=1", "--batch_size=2",
        "--model=lite-mono-tiny", "--num_workers=1")  # fmt: skip


def test_the_story_runs_from_rendering_to_pictures(tmp_path, command):
    tiny = tmp_path / "demo"
    done = command("litemono.demo", "--output", tiny, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    for module in ("litemono.train", "export_gt", "evaluate", "litemono.predict"):
        assert f"$ python -m {module} " in done.stdout
    for name in ("trained here", "untrained", "one depth", "the best", "flat road"):
        assert name in done.stdout
    untrained = json.loads((tiny / "untrained" / "eval_street.json").read_text())["metrics"]["abs_rel"]
    assert f"{untrained:.3f}" in done.stdout
    assert Image.open(tiny / "demo.png").width > 600
    assert len(list((tiny / "pictures").glob("*_disp.jpeg"))) == 4


def test_a_command_that_fails_ends_the_demo_with_its_own_words_and_status(tmp_path, command):
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY, "--lr", "-1", "1")
    assert done.returncode == 2
    assert "--lr" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("flags", [("--height=16",), ("--model=lite-mono-huge",)])
def test_what_no_network_has_is_refused_before_anything_is_rendered(tmp_path, command, flags):
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY, *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path, command):
    (tmp_path / "file").write_text("")
    done = command("litemono.demo", "--output", tmp_path / "file")
    assert done.returncode == 2
    assert "--output" in done.stderr and "Traceback" not in done.stderr
