"""Predictions of any program, judged as the published programs judge them."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import DRIVE, assert_refused, invoke, write_split, write_weights, write_world

from benchmarks.evaluation_memory import FLAGS, write_folders
from evaluate.__main__ import main
from export_gt import GroundTruth, files
from export_gt.__main__ import ExportConfig, export
from litemono.utils import bootstrap

FLOAT32 = 1e-4  # the kit's: float32 sums differ in the last digits between builds of numpy


@pytest.fixture
def run(capsys, tmp_path):
    """Runs the command; returns its outcome and the JSON it wrote."""

    def run(*args: object):
        output = tmp_path / "errors.json"
        outcome = invoke(main, capsys, *args, "--output", output)
        return outcome, json.loads(output.read_text()) if outcome.code == 0 else {}

    return run


# ---------------------------------------------------------------- BTS and DPT: folders of PNG


@pytest.fixture(scope="module")
def pngs(parity_supervised) -> Path:
    return parity_supervised / "eval_with_pngs"


@pytest.fixture(scope="module")
def recorded(parity_supervised):
    return json.loads((parity_supervised / "eval_with_pngs.json").read_text())


def mean_of(case: dict) -> dict[str, float]:
    rows = list(case["per_image"].values())
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


KITTI = [
    ("pred=crop --garg_crop --do_kb_crop", ("pred_crop",)),
    ("pred=full --garg_crop", ("pred_full",)),
    ("pred=crop --eigen_crop --do_kb_crop", ("pred_crop", "--crop", "eigen")),
    ("pred=full --eigen_crop", ("pred_full", "--crop", "eigen")),
    ("pred=full", ("pred_full", "--crop", "none")),
]


@pytest.mark.parametrize("cap", [80, 50])
@pytest.mark.parametrize("case, flags", KITTI)
def test_kitti_pngs_have_the_recorded_numbers(pngs, recorded, run, case, flags, cap):
    folder, *crop = flags
    outcome, found = run(
        "--pred", pngs / "kitti" / folder, "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs", "--cap", cap, *crop
    )  # fmt: skip
    assert outcome.code == 0, outcome
    case = recorded[f"{case} --max_depth_eval {cap}"]
    expected = mean_of(case)
    for name, row in case["per_image"].items():
        index = found["per_image"]["image"].index(f"{name[:26]}/{int(name[27:37])}/l")
        assert {metric: found["per_image"][metric][index] for metric in row} == pytest.approx(row, rel=FLOAT32), name
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)
    assert found["pasted"] == (4 if folder == "pred_crop" else 0) and found["pred_is"] == "depth"


@pytest.mark.parametrize("case, crop", [("nyu --eigen_crop", "nyu"), ("nyu", "none")])
def test_nyu_pngs_have_the_recorded_numbers(pngs, recorded, run, case, crop):
    outcome, found = run("--pred", pngs / "nyu/pred", "--gt_path", pngs / "nyu/gt", "--protocol", "eval-with-pngs",
                         "--cap", 10, "--crop", crop, "--png_factor", 1000)  # fmt: skip
    assert outcome.code == 0, outcome
    expected = mean_of(recorded[case])
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)


def test_nyu_has_its_own_window_and_cap_under_the_same_protocol_name(pngs, recorded, run):
    flags = ("--pred", pngs / "nyu/pred", "--gt_path", pngs / "nyu/gt", "--png_factor", 1000)
    outcome, found = run(*flags, "--protocol", "eval-with-pngs")
    assert outcome.code == 0, outcome
    assert found["all_metrics"]["rmse"] == pytest.approx(mean_of(recorded["nyu --eigen_crop"])["rmse"], rel=FLOAT32)
    assert "protocol eval-with-pngs-nyu: NYU crop, cap 10 m, no alignment" in outcome.out
    outcome, found = run(*flags, "--protocol", "marigold")
    assert outcome.code == 0 and found["protocol"]["name"] == "marigold-nyu"


def test_around_a_pasted_crop_nothing_counts(pngs, run):
    outcome, found = run("--pred", pngs / "kitti/pred_crop", "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs",
                         "--crop", "none")  # fmt: skip
    assert outcome.code == 0, outcome
    assert np.isfinite(list(found["all_metrics"].values())).all(), "published: infinite, from the zeros around it"
    assert "4 predictions of 352x1216 put in their place; ground truth around them left out" in outcome.out


def test_missing_ground_truth_leaves_a_prediction_out_and_a_missing_prediction_is_named(pngs, recorded, run, tmp_path):
    gt = tmp_path / "gt"
    shutil.copytree(pngs / "kitti/gt", gt)
    case = recorded["one ground truth missing: pred=crop --garg_crop --do_kb_crop"]
    left = {name[:26] for name in case["per_image"]}
    removed = next(drive for drive in gt.iterdir() if drive.name not in left)
    shutil.rmtree(removed)
    flags = ("--gt_path", gt, "--protocol", "eval-with-pngs")
    outcome, found = run("--pred", pngs / "kitti/pred_crop", *flags)
    assert "1 predictions without ground truth left out" in outcome.out
    expected = mean_of(case)
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)
    predictions = tmp_path / "predictions"
    shutil.copytree(pngs / "kitti/pred_crop", predictions)
    gone = next(predictions.glob(f"{sorted(left)[0]}*"))
    gone.unlink()
    assert_refused(
        run("--pred", predictions, *flags)[0], "1 of 3 images have no prediction", sorted(left)[0], "--allow_missing"
    )
    outcome, found = run("--pred", predictions, *flags, "--allow_missing")
    assert found["evaluated"] == 2 and len(found["missing"]) == 1 and found["missing"][0] in outcome.out


def test_a_split_names_the_images_of_a_folder_of_ground_truth(pngs, run, tmp_path):
    (tmp_path / "two").mkdir()
    drives = [("2011_09_26_drive_0009_sync", 238), ("2011_09_26_drive_0002_sync", 221)]
    lines = "".join(f"2011_09_26/{drive} {frame} l\n" for drive, frame in drives)
    (tmp_path / "two/test_files.txt").write_text(lines)
    flags = ("--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs", "--split", tmp_path / "two")
    outcome, found = run("--pred", pngs / "kitti/pred_full", *flags)
    assert outcome.code == 0 and found["evaluated"] == 2 and found["unused"] == 2
    (tmp_path / "two/test_files.txt").write_text(lines + "2011_09_26/2011_09_26_drive_0001_sync 7 l\n")
    assert_refused(
        run("--pred", pngs / "kitti/pred_full", *flags)[0], "1 of 3 images", "drive_0001_sync 7 l", "--gt_path"
    )


# ---------------------------------------------------------------- MiDaS: KITTI, TUM, Sintel


@pytest.fixture(scope="module")
def midas(parity_supervised):
    folder = parity_supervised
    return (
        folder / "mini_midas",
        folder / "mini_midas_predictions.npz",
        json.loads((folder / "mini_midas.json").read_text()),
    )


def expected_mean(midas, data: str, reading: str | None = None) -> float:
    found = {name: value for name, value in midas[2]["same_metric_correct_reading"].items() if name.startswith(data)}
    return float(np.mean([value[reading] if reading else value for value in found.values()]))


TUM = "tum/rgbd_dataset_freiburg2_desk_with_person"


@pytest.mark.parametrize(
    "folder, flags, metric, reading",
    [
        ("kitti", ("midas-kitti",), "bad_125", "mask_all_measured"),
        (TUM, ("midas-tum",), "bad_125", None),
        ("sintel", ("midas-sintel",), "abs_rel", "all_pixels_below_72"),
        ("sintel", ("midas-sintel", "--occluded", "leave_out"), "abs_rel", "black_occlusion_pixels_below_72"),
    ],
)
def test_midas_zero_shot_numbers_are_those_of_a_correct_reading(midas, run, folder, flags, metric, reading):
    outcome, found = run(
        "--pred", midas[1], "--pred_is", "relative", "--gt_path", midas[0] / folder, "--protocol", *flags
    )
    assert outcome.code == 0, outcome
    expected = expected_mean(midas, folder.split("/")[0], reading)
    assert found["all_metrics"][metric] == pytest.approx(expected, rel=1e-5)  # float32 predictions
    assert f"protocol {flags[0]}" in outcome.out


def test_tum_pairs_are_made_where_there_is_no_list_of_them(midas, run, tmp_path):
    root = tmp_path / "tum"
    shutil.copytree(midas[0] / TUM, root)
    (root / "associate.txt").unlink()
    flags = ("--pred", midas[1], "--pred_is", "relative", "--gt_path", root, "--protocol", "midas-tum")
    outcome, found = run(*flags)
    assert outcome.code == 0 and found["evaluated"] == 3
    assert found["all_metrics"]["bad_125"] == pytest.approx(expected_mean(midas, "tum"), rel=1e-5)


def test_eth3d_has_numbers_under_the_names_of_photos(run, tmp_path):
    """As downloaded: float32 without a header, infinite where nothing was measured."""
    place = tmp_path / "gt/courtyard/ground_truth_depth/dslr_images/DSC_0286.JPG"
    place.parent.mkdir(parents=True)
    measured = np.full((8, 6048), np.inf, "<f4")
    measured[:, ::3] = np.linspace(2, 30, 2016, dtype="f4")
    with open(place, "wb") as file:
        file.write(measured.tobytes())
        file.truncate(4 * 4032 * 6048)
    (tmp_path / "gt/courtyard/images/dslr_images").mkdir(parents=True)
    (tmp_path / "gt/courtyard/images/dslr_images/DSC_0286.JPG").write_bytes(b"a photo")
    (tmp_path / "pred/courtyard").mkdir(parents=True)
    shade = 1 / np.linspace(2, 30, 6048, dtype="f4")
    np.save(tmp_path / "pred/courtyard/DSC_0286.npy", np.broadcast_to(0.3 * shade + 0.2, (4032, 6048))[::8, ::8])
    flags = ("--pred", tmp_path / "pred", "--pred_is", "relative", "--gt_path", tmp_path / "gt")
    outcome, found = run(*flags, "--protocol", "midas-eth3d")
    assert outcome.code == 0, outcome
    assert found["per_image"]["pixels"] == [8 * 2016] and found["all_metrics"]["abs_rel"] < 0.01
    assert_refused(run(*flags)[0], "ETH3D's layout", "midas-eth3d or marigold-eth3d or depth-anything")
    with open(place, "ab") as file:
        file.write(b"more")
    assert_refused(run(*flags, "--protocol", "midas-eth3d")[0], "DSC_0286.JPG", "4032x6048")


def test_one_fit_per_video_is_another_number_than_one_per_image(midas, run):
    flags = (
        "--pred",
        midas[1],
        "--pred_is",
        "relative",
        "--gt_path",
        midas[0] / "sintel",
        "--protocol",
        "midas-sintel",
    )
    per_image, per_video = run(*flags)[1], run(*flags, "--align", "per_video")[1]
    assert per_image["all_metrics"]["abs_rel"] != per_video["all_metrics"]["abs_rel"]
    assert per_video["protocol"]["alignment"] == "per_video"


# ---------------------------------------------------------------- with a split and its ground-truth file


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A drive of three frames with ground truth from export_gt, and its depth as predictions."""
    root = tmp_path_factory.mktemp("world")
    split = write_world(root, [0, 1, 2])
    export(ExportConfig(data_path=root, split=str(split)))
    truth = GroundTruth(root / "gt_depths_split.npz")
    (root / "png").mkdir()
    maps = [np.where(truth[frame] > 0, truth[frame], 5).astype(np.float32) for frame in range(3)]
    for frame, depth in enumerate(maps):
        name = f"{DRIVE.split('/')[1]}_{frame:010d}.png"
        Image.fromarray((depth * 256).round().astype(np.uint16)).save(root / "png" / name)
    np.save(root / "depth.npy", np.stack(maps))
    return root


