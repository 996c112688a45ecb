"""The evaluate command, as users run it."""

from __future__ import annotations

import errno
import json
import math
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_kitti import (
    DRIVE,
    HEIGHT,
    WIDTH,
    assert_refused,
    invoke,
    point,
    snapshot,
    write_image,
    write_scan,
    write_split,
    write_weights,
    write_world,
)

from evaluate.__main__ import main
from export_gt import GroundTruth, files
from export_gt.__main__ import ExportConfig, export
from litemono.data.splits import read_split
from litemono.metrics import Errors
from litemono.utils.commit import typed_command
from networks import weights

FRAMES = [0, 1, 2]


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Path:
    """A drive with its ground truth, and weights; read-only for the tests."""
    root = tmp_path_factory.mktemp("ready")
    split = write_world(root, FRAMES)
    export(ExportConfig(data_path=root, split=str(split)))
    write_weights(root / "weights")
    return root


@pytest.fixture
def evaluate(capsys, ready, tmp_path):
    """Runs the command on a copy of the weights in tmp_path, with these flags changed; None leaves a flag out."""
    weights_folder = tmp_path / "weights"
    weights_folder.mkdir()
    for path in (ready / "weights").glob("*.pth"):
        (weights_folder / path.name).write_bytes(path.read_bytes())

    def run(*switches: str, **flags: object):
        chosen = {
            "load_weights": weights_folder,
            "data_path": ready,
            "split": ready / "split",
            "model": "lite-mono-tiny",
        }
        args = [
            text for name, value in {**chosen, **flags}.items() if value is not None for text in (f"--{name}", value)
        ]
        return invoke(main, capsys, *args, *switches)

    run.folder = weights_folder
    return run


def result(evaluate, name: str = "eval_split.json") -> dict:
    return json.loads((evaluate.folder / name).read_text())


def test_the_command_agrees_with_an_independent_computation(ready, evaluate):
    outcome = evaluate("--png")
    assert outcome.code == 0, outcome
    found = result(evaluate)
    net = weights.load_depth(ready / "weights", "lite-mono-tiny").eval()
    truth, sums, ratios = GroundTruth(ready / "gt_depths_split.npz"), np.zeros(7), []
    for frame in FRAMES:
        image = Image.open(ready / DRIVE / "image_02" / "data" / f"{frame:010d}.png").resize((64, 32), Image.LANCZOS)
        with torch.no_grad():
            disp = net(torch.tensor(np.array(image)).permute(2, 0, 1)[None] / 255)[0][0, 0].double().numpy()
        depth = 1 / cv2.resize(0.01 + (10 - 0.01) * disp, (WIDTH, HEIGHT))
        gt, pairs = truth[frame].astype(float), []
        for row in range(int(0.40810811 * HEIGHT), int(0.99189189 * HEIGHT)):
            for column in range(int(0.03594771 * WIDTH), int(0.96405229 * WIDTH)):
                if 1e-3 < gt[row, column] < 80:
                    pairs.append((gt[row, column], depth[row, column]))
        g, p = np.array(pairs).T
        ratios.append(np.median(g) / np.median(p))
        p = np.clip(p * ratios[-1], 1e-3, 80)
        worse = np.maximum(g / p, p / g)
        sums += [np.mean(abs(g - p) / g), np.mean((g - p) ** 2 / g), np.mean((g - p) ** 2) ** 0.5,
                 np.mean(np.log(g / p) ** 2) ** 0.5, *(np.mean(worse < 1.25**n) for n in (1, 2, 3))]  # fmt: skip
    expected = dict(zip(Errors._fields, sums / len(FRAMES), strict=True))
    assert found["metrics"] == pytest.approx(expected, rel=1e-5)  # float32 against float64
    assert found["scale_ratios"]["median"] == pytest.approx(np.median(ratios), rel=1e-5)
    assert found["scale_ratios"]["std"] == pytest.approx(np.std(ratios / np.median(ratios)), rel=1e-4)
    assert f"{found['metrics']['abs_rel']:.3f}" in outcome.out and "a3" in outcome.out
    assert f"scale ratios: median {np.median(ratios):.3f}" in outcome.out
    kept = {"images": 3, "evaluated": 3, "skipped": [], "model": "lite-mono-tiny", "height": 32, "width": 64}
    assert {name: found[name] for name in kept} == kept


