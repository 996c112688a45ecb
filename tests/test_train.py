"""The trainer as its user meets it: trained, killed, resumed, misused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from drives import DRIVE, write_drive
from tiny_kitti import assert_refused, invoke

from litemono.data.settings import DataConfig
from litemono.engine import checkpoint, checkpoint_paths
from litemono.engine.settings import OptimConfig, RunConfig, to_json
from litemono.engine.tensorboard import events_in
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig, TrainConfig
from litemono.train import main, train
from litemono.utils.cli import TOO_MANY_BAD_STEPS
from litemono.utils.errors import UserError
from networks import weights

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCH_STEPS, EPOCHS = 4, 2
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # images this small are slower on more


def settings(street: Path, log_dir: Path, name: str = "run", *, data=None, model=None, loss=None, optim=None, run=None):
    """The smallest training there is: 8 samples of 64x32, lite-mono-tiny, 2 epochs of 4 steps."""
    return TrainConfig(
        data=DataConfig(data_path=street, split=str(street), png=True, num_workers=0, **(data or {})),
        model=ModelConfig(
            **{"model": "lite-mono-tiny", "height": 32, "width": 64, "weights_init": "scratch", **(model or {})}
        ),
        loss=LossConfig(**(loss or {})),
        optim=OptimConfig(**{"batch_size": 2, "num_epochs": EPOCHS, **(optim or {})}),
        run=RunConfig(log_dir=log_dir, model_name=name, device="cpu", **{"log_every": 1, **(run or {})}),
    )


def flags(street: Path, log_dir: Path, name: str = "run") -> list[str]:
    """The same as `settings`, as a user types it."""
    text = (
        f"--data_path {street} --split {street} --png --num_workers 0 --model lite-mono-tiny --height 32 --width 64 "
        f"--weights_init scratch --batch_size 2 --num_epochs {EPOCHS} --log_dir {log_dir} --model_name {name} "
        "--device cpu --log_every 1 --checkpoint_minutes 0"
    )
    return text.split()


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "litemono.train", *arguments], env=environment, cwd=ROOT)


def wait_for_step(run: Path, step: int) -> None:
    """Until a checkpoint of `step` or later exists."""
    deadline = time.monotonic() + 300
    while not any(int(path.stem[5:]) >= step for path in checkpoint_paths.checkpoints(run / "checkpoints")):
        assert time.monotonic() < deadline, f"no checkpoint of step {step} in {run}"
        time.sleep(0.02)


def final_state(run: Path) -> dict:
    return checkpoint.load(checkpoint_paths.checkpoints(run / "checkpoints")[-1])


def assert_same_training(one: Path, other: Path) -> None:
    """Same weights, optimiser states and curves, bit by bit."""
    a, b = final_state(one), final_state(other)
    different = [name for name, value in a["networks"].items() if not torch.equal(value, b["networks"][name])]
    assert not different, f"{len(different)} of {len(a['model'])} tensors differ, first {different[0]}"
    for mine, theirs in zip(a["optimizers"], b["optimizers"], strict=True):
        assert all(
            torch.equal(value, theirs["state"][i][key])
            for i, entry in mine["state"].items()
            for key, value in entry.items()
        )
    for curves in ("train", "val"):
        assert scalars(one / curves, "loss") == scalars(other / curves, "loss")


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """(step, value) of every record in the event files, duplicates included."""
    return [
        (event.step, value.simple_value)
        for event in events_in(folder)
        for value in event.summary.value
        if value.tag == tag
    ]


@pytest.fixture(scope="module")
def uninterrupted(street, tmp_path_factory) -> Path:
    config = settings(street, tmp_path_factory.mktemp("runs"))
    assert train(config) == 0
    return config.folder


def test_a_run_leaves_weights_curves_and_a_finished_status(uninterrupted):
    for name in ("weights_0", "weights_1", "last", "best_loss"):
        names = {path.name for path in (uninterrupted / "models" / name).iterdir()}
        assert {"encoder.pth", "depth.pth", "pose_encoder.pth", "pose.pth"} <= names
    status = json.loads((uninterrupted / "status.json").read_text())
    assert status["state"] == "finished" and status["step"] == status["total_steps"] == EPOCHS * EPOCH_STEPS
    assert status["final"] is True and status["exit"] == 0
    assert [step for step, _ in scalars(uninterrupted / "train", "loss")] == list(range(1, EPOCHS * EPOCH_STEPS + 1))
    assert [step for step, _ in scalars(uninterrupted / "val", "loss")] == [EPOCH_STEPS, 2 * EPOCH_STEPS]
    tags = {value.tag for event in events_in(uninterrupted / "val") for value in event.summary.value}
    assert {"color_0_0/0", "color_pred_0_0/0", "disp_0/0", "automask_0/0"} <= tags


def test_the_best_weights_are_those_of_the_epoch_with_the_lowest_validation_loss(uninterrupted):
    losses = [
        json.loads((uninterrupted / "models" / f"weights_{epoch}" / "validation.json").read_text())["validation"][
            "loss"
        ]
        for epoch in range(EPOCHS)
    ]
    best = json.loads((uninterrupted / "models" / "best_loss" / "validation.json").read_text())
    assert best["epoch"] == losses.index(min(losses))


def test_the_batches_of_a_validation_make_up_its_results(uninterrupted):
    folder = uninterrupted / "models/last"
    results, parts = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("validation", "validation_batches")
    )
    assert parts["batches"].keys() == results["validation"].keys() and len(parts["batches"]["loss"]) > 1
    for name, batches in parts["batches"].items():
        totals, samples = zip(*batches, strict=True)
        assert sum(totals) / sum(samples) == pytest.approx(results["validation"][name], rel=1e-12)
    assert results["task"] == "Monodepth" and results["better"] == {"loss": "lower", "de/abs_rel": "lower"}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(street, tmp_path, uninterrupted):
    train(settings(street, tmp_path, "same"))
    assert_same_training(uninterrupted, tmp_path / "same")
    train(settings(street, tmp_path, "other", run={"seed": 1}))
    assert scalars(tmp_path / "other" / "train", "loss") != scalars(uninterrupted / "train", "loss")


def test_a_run_killed_twice_ends_with_the_weights_of_an_uninterrupted_one(street, tmp_path, uninterrupted):
    run = tmp_path / "run"
    for step in (2, 5):
        process = start(flags(street, tmp_path))
        wait_for_step(run, step)
        process.kill()
        process.wait()
    assert start(flags(street, tmp_path)).wait() == 0
    assert final_state(run)["progress"]["restarts"] == 2
    assert_same_training(uninterrupted, run)


def test_a_signal_saves_the_step_and_the_same_command_finishes_the_run(street, tmp_path, uninterrupted):
    process = start(flags(street, tmp_path))
    wait_for_step(tmp_path / "run", 1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait() == 128 + signal.SIGUSR1
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("interrupted", False, 128 + signal.SIGUSR1)
    assert start(flags(street, tmp_path)).wait() == 0
    assert_same_training(uninterrupted, tmp_path / "run")


def test_a_signal_in_the_last_validation_of_max_steps_leaves_it_to_the_next_start(street, tmp_path, monkeypatch):
    config = settings(street, tmp_path, run={"max_steps": 2})
    with monkeypatch.context() as patch:
        patch.setattr("litemono.engine.loop.validate", lambda *_: None)  # what it returns when asked to stop
        assert train(config) > 128
    assert not list((tmp_path / "run/models").glob("*")) and final_state(tmp_path / "run")["progress"]["step"] == 2
    assert train(config) == 0
    assert (tmp_path / "run/models/last/depth.pth").is_file()
    assert [step for step, _ in scalars(tmp_path / "run/train", "loss")] == [1, 2]
    assert [step for step, _ in scalars(tmp_path / "run/val", "loss")] == [2]


def test_a_finished_run_gets_its_last_weights_back_when_it_is_started_again(street, tmp_path):
    config = settings(street, tmp_path, run={"max_steps": 1})
    assert train(config) == 0
    models = tmp_path / "run/models"
    shutil.rmtree(models / "last")
    assert train(config) == 0
    assert (models / "last/depth.pth").read_bytes() == (models / "weights_0/depth.pth").read_bytes()


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(street, tmp_path, uninterrupted, capsys):
    train(settings(street, tmp_path, run={"max_steps": 3, "checkpoint_minutes": 0}))
    newest = checkpoint_paths.checkpoints(tmp_path / "run" / "checkpoints")[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    train(settings(street, tmp_path))
    assert f"{newest}: damaged" in capsys.readouterr().out
    assert_same_training(uninterrupted, tmp_path / "run")


def test_a_finished_run_started_again_says_so_and_changes_nothing(uninterrupted, street, capsys):
    before = {path: path.stat().st_mtime_ns for path in (uninterrupted / "models").rglob("*.pth")}
    assert train(settings(street, uninterrupted.parent)) == 0
    assert "already finished" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in (uninterrupted / "models").rglob("*.pth")}


def test_more_epochs_go_on_where_the_finished_run_ended(street, tmp_path, uninterrupted):
    train(settings(street, tmp_path, optim={"num_epochs": 1}))
    train(settings(street, tmp_path))
    assert_same_training(uninterrupted, tmp_path / "run")


def test_another_batch_size_resumes_at_the_same_sample(street, tmp_path):
    train(settings(street, tmp_path, run={"max_steps": 2}))
    train(settings(street, tmp_path, optim={"batch_size": 4}))
    progress = final_state(tmp_path / "run")["progress"]
    assert progress["epoch"] == EPOCHS
    assert progress["step"] == 2 + 1 + 2, "2 steps of 2 samples, 1 of 4 to end the epoch, 2 of 4 in the next"


def test_accumulated_parts_make_as_many_steps_at_the_same_rates(street, tmp_path):
    train(settings(street, tmp_path, "whole", optim={"batch_size": 4}))
    train(settings(street, tmp_path, "parts", optim={"batch_size": 4, "accumulate": 2}))
    whole, parts = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    assert whole["progress"]["step"] == parts["progress"]["step"] == 2 * EPOCHS
    assert whole["optimizers"][0]["param_groups"][0]["lr"] == parts["optimizers"][0]["param_groups"][0]["lr"]


@pytest.mark.parametrize(
    "loss",
    [
        {"use_stereo": True},
        {"use_stereo": True, "frame_ids": (0,)},
        {"avg_reprojection": True},
        {"v1_multiscale": True},
        {"disable_automasking": True},
        {"no_ssim": True},
        {"scales": (0,)},
    ],
    ids=lambda loss: "+".join(loss),
)
def test_every_loss_option_trains(street, tmp_path, loss):
    assert train(settings(street, tmp_path, loss=loss, run={"max_steps": 2})) == 0
    pose = {"pose_encoder.pth", "pose.pth"} & {p.name for p in (tmp_path / "run" / "models" / "last").iterdir()}
    assert bool(pose) == (loss.get("frame_ids") != (0,)), "stereo-only training has no pose network"


@pytest.mark.parametrize("loss", [{}, {"v1_multiscale": True, "use_stereo": True}], ids=["default", "v1_multiscale"])
def test_images_of_any_size_train_and_resume_to_the_same_bits(street, tmp_path, loss):
    """122x38 halves to 61x19 and 30x9."""
    odd = {"height": 38, "width": 122}
    for name, stops in (("whole", (3,)), ("parts", (1, 3))):
        for max_steps in stops:
            config = settings(street, tmp_path, name, model=odd, loss=loss, run={"max_steps": max_steps})
            assert train(config) == 0
    whole, parts = (final_state(tmp_path / name)["networks"] for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    depth = weights.load_depth(tmp_path / "whole" / "models" / "last", "lite-mono-tiny")
    assert (depth.height, depth.width) == (38, 122)


def test_steps_that_are_not_finite_are_skipped_and_stop_the_run_after_some_in_a_row(street, tmp_path, capsys):
    status = train(settings(street, tmp_path, optim={"lr": (1e30,), "max_bad_steps": 2}))
    assert status == TOO_MANY_BAD_STEPS
    assert "2 steps in a row" in capsys.readouterr().out
    ended = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (ended["state"], ended["final"], ended["exit"]) == ("failed", True, TOO_MANY_BAD_STEPS)


@pytest.mark.parametrize("accumulate, advice", [(1, "--accumulate 2 instead of 1"), (2, "only a smaller --height")])
def test_too_little_memory_names_a_way_out_that_is_one(street, tmp_path, monkeypatch, accumulate, advice):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr("litemono.engine.training.train_step", full)
    with pytest.raises(UserError, match=f"out of memory; .*{advice}"):
        train(settings(street, tmp_path, optim={"accumulate": accumulate}))
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", True, 2), "the job must not be requeued"


def test_too_little_memory_for_the_networks_alone_is_told_in_the_same_words(street, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr("litemono.tasks.monodepth.task.Monodepth.build", full)
    with pytest.raises(UserError, match="out of memory; the same command with --accumulate 2"):
        train(settings(street, tmp_path))
    assert not (tmp_path / "run").exists()


def test_weights_of_a_run_start_another(street, tmp_path, uninterrupted):
    config = settings(street, tmp_path, model={"load_weights": uninterrupted / "models" / "last"}, run={"max_steps": 1})
    assert train(config) == 0
    first = scalars(tmp_path / "run" / "train", "loss")[0][1]
    assert first != scalars(uninterrupted / "train", "loss")[0][1]


def published(uninterrupted: Path, folder: Path, *names: str) -> Path:
    """A weights folder with these files of a run."""
    folder.mkdir()
    for name in names:
        shutil.copy(uninterrupted / "models" / "last" / name, folder)
    return folder


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["encoder.pth", "depth.pth"],
            "has no pose_encoder.pth pose.pth; .*pose_encoder from random weights, pose from ran",
        ),
        (["encoder.pth"], "has no depth.pth pose_encoder.pth pose.pth; .*depth from random weights"),
        (["encoder.pth", "depth.pth", "pose_encoder.pth"], "has no pose.pth; these start elsewhere: pose from random"),
    ],
)
def test_weights_without_some_of_the_files_start_a_training(street, tmp_path, uninterrupted, capsys, names, says):
    folder = published(uninterrupted, tmp_path / "published", *names)
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), "--load_weights", folder, "--max_steps", "1")
    assert outcome.code == 0 and re.search(says, outcome.err), outcome.err


def test_the_pose_encoder_starts_from_imagenet_where_the_folder_lacks_it(street, tmp_path, uninterrupted, capsys):
    """Only the source named by --weights_init is asked, and it is not there."""
    folder = published(uninterrupted, tmp_path / "published", "encoder.pth", "depth.pth")
    base = [*flags(street, tmp_path / "runs"), "--load_weights", folder, "--max_steps", "1"]
    outcome = invoke(main, capsys, *base, "--weights_init", tmp_path / "resnet18.pth")
    assert outcome.code == 2 and "pose_encoder from " in outcome.err and "resnet18.pth: there is no such" in outcome.err


def test_a_folder_without_an_encoder_starts_nothing(street, tmp_path, uninterrupted, capsys):
    folder = published(uninterrupted, tmp_path / "published", "depth.pth")
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), "--load_weights", folder)
    assert_refused(outcome, "has no encoder.pth", "RUN/models/weights_29")


@pytest.mark.parametrize("batch", [["--batch_size", "1"], ["--batch_size", "2", "--accumulate", "2"]])
def test_a_batch_of_one_place_for_batchnorm_is_refused_before_the_run(street, tmp_path, capsys, batch):
    base = [*flags(street, tmp_path / "runs"), "--width", "32", "--max_steps", "1"]
    assert_refused(invoke(main, capsys, *base, *batch), "BatchNorm would see one value", "--height or --width")
    assert not (tmp_path / "runs").exists()
    for way_out in (["--width", "64"], ["--batched_pose"], ["--frame_ids", "0", "--use_stereo"]):
        name = "_".join(way_out).strip("-")
        outcome = invoke(main, capsys, *base, *batch, *way_out, "--model_name", name)
        assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--data_path", "nowhere"], "--data_path nowhere: no such folder"),
        (["--split", "eigen_zu"], "eigen_zhou"),
        (["--height", "16"], "--height 16: must be at least 32"),
        (["--batch_size", "0"], "--batch_size 0"),
        (["--batch_size", "9"], "lower --batch_size"),
        (["--accumulate", "3"], "--accumulate 3 must divide"),
        (["--sync_bn"], "--sync_bn works on GPUs only"),
        (["--frame_ids", "0"], "--use_stereo"),
        (["--lr", "1e-4", "1e-5", "31"], "--lr takes 1 or 2 or 6 values"),
        (["--weights_init", "nowhere.pth"], "nowhere.pth"),
        (["--weights_init", "pretrained"], "litemono.prepare weights"),
        (["--mypretrain", "nowhere.pth"], "--mypretrain nowhere.pth"),
        (["--model", "lite-mono-huge"], "lite-mono-huge"),
        (["--batchsize", "3"], "batchsize"),
        (["--intrinsics", "1,2"], "--intrinsics 1,2"),
        (["--intrinsics", "0.58,1.92,0.5,0.5"], "cannot be the camera of"),
        (["--weight_decay", "-1"], "--weight_decay -1.0: must be finite and not negative"),
        (["--lr", "inf"], "--lr: every value must be positive and finite"),
        (["--seed", "-1"], "--seed -1"),
        (["--max_depth", "inf"], "--max_depth inf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_ends_with_one_sentence_and_leaves_nothing_behind(
    street, tmp_path, monkeypatch, capsys, change, says
):
    monkeypatch.chdir(tmp_path)  # where no weights/ folder is
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), *change)
    assert outcome.code == 2
    assert says in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "runs").exists()


def test_an_attempt_that_got_nowhere_does_not_hold_the_name(street, tmp_path):
    first = settings(street, tmp_path, run={"max_steps": 1, "seed": 5})
    first.folder.mkdir()
    (first.folder / "config.json").write_text(to_json(settings(street, tmp_path, run={"seed": 6})))
    assert train(first) == 0
    moved = settings(street, tmp_path, model={"load_weights": tmp_path / "gone"}, run={"max_steps": 1, "seed": 5})
    with pytest.raises(UserError, match="--load_weights was None"):  # not: no such folder
        train(moved)


def test_a_place_where_nothing_can_be_written_is_told_in_one_sentence(street, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    outcome = invoke(main, capsys, *flags(street, tmp_path / "file"))
    assert_refused(outcome, "file/run: cannot be written (Not a directory)")


def test_resuming_with_other_settings_is_refused(street, uninterrupted, capsys):
    outcome = invoke(main, capsys, *flags(street, uninterrupted.parent), "--height", "64")
    assert_refused(outcome, "--height was 32, is 64", "another --model_name")


def test_settings_changed_behind_the_runs_back_do_not_count(street, uninterrupted, tmp_path, capsys):
    """The checkpoint has them too: another rate is never taken in silence, and a lost config.json is no dead end."""
    run = shutil.copytree(uninterrupted, tmp_path / uninterrupted.name)
    command, saved = flags(street, tmp_path, run.name), json.loads((run / "config.json").read_text())
    changed = {**saved, "optim": {**saved["optim"], "weight_decay": 0.5}}
    (run / "config.json").write_text(json.dumps(changed))
    outcome = invoke(main, capsys, *command, "--weight_decay", "0.5")
    assert_refused(outcome, "config.json was changed after the run had begun (--weight_decay was 0.01, is 0.5)")
    assert json.loads((run / "config.json").read_text())["optim"] == saved["optim"]
    for damage in ("restored", "lost", "not json"):
        if damage == "lost":
            (run / "config.json").unlink()
        elif damage == "not json":
            (run / "config.json").write_text("{" * 100000)
        if damage != "restored":
            assert_refused(invoke(main, capsys, *command, "--weight_decay", "0.5"), "--weight_decay was 0.01, is 0.5")
        assert invoke(main, capsys, *command).code == 0, damage
        assert json.loads((run / "config.json").read_text())["optim"] == saved["optim"]


def test_a_missing_frame_is_reported_before_training_and_can_be_skipped(tmp_path, command):
    root = write_drive(tmp_path / "data", range(10))
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in range(1, 9)))
    next(root.rglob("0000000002.png")).unlink()
    arguments = flags(root, tmp_path / "runs")
    result = command("litemono.train", *arguments)
    assert result.returncode == 2
    assert "3 of 8 samples lack frames" in result.stderr and "--skip_missing" in result.stderr
    assert "2011_09_26_drive_0001_sync.zip" in result.stderr or "2011_09_26_drive_0001.zip" in result.stderr
    assert not (tmp_path / "runs").exists()
    assert command("litemono.train", *arguments, "--skip_missing", "--max_steps", "1").returncode == 0


def test_a_truncated_frame_stops_the_run_with_its_name(tmp_path, command):
    root = write_drive(tmp_path / "data", range(10))
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in range(1, 9)))
    frame = next(root.rglob("0000000004.png"))
    frame.write_bytes(frame.read_bytes()[:1000])
    result = command("litemono.train", *flags(root, tmp_path / "runs"), "--num_workers", "1")
    assert result.returncode == 2, result.stderr
    assert str(frame) in result.stderr and "Traceback" not in result.stderr


def test_a_cut_scan_or_a_calibration_without_its_matrix_stops_the_run_before_it_starts(tmp_path, parity, capsys):
    """Validation reads scans after the first epoch: hours too late for such news."""
    root = tmp_path / "data"
    shutil.copytree(parity / "mini_kitti" / "2011_09_26", root / "2011_09_26")
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text(f"{DRIVE} 5 l\n")
    arguments = [*flags(root, tmp_path / "runs"), "--batch_size", "1"]
    scan = next(root.rglob("*.bin"))
    whole = scan.read_bytes()
    scan.write_bytes(whole[:-5])
    assert_refused(invoke(main, capsys, *arguments), str(scan), "extract its archive again")
    scan.write_bytes(whole)
    calibration = root / "2011_09_26" / "calib_cam_to_cam.txt"
    calibration.write_text(calibration.read_text().replace("P_rect_02", "P_lost_02"))
    assert_refused(invoke(main, capsys, *arguments), str(calibration), "P_rect_02")
    assert not (tmp_path / "runs").exists()


def test_any_folder_of_frames_trains_with_its_own_camera(street, tmp_path, capsys):
    frames = next(street.rglob("image_02/data"))
    base = [*flags(frames, tmp_path), "--dataset", "frames", "--split", "None", "--max_steps", "2", "--batch_size", "1"]
    assert invoke(main, capsys, *base, "--intrinsics", "40,41,32,16").code == 0
    assert (tmp_path / "run" / "models" / "last" / "depth.pth").is_file()
    assert_refused(invoke(main, capsys, *base, "--model_name", "other"), "--intrinsics fx,fy,cx,cy", "intrinsics.txt")
    copy = Path(shutil.copytree(frames, tmp_path / "video"))
    (copy / "intrinsics.txt").write_text("40 41 32 16\n")  # the advice of this error
    assert invoke(main, capsys, *base, "--data_path", copy, "--model_name", "stated").code == 0


def test_odometry_sequences_train_with_their_calibration(street, tmp_path, capsys):
    sequence = tmp_path / "odometry" / "sequences" / "00"
    (sequence / "image_2").mkdir(parents=True)
    for frame in next(street.rglob("image_02/data")).iterdir():
        shutil.copy(frame, sequence / "image_2" / f"{int(frame.stem):06d}.png")
    (sequence / "calib.txt").write_text("P2: 40 0 32 0 0 41 16 0 0 0 1 0\n")
    for which in ("train", "val"):
        (tmp_path / f"{which}_files.txt").write_text("".join(f"0 {frame} l\n" for frame in range(1, 6)))
    base = [*flags(tmp_path / "odometry", tmp_path / "runs"), "--dataset", "kitti_odom", "--split", tmp_path]
    assert invoke(main, capsys, *base, "--intrinsics", "calib", "--max_steps", "1").code == 0


def test_an_imagenet_backbone_starts_the_encoder(street, tmp_path, uninterrupted, capsys):
    encoder = torch.load(uninterrupted / "models" / "last" / "encoder.pth", weights_only=True)
    backbone = {key: value for key, value in encoder.items() if isinstance(value, torch.Tensor)}
    torch.save({"model": {**backbone, "head.weight": torch.zeros(3)}, "epoch": 7}, tmp_path / "pretrain.pth")
    outcome = invoke(
        main, capsys, *flags(street, tmp_path), "--mypretrain", tmp_path / "pretrain.pth", "--max_steps", "1"
    )
    assert outcome.code == 0, outcome.err
    assert "head.weight" in outcome.err