def test_pngs_named_like_kitti_frames_fit_a_split_in_any_order(world, run, tmp_path):
    flags = ("--pred", world / "png", "--data_path", world, "--align", "none")
    outcome, found = run(*flags, "--split", world / "split")
    assert outcome.code == 0, outcome
    # 16-bit PNG rounds to 1/512 m, a thousandth of 2 m
    assert found["evaluated"] == 3 and found["metrics"]["abs_rel"] < 1e-3
    backwards = write_split(tmp_path / "split", [2, 0, 1])
    truth = GroundTruth(world / "gt_depths_split.npz")
    files.write_published(tmp_path / "gt.npz", [truth[index] for index in (2, 0, 1)])
    again = run(*flags, "--split", backwards, "--gt_path", tmp_path / "gt.npz")[1]
    assert again["metrics"]["abs_rel"] == pytest.approx(found["metrics"]["abs_rel"], rel=1e-6)


def test_one_array_may_hold_depth_and_may_be_aligned_per_video(world, run):
    flags = ("--pred", world / "depth.npy", "--data_path", world, "--split", world / "split", "--pred_is", "depth")
    for align in ("none", "median", "scale", "lstsq", "scale_shift_disparity", "per_video"):
        outcome, found = run(*flags, "--align", align)
        assert outcome.code == 0, outcome
        assert found["metrics"]["abs_rel"] == pytest.approx(0, abs=1e-5), align  # float32
        assert found["protocol"]["alignment"] == align