def test_weights_of_a_run_are_evaluated_where_it_was_trained(evaluate, ready, tmp_path, monkeypatch):
    assert evaluate("--png").code == 0
    expected = result(evaluate)["metrics"]
    monkeypatch.chdir(tmp_path)
    assert_refused(evaluate(data_path=None), "--data_path kitti_data: there is no such folder")
    settings = {"model": {"model": "lite-mono-tiny"}, "loss": {}}
    data = {"dataset": "kitti", "data_path": str(ready), "png": True}
    (evaluate.folder / "config.json").write_text(json.dumps({**settings, "data": data}))
    (evaluate.folder / "eval_split.json").unlink()
    assert evaluate(data_path=None, model=None).code == 0
    assert result(evaluate)["metrics"] == expected
    (evaluate.folder / "config.json").write_text(json.dumps({**settings, "data": {**data, "data_path": 5}}))
    assert_refused(evaluate(data_path=None), "config.json is damaged")
    (evaluate.folder / "config.json").write_text(json.dumps({**settings, "data": {**data, "dataset": "frames"}}))
    (tmp_path / "kitti_data").symlink_to(ready)
    assert evaluate("--png", data_path=None, model=None).code == 0


def test_a_result_names_the_code_and_command_that_trained_and_those_that_evaluated(evaluate):
    made_by = {"litemono": "0.2.0", "commit": "a" * 40, "diff": "", "command": "python -m litemono.submit --lr 1"}
    attempts = [{**made_by, "attempt": 1}, {**made_by, "attempt": 2}, {**made_by, "attempt": 3, "diff": "bb"}]
    run = evaluate.folder.parent.parent
    try:
        (run / "attempts.jsonl").write_text("".join(json.dumps(attempt) + "\n" for attempt in attempts))
        assert evaluate("--png").code == 0
    finally:
        (run / "attempts.jsonl").unlink()
    found = result(evaluate)
    assert found["training"] == [made_by, {**made_by, "diff": "bb"}], "once for each change of the code"
    assert found["code"]["litemono"] and found["code"]["commit"] and found["code"]["command"] == typed_command()


def test_the_batch_size_does_not_matter(evaluate):
    assert evaluate("--png", batch_size=1).code == 0
    one = result(evaluate)["metrics"]
    assert evaluate("--png", batch_size=3).code == 0
    assert result(evaluate)["metrics"] == pytest.approx(one, rel=1e-5)  # convolutions may sum in another order


def test_other_settings_are_used_and_go_to_other_files(evaluate):
    assert evaluate("--png").code == 0
    assert evaluate("--png", "--post_process").code == 0
    assert evaluate("--png", "--no_median_scaling", pred_depth_scale=5.4).code == 0
    names = ["eval_split.json", "eval_split_pp.json", "eval_split_unscaled_x5.4.json"]
    assert sorted(path.name for path in evaluate.folder.glob("eval_*")) == sorted(names)
    found = [result(evaluate, name) for name in names]
    assert len({one["metrics"]["abs_rel"] for one in found}) == 3
    assert [one["post_process"] for one in found] == [False, True, False]
    assert [one["scale_ratios"] is None for one in found] == [False, False, True]


