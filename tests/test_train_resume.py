"""A run of the trainer that was killed, stopped, damaged or finished, and started again."""

from __future__ import annotations

import json
import shutil
import signal

import processes
import pytest
from tiny_kitti import assert_refused, invoke
from trainings import (
    EPOCHS,
    assert_same_training,
    complete,
    final_state,
    flags,
    kill_at_step,
    scalars,
    settings,
    start,
    wait_for_step,
)

from litemono.engine import checkpoint_paths
from litemono.engine.settings import to_json
from litemono.train import main, train
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_killed_twice_ends_with_the_weights_of_an_uninterrupted_one(street, tmp_path, uninterrupted):
    run = tmp_path / "run"
    for step in (2, 5):
        kill_at_step(step, "litemono.train", flags(street, tmp_path), run)
    complete(main, flags(street, tmp_path))
    assert final_state(run)["progress"]["restarts"] == 2
    assert_same_training(uninterrupted, run)


def test_a_signal_saves_the_step_and_the_same_command_finishes_the_run(street, tmp_path, uninterrupted):
    process = start("litemono.train", flags(street, tmp_path))
    wait_for_step(process, tmp_path / "run", 1)
    process.send_signal(signal.SIGUSR1)
    assert processes.finish(process).returncode == 128 + signal.SIGUSR1
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("interrupted", False, 128 + signal.SIGUSR1)
    complete(main, flags(street, tmp_path))
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


def test_an_attempt_that_got_nowhere_does_not_hold_the_name(street, tmp_path):
    first = settings(street, tmp_path, run={"max_steps": 1, "seed": 5})
    first.folder.mkdir()
    (first.folder / "config.json").write_text(to_json(settings(street, tmp_path, run={"seed": 6})))
    assert train(first) == 0
    moved = settings(street, tmp_path, model={"load_weights": tmp_path / "gone"}, run={"max_steps": 1, "seed": 5})
    with pytest.raises(UserError, match="--load_weights was None"):  # not: no such folder
        train(moved)


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