def test_a_network_is_not_aligned_per_video_and_the_advice_works(world, run, tmp_path):
    folder = write_weights(tmp_path / "weights")
    flags = ("--data_path", world, "--split", world / "split")
    net = ("--load_weights", folder, "--model", "lite-mono-tiny", "--png")
    assert_refused(run(*net, *flags, "--align", "per_video")[0], "--align per_video", "--save_pred")
    assert run(*net, *flags, "--save_pred", tmp_path / "saved.npy")[0].code == 0
    assert run("--pred", tmp_path / "saved.npy", *flags, "--align", "per_video")[0].code == 0


# ---------------------------------------------------------------- against another result


def test_two_results_are_compared_image_by_image(pngs, run, tmp_path):
    flags = ("--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs")
    crop = run("--pred", pngs / "kitti/pred_crop", *flags)[1]
    before = tmp_path / "before.json"
    shutil.copy(tmp_path / "errors.json", before)
    outcome, full = run("--pred", pngs / "kitti/pred_full", *flags, "--against", before)
    assert outcome.code == 0, outcome
    gain = crop["all_metrics"]["rmse"] - full["all_metrics"]["rmse"]
    low, high = full["against"]["over_images"]["rmse"]
    assert (
        f"rmse: {gain:.3f} better, interval {-high:.3f} to {-low:.3f}" in outcome.out and ", 4 images:" in outcome.out
    )
    assert full["against"]["differences"]["rmse"] == pytest.approx(-gain, rel=1e-6)
    low, high = full["intervals"]["images"]["rmse"]
    assert low < full["all_metrics"]["rmse"] < high and f"rmse {low:.3f}-{high:.3f}" in outcome.out
    backwards = run("--pred", pngs / "kitti/pred_crop", *flags, "--against", tmp_path / "errors.json")[0]
    assert f"rmse: {gain:.3f} worse" in backwards.out