def test_saved_disparities_evaluate_to_the_same_numbers(ready, evaluate, tmp_path):
    saved = tmp_path / "predictions" / "mine.npy"
    assert evaluate("--png", "--post_process", save_pred=saved).code == 0
    disparities = np.load(saved)
    assert disparities.shape == (3, 32, 64) and disparities.dtype == np.float32
    flags = {"load_weights": None, "data_path": None, "model": None, "gt_path": ready / "gt_depths_split.npz"}
    outcome = evaluate(load_pred=saved, **flags)
    assert outcome.code == 0, outcome
    again = json.loads((saved.parent / "mine_eval_split.json").read_text())
    # the file holds float32 where flip post-processing has float64
    assert again["metrics"] == pytest.approx(result(evaluate, "eval_split_pp.json")["metrics"], rel=1e-5)
    np.save(saved, disparities[:2])
    assert_refused(evaluate(load_pred=saved, **flags), "2 disparity maps", "3 test images")
    disparities[1, 20, 30] = np.nan
    np.save(saved, disparities)
    assert_refused(evaluate(load_pred=saved, **flags), "prediction 1", "not finite")
    saved.write_bytes(b"PK no array")
    assert_refused(evaluate(load_pred=saved, **flags), "mine.npy")


def test_images_without_valid_truth_are_left_out_and_named(ready, evaluate, tmp_path):
    truth = GroundTruth(ready / "gt_depths_split.npz")
    outside = np.zeros_like(truth[1])
    outside[0] = 5.0
    files.write_published(tmp_path / "gt.npz", [truth[0], outside, truth[2]])
    outcome = evaluate("--png", gt_path=tmp_path / "gt.npz")
    assert outcome.code == 0, outcome
    assert f"1 images without valid ground truth left out: {DRIVE} 1 l" in outcome.out
    found = result(evaluate)
    assert (found["images"], found["evaluated"], found["skipped"]) == (3, 2, [f"{DRIVE} 1 l"])
    files.write_published(tmp_path / "gt.npz", [outside] * 3)
    assert_refused(evaluate("--png", gt_path=tmp_path / "gt.npz"), "gt.npz", "no image")


def test_a_run_folder_tells_the_model_and_its_settings(evaluate, tmp_path):
    folder = tmp_path / "runs" / "street" / "models" / "weights_4"
    folder.parent.mkdir(parents=True)
    evaluate.folder.rename(folder)
    config = folder.parents[1] / "config.json"
    settings = {"model": {"model": "lite-mono-tiny", "mypretrain": None, "load_weights": None},
                "loss": {"min_depth": 0.2, "max_depth": 50.0, "use_stereo": True}}  # fmt: skip
    for mypretrain, load_weights, imagenet in ((None, None, False), ("a.pth", None, True), (None, "there", None)):
        settings["model"] |= {"mypretrain": mypretrain, "load_weights": load_weights}
        config.write_text(json.dumps(settings))
        outcome = evaluate("--png", load_weights=folder, model=None)
        assert outcome.code == 0, outcome
        assert "--no_median_scaling --pred_depth_scale 5.4" in outcome.out, "trained with stereo pairs"
        found = json.loads((folder / "eval_split.json").read_text())
        assert found["imagenet_backbone"] is imagenet
        assert (found["model"], found["min_depth"], found["max_depth"]) == ("lite-mono-tiny", 0.2, 50.0)
    config.write_text(config.read_text()[:30])
    assert_refused(evaluate("--png", load_weights=folder), "config.json", "damaged")


def test_missing_ground_truth_names_the_command_that_makes_it(tmp_path, command):
    world = tmp_path / "a world"
    split = write_world(world, FRAMES[:2])
    folder = write_weights(tmp_path / "weights")
    args = ["--load_weights", folder, "--model", "lite-mono-tiny", "--data_path", world, "--split", split, "--png"]
    done = command("evaluate", *args)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    advice = shlex.split(done.stderr.partition("make it: ")[2])
    assert advice[:3] == ["python", "-m", "export_gt"]
    assert command(*advice[2:]).returncode == 0
    done = command("evaluate", *args)
    assert done.returncode == 0, done.stderr
    assert "abs_rel" in done.stdout and str(folder / "eval_split.json") in done.stdout
    assert done.stderr == ""