def test_results_that_cannot_be_compared_are_refused(pngs, run, tmp_path):
    flags = ("--pred", pngs / "kitti/pred_full", "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs")
    run(*flags, "--cap", 50)
    other = tmp_path / "other.json"
    shutil.copy(tmp_path / "errors.json", other)
    assert_refused(run(*flags, "--against", other)[0], "--against", "other.json", "cap 50.0, not 80.0")
    run(*flags)
    found = json.loads((tmp_path / "errors.json").read_text())
    cases = [
        ({"per_image": {}}, "evaluate its predictions again"),
        ({"per_image": {**found["per_image"], "image": ["x/1", "x/2", "x/3", "x/4"]}}, "no image in common"),
        ({"metrics": {}}, "not a result of evaluate"),
        ({"protocol": {**found["protocol"], "name": "mine"}}, "not a result of evaluate"),
        ({"per_image": {**found["per_image"], "rmse": [1.0]}}, "not a result of evaluate"),
    ]
    for edit, words in cases:
        other.write_text(json.dumps({**found, **edit}))
        assert_refused(run(*flags, "--against", other)[0], "--against", "other.json", words)
    assert_refused(run(*flags, "--against", tmp_path / "nowhere.json")[0], "nowhere.json", "no such file")


# ---------------------------------------------------------------- bad input


@pytest.fixture
def pair(tmp_path):
    """Ground truth of two images and perfect predictions, as folders of .npy and of .png."""
    rng = np.random.default_rng(0)
    for frame in range(2):
        depth = rng.uniform(1, 70, (30, 100)).astype(np.float32)
        for folder, values in (("gt", depth), ("npy", depth)):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"{frame}.npy", values)
        (tmp_path / "png").mkdir(exist_ok=True)
        Image.fromarray((depth * 256).astype(np.uint16)).save(tmp_path / "png" / f"{frame}.png")
    return tmp_path


DEPTH = ("--pred_is", "depth", "--align", "none", "--crop", "none")


def change(path: Path, edit) -> None:
    values = np.load(path)
    np.save(path, edit(values))


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda d: d * 0, ["0 everywhere"]),
        (lambda d: np.where(d > 60, np.nan, d), ["not finite"]),
        (lambda d: np.where(d > 60, np.inf, d), ["not finite"]),
        (lambda d: -d, ["negative"]),
        (lambda d: d * 20000, ["median depth", "--png_factor"]),
        (lambda d: d[:, :50], ["30x50", "30x100"]),
        (lambda d: np.stack([d, d, d]), ["not one map"]),
        (lambda d: d.astype(complex), ["not one map"]),
    ],
)
def test_predictions_that_are_none_are_refused_by_their_name(pair, run, edit, words):
    change(pair / "npy/1.npy", edit)
    assert_refused(run("--pred", pair / "npy", "--gt_path", pair / "gt", *DEPTH)[0], "1.npy", *words)


def test_flags_that_do_not_fit_the_data_are_refused(pair, run, midas, tmp_path):
    gt = ("--gt_path", pair / "gt")
    (tmp_path / "empty").mkdir()
    cases = [
        (["--pred", pair / "npy", *gt], ["--pred_is", "disparity"]),
        (["--pred", tmp_path / "nowhere", *gt], ["--pred", "nowhere"]),
        (["--pred", tmp_path / "empty", *gt], ["--pred", "empty", ".pfm"]),
        (["--pred", pair / "npy", *DEPTH, "--gt_path", tmp_path / "empty"], ["--gt_path", "empty"]),
        (["--pred", pair / "png", *gt, "--png_factor", 0], ["--png_factor 0"]),
        (["--pred", pair / "png", *gt, "--png_factor", 0.01, "--align", "none"], ["--png_factor", "0.png"]),
        (["--pred", pair / "npy", *gt, "--pred_is", "relative"], ["--align scale_shift_disparity"]),
        (["--pred", pair / "png", *gt, "--pred_crop", "kb"], ["0.png", "30x100", "--pred_crop"]),
        (["--pred", pair / "png", *gt, "--occluded", "leave_out"], ["--occluded"]),
        (["--pred", pair / "png", "--gt_path", midas[0] / TUM], ["--protocol eigen", "TUM", "midas-tum"]),
        (["--pred", pair / "png", "--gt_path", pair / "png", "--gt_factor", 0.01], ["--gt_factor 0.01", "0.png"]),
        (["--pred", pair / "png/0.png", *gt], ["1 of 2 images have no prediction"]),
    ]
    for args, words in cases:
        assert_refused(run(*args)[0], *words)