def test_a_real_drive_is_exported_and_evaluated(kitti_sample, tmp_path, command):
    drive = next((kitti_sample / "2011_09_26").glob("*_sync"))
    split = tmp_path / "real"
    split.mkdir()
    (split / "test_files.txt").write_text("".join(f"2011_09_26/{drive.name} {frame} l\n" for frame in (0, 20, 36)))
    folder = write_weights(tmp_path / "weights", "lite-mono", 192, 640)
    both = ["--data_path", kitti_sample, "--split", split]
    exported = command("export_gt", *both, "--output", tmp_path / "gt.npz")
    assert exported.returncode == 0, exported.stderr
    done = command("evaluate", *both, "--load_weights", folder, "--gt_path", tmp_path / "gt.npz", "--png")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "eval_real.json").read_text())["metrics"]
    # meaningless weights, real street: median scaling alone gives errors of this order
    assert 0.2 < metrics["abs_rel"] < 0.8 and 0 < metrics["a1"] < metrics["a2"] < metrics["a3"] < 1


def test_a_named_protocol_and_single_flags_are_used_printed_and_stored(evaluate):
    outcome = evaluate("--png", protocol="eigen-50m", averaging="pixel", crop="none")
    assert outcome.code == 0, outcome
    assert (
        "protocol eigen-50m (changed): all pixels, cap 50 m, median scaling per image, mean over pixels" in outcome.out
    )
    found = result(evaluate, "eval_split_eigen-50m_crop-none_per-pixel.json")
    parts = {"name": "eigen-50m", "crop": "none", "cap": 50, "averaging": "pixel", "alignment": "median"}
    assert {name: found["protocol"][name] for name in parts} == parts
    assert evaluate("--png", protocol="kitti-devkit", align="scale_shift_disparity", cap=80).code == 0
    found = result(evaluate, "eval_split_kitti-devkit_scale_shift_disparity_80m.json")
    assert found["crop"] is False and found["median_scaling"] is False


def test_the_default_protocol_is_that_of_the_split(evaluate):
    outcome = evaluate("--png")
    assert "protocol eigen: Garg crop, cap 80 m, median scaling per image, mean over images" in outcome.out
    by_default = result(evaluate)
    assert evaluate("--png", protocol="eigen", crop="garg", cap=80, align="median").code == 0
    assert result(evaluate) == by_default


# ---------------------------------------------------------------- bad input


def test_wrong_flags_are_refused_and_leave_nothing_behind(ready, evaluate, tmp_path):
    before = snapshot(tmp_path), snapshot(ready)
    cases = [
        ({"load_weights": tmp_path / "no"}, ["--load_weights", "no such folder"]),
        ({"load_weights": ready / "split"}, ["encoder.pth", "weights_29"]),
        ({"load_weights": None}, ["--load_weights", "--load_pred"]),
        ({"load_pred": "x.npy"}, ["--load_weights", "--load_pred"]),
        ({"model": "lite-mono-8m"}, ["--model lite-mono-tiny"]),
        ({"model": "lite-mono-huge"}, ["lite-mono-8m"]),
        ({"height": 16}, ["at least 32"]),
        ({"data_path": tmp_path / "nowhere"}, ["--data_path", "nowhere"]),
        ({"data_path": None}, ["--data_path"]),
        ({"split": "eigne"}, ["--split eigne", "eigen"]),
        ({"split": "eigen", "gt_path": ready / "gt_depths_split.npz"}, ["3 depth maps", "697"]),
        ({"gt_path": ready / "split" / "test_files.txt"}, ["test_files.txt", "export_gt"]),
        ({"batch_size": 0}, ["--batch_size 0"]),
        ({"pred_depth_scale": -1}, ["--pred_depth_scale -1"]),
        ({"protocol": "egien"}, ["--protocol egien", "eigen", "midas-kitti"]),
        ({"cap": 0}, ["--cap 0"]),
        ({"crop": "kb"}, ["KB crop", "48x96", "--crop", "--protocol"]),
        ({"protocol": "bts"}, ["KB crop", "48x96", "--crop", "--protocol"]),
    ]
    for flags, words in cases:
        assert_refused(evaluate("--png", **flags), *words)
        assert (snapshot(tmp_path), snapshot(ready)) == before, flags
    if not torch.cuda.is_available():
        assert_refused(evaluate("--png", device="cuda"), "--device cpu")
    elsewhere = write_split(tmp_path / "split", [7, 8])
    files.write(tmp_path / "gt.npz", read_split(elsewhere / "test_files.txt"), [np.full((48, 96), 5.0, "f4")] * 2)
    missing = evaluate(split=elsewhere, gt_path=tmp_path / "gt.npz")
    assert_refused(missing, "2 of 2 test images are missing", "0000000007.jpg or .png")


def test_errors_are_written_where_asked_and_an_unwritable_place_is_told_first(evaluate, tmp_path, monkeypatch):
    assert evaluate("--png", output=tmp_path / "errors.json").code == 0
    assert json.loads((tmp_path / "errors.json").read_text())["images"] == 3
    for size in ({}, {"height": 64, "width": 96}):
        assert evaluate("--png", **size).code == 0
    assert {path.name for path in evaluate.folder.glob("eval_*")} == {"eval_split.json", "eval_split_96x64.json"}
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "errors.json" / "inside.json"):
        assert "abs_rel" not in evaluate("--png", output=place).out
    monkeypatch.setattr("os.access", lambda *_: False)
    outcome = evaluate("--png")
    assert_refused(outcome, "no file can be written there", "--output")
    assert "abs_rel" not in outcome.out


def test_ground_truth_of_other_images_is_refused(ready, evaluate, tmp_path):
    lines = write_split(tmp_path / "other", [2, 1, 0])
    outcome = evaluate("--png", split=lines, gt_path=ready / "gt_depths_split.npz")
    assert_refused(outcome, "gt_depths_split.npz", "other images")


@pytest.mark.parametrize("name", ["encoder.pth", "depth.pth"])
def test_weights_that_are_cut_short_are_refused(evaluate, name):
    path = evaluate.folder / name
    path.write_bytes(path.read_bytes()[:-1000])
    assert_refused(evaluate("--png"), str(path), "cut short")


def test_diverged_weights_are_refused(evaluate):
    content = torch.load(evaluate.folder / "depth.pth", weights_only=True)
    last = [name for name in content if name.endswith("weight")][-3]
    content[last] = content[last] * math.nan
    torch.save(content, evaluate.folder / "depth.pth")
    assert_refused(evaluate("--png"), "prediction 0", "diverged")
    assert not list(evaluate.folder.glob("eval*"))


def test_damaged_and_missing_images_are_refused(evaluate, tmp_path):
    world = tmp_path / "world"
    split = write_world(world, FRAMES)
    files.write_published(world / "gt_depths_split.npz", [np.ones((HEIGHT, WIDTH), np.float32)] * 3)
    image = write_image(world, 1)
    image.write_bytes(image.read_bytes()[:200])
    saved = tmp_path / "saved.npy"
    assert_refused(evaluate("--png", data_path=world, split=split, save_pred=saved), str(image))
    image.unlink()
    assert_refused(
        evaluate("--png", data_path=world, split=split), "1 of 3", str(image), "2011_09_26_drive_0002_sync.zip"
    )
    assert not saved.exists() and not list(tmp_path.glob(".*")) and not list(evaluate.folder.glob("eval*"))


def test_the_table_is_shown_even_where_json_cannot_be_written(evaluate, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("litemono.utils.atomic_files.os.fsync", full)
    outcome = evaluate("--png")
    assert "abs_rel" in outcome.out
    assert_refused(outcome, "eval_split.json", "free some space")


def test_a_scan_of_one_point_evaluates_to_nothing_but_that_point(evaluate, tmp_path):
    world = tmp_path / "world"
    split = write_world(world, [0])
    write_scan(world, 0, [point(40, 30, 12.0)])
    export(ExportConfig(data_path=world, split=str(split)))
    assert evaluate("--png", data_path=world, split=split).code == 0
    perfect = {**dict.fromkeys(("abs_rel", "sq_rel", "rmse", "rmse_log"), 0.0), "a1": 1.0, "a2": 1.0, "a3": 1.0}
    # one pixel, scaled to its own truth, in float32
    assert result(evaluate)["metrics"] == pytest.approx(perfect, abs=1e-5)