def test_names_that_fit_more_than_one_image_are_called_ambiguous(pair, run, tmp_path):
    for name in "ab":
        shutil.copytree(pair / "png", tmp_path / "copies" / name)
    words = ["--pred", "ambiguous names: a/0.png and b/0.png fit 0.npy"]
    assert_refused(run("--pred", tmp_path / "copies", "--gt_path", pair / "gt")[0], *words)
    for name in "ab":
        shutil.copytree(pair / "gt", tmp_path / "truths" / name)
    words = ["ambiguous names: 0.png fits a/0.npy and b/0.npy"]
    assert_refused(run("--pred", pair / "png", "--gt_path", tmp_path / "truths")[0], *words)


def test_disparities_given_as_depths_are_recognised_and_the_advice_works(pair, run):
    for frame in range(2):
        change(pair / f"npy/{frame}.npy", lambda d: 1 / d)
    flags = ("--pred", pair / "npy", "--gt_path", pair / "gt", "--crop", "none")
    assert_refused(run(*flags, "--pred_is", "depth")[0], "disparities, not depths", "--pred_is disparity")
    assert run(*flags, "--pred_is", "disparity")[1]["metrics"]["abs_rel"] < 1e-5


def test_files_that_cannot_be_read_are_refused_by_their_name(pair, run):
    (pair / "npy/1.npy").write_bytes(b"no array")
    assert_refused(run("--pred", pair / "npy", "--gt_path", pair / "gt", *DEPTH)[0], "npy/1.npy", "not a readable")
    (pair / "gt/0.npy").write_bytes(b"no array")
    assert_refused(run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)[0], "gt/0.npy", "not a readable")
    np.savez(pair / "all.npz", a=np.ones((2, 2)), b=np.ones(3))
    assert_refused(run("--pred", pair / "all.npz", "--gt_path", pair / "png", *DEPTH)[0], "all.npz", "no name fits")


def test_ground_truth_without_a_valid_pixel_is_left_out_and_refused_if_it_is_all(pair, run):
    change(pair / "gt/0.npy", lambda d: d * np.nan)
    outcome, found = run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)
    assert outcome.code == 0 and (found["evaluated"], found["skipped"]) == (1, ["0.npy"])
    assert "1 images without valid ground truth left out: 0.npy" in outcome.out
    change(pair / "gt/1.npy", lambda d: d * 0)
    assert_refused(
        run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)[0], "no image has a pixel", "--gt_path"
    )


def test_memory_does_not_grow_with_the_number_of_images(run, tmp_path):
    def peak(count: int) -> int:
        for folder in ("gt", "pred"):
            (tmp_path / f"{folder}{count}").mkdir()
            for frame in range(count):
                np.save(tmp_path / f"{folder}{count}/{frame}.npy", np.full((300, 1000), 5.0 + frame, np.float32))
        tracemalloc.start()
        flags = ("--pred", tmp_path / f"pred{count}", "--gt_path", tmp_path / f"gt{count}", *DEPTH)
        assert run(*flags, "--num_workers", 1)[0].code == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few = peak(4)
    assert peak(24) < few + 2 * 300 * 1000 * 4, "20 more images, room for two more maps"


def test_of_each_image_a_row_of_metrics_and_two_names_are_kept(tmp_path, capsys, monkeypatch):
    """Names and metrics have one block of memory each; as objects of Python they took five times as much."""

    def peak(count: int) -> int:
        """The lower one of two: Python's table of interned strings may grow in one."""
        root = tmp_path / str(count)
        write_folders(root, count)
        return min(traced(root, count) for _ in range(2))

    def traced(root, count: int) -> int:
        flags = ("--pred", root / "pred", "--gt_path", root / "gt", "--output", root / "e.json", *FLAGS)
        tracemalloc.start()
        assert invoke(main, capsys, *flags, "--num_workers", 1).code == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(json.loads((root / "e.json").read_text())["per_image"]["rmse"]) == count
        return found

    peak(20)  # what is imported on the way
    monkeypatch.setattr(bootstrap, "AT_ONCE", 1)  # its memory is constant, but not of one size for every count
    few, more = 1100, 2200
    assert (peak(more) - peak(few)) / (more - few) < 1200, "25 numbers of 8 bytes, 2 names, text, and room to grow"
