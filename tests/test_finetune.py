"""Supervised training as its user meets it: the same engine, resume and jobs as the self-supervised one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_kitti import assert_refused, invoke
from trainings import assert_same_training, complete, kill_at_step, scalars

from evaluate.__main__ import main as evaluate_main
from export_gt.__main__ import main as export_main
from litemono import submit, tasks
from litemono.engine.checkpoint_paths import checkpoints
from litemono.engine.lr_schedule import group_rates, schedule
from litemono.finetune import main
from litemono.jobs import slurm
from litemono.synthetic.writer import write_world
from litemono.tasks.supervised.groups import RecipeName
from litemono.tasks.supervised.recipes import RECIPES
from litemono.tasks.supervised.settings import DEFAULT_RATES, FinetuneConfig, check

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A rendered street with exact depth: 2 x 6 training, 6 validation and 4 test frames."""
    folder = tmp_path_factory.mktemp("finetune") / "world"
    write_world(folder, height=64, width=128, drives=4, frames_per_drive=8, seed=0, num_workers=2, left_only=True)
    return folder


def flags(world: Path, log_dir: Path, name: str = "run") -> list[str]:
    """12 samples of 64x32, 2 epochs of 3 steps."""
    text = (
        f"--data_path {world} --split {world}/street --png --num_workers 0 --model lite-mono-tiny --height 32 --width 64 "
        f"--batch_size 4 --num_epochs 2 --log_dir {log_dir} --model_name {name} --device cpu --log_every 1 "
        "--checkpoint_minutes 0"
    )
    return text.split()


@pytest.fixture(scope="module")
def uninterrupted(world, tmp_path_factory) -> Path:
    log_dir = tmp_path_factory.mktemp("runs")
    complete(main, flags(world, log_dir))
    return log_dir / "run"


def test_a_run_leaves_weights_curves_and_a_finished_status(uninterrupted):
    for name in ("weights_0", "weights_1", "last", "best_loss", "best_abs_rel"):
        assert {"encoder.pth", "depth.pth"} <= {path.name for path in (uninterrupted / "models" / name).iterdir()}
    status = json.loads((uninterrupted / "status.json").read_text())
    assert status["state"] == "finished" and status["step"] == status["total_steps"] == 6
    assert [step for step, _ in scalars(uninterrupted / "train", "loss/silog-bts")] == list(range(1, 7))
    assert [step for step, _ in scalars(uninterrupted / "val", "abs_rel")] == [3, 6]


def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(world, tmp_path, uninterrupted):
    kill_at_step(2, "litemono.finetune", flags(world, tmp_path), tmp_path / "run")
    complete(main, flags(world, tmp_path))
    assert_same_training(uninterrupted, tmp_path / "run")


def test_a_purge_of_all_but_the_newest_checkpoint_costs_the_curves_and_nothing_else(
    world, tmp_path, uninterrupted, capsys
):
    run = tmp_path / "run"
    assert invoke(main, capsys, *flags(world, tmp_path), "--max_steps", "4").code == 0
    newest = checkpoints(run / "checkpoints")[-1]
    for path in sorted(run.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir() if not any(path.iterdir()) else None
        elif not path.name.startswith(newest.name):
            path.unlink()
    assert len(list((run / "checkpoints").iterdir())) == 2  # with its checksum
    outcome = invoke(main, capsys, *flags(world, tmp_path))
    assert outcome.code == 0, outcome.err
    for name in ("encoder.pth", "depth.pth"):
        ours, theirs = (torch.load(place / "models/last" / name, weights_only=True) for place in (run, uninterrupted))
        values = [(key, value) for key, value in ours.items() if isinstance(value, torch.Tensor)]
        assert values and all(torch.equal(value, theirs[key]) for key, value in values)


def test_the_weights_are_evaluated_by_the_evaluate_command(world, uninterrupted, capsys):
    invoke(export_main, capsys, "--data_path", world, "--split", world / "street", "--num_workers", 1)
    done = invoke(evaluate_main, capsys, "--load_weights", uninterrupted / "models/last", "--split", world / "street",
                  "--no_median_scaling", "--num_workers", 1, "--device", "cpu")  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads((uninterrupted / "models/last/eval_street_unscaled.json").read_text())["min_depth"] == 1.0


def test_submit_takes_the_command_and_its_flags(world, tmp_path, monkeypatch, capsys):
    arguments = ["finetune", *flags(world, tmp_path), "--cluster", "debug"]
    monkeypatch.setattr(sys, "argv", ["submit", *arguments])
    with pytest.raises(SystemExit) as left:
        submit.main()
    assert not left.value.code, capsys.readouterr().err
    assert "finished: weights in" in capsys.readouterr().out


def test_a_sweep_takes_the_flags_of_the_command(world, tmp_path, monkeypatch, capsys):
    arguments = ["finetune", *flags(world, tmp_path), "--dry_run", "--sweep", "schedule=cosine,constant"]
    monkeypatch.setattr("litemono.jobs.slurm.available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["submit", *arguments])
    with pytest.raises(SystemExit) as left:
        submit.main()
    assert not left.value.code
    assert "schedule=cosine" in capsys.readouterr().out


def test_the_loss_falls_on_a_street_that_is_seen_again_and_again(world, tmp_path, capsys):
    """Eight epochs from random weights: abs_rel of the validation street falls by a fifth at least."""
    more = ["--num_epochs", "8", "--lr", "5e-4", "--schedule", "constant", "--augment", "none", "--drop_path", "0"]
    assert invoke(main, capsys, *flags(world, tmp_path), *more).code == 0
    errors = [value for _, value in scalars(tmp_path / "run/val", "abs_rel")]
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--min_depth", "90"], "--min_depth 90.0 --max_depth 80.0"),
        (["--loss", "photometric"], "--loss"),
        (["--model", "unet"], "--model"),
        (["--dataset", "frames"], "has no depth pictures"),
        (["--lr", "1", "2", "3"], "--lr takes 1 or 2 or 6 values"),
        (["--attention", "performer"], "lite-mono-tiny has no choice of attention; those that have: dpt-hybrid"),
        (["--grad_checkpoint"], "--grad_checkpoint: lite-mono-tiny has batch norm in its blocks"),
        (["--metric_head", "nyu"], "lite-mono-tiny with --loss silog-bts needs none"),
        (["--model", "dpt-tiny", "--metric_head", "nyu", "--estimate_scale_shift", "2"], "use one of the two"),
        (["--model", "dpt-tiny", "--mypretrain", "README.md"], "--mypretrain has encoders of Lite-Mono"),
        (["--gradient_weight", "0.1"], "--loss silog-bts has no gradient matching"),
        (["--clip_norm", "-1"], "--clip_norm -1.0: must be finite and not negative"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(world, tmp_path, capsys, more, says):
    outcome = invoke(main, capsys, *flags(world, tmp_path), *more)
    assert outcome.code == 2 and says in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_split_without_depth_is_refused_with_the_archive_that_has_it(street, tmp_path, capsys):
    """A real drive without annotations."""
    arguments = flags(street, tmp_path)
    arguments[3] = str(street)
    assert_refused(
        invoke(main, capsys, *arguments), "none of its 8 frames has a depth picture", "data_depth_annotated.zip"
    )


def test_pixels_outside_the_range_of_depths_do_not_count(world, tmp_path, capsys):
    """A frame whose depth is all beyond --max_depth gives no gradient and no NaN."""
    from shutil import copytree

    copy = copytree(world, tmp_path / "world")
    for path in copy.glob("*/*/proj_depth/groundtruth/image_02/*.png"):
        Image.fromarray(np.full((64, 128), 100 * 256, np.uint16)).save(path)
    assert invoke(main, capsys, *flags(copy, tmp_path)).code == 0
    assert {value for _, value in scalars(tmp_path / "run/train", "loss")} == {0.0}
    weights = torch.load(tmp_path / "run/models/last/depth.pth", weights_only=True)
    assert all(value.isfinite().all() for value in weights.values())


def test_a_dpt_learns_relative_depth(world, tmp_path, capsys):
    more = (
        "--model",
        "dpt-tiny",
        "--loss",
        "ssi-trimmed",
        "--lr",
        "3e-4",
        "--schedule",
        "constant",
        "--num_epochs",
        "4",
    )
    assert invoke(main, capsys, *flags(world, tmp_path), *more).code == 0
    losses = [value for _, value in scalars(tmp_path / "run/val", "loss")]
    assert losses[-1] < losses[0]
    assert {tag for tag in ("d1", "silog", "log10")} <= set(
        json.loads((tmp_path / "run/models/last/validation.json").read_text())["validation"]
    )
    settings = json.loads((tmp_path / "run/models/last/network.json").read_text())
    assert settings["metric_head"] is None


def test_a_sweep_with_an_estimated_head_is_checked_before_the_queue(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)
    more = ("--model", "dpt-tiny", "--loss", "l1", "--estimate_scale_shift", "2", "--sweep", "lr=1e-4,5e-5")
    args = ("finetune", "--dry_run", "--partition", "gpu", *flags(world, tmp_path), *more)
    done = invoke(submit.main, capsys, *args)
    assert done.code == 0 and "--array=0-1" in done.out
    assert done.err.count("--estimate_scale_shift: depth =") == 1, "the same data and weights are looked at once"


def test_a_dpt_predicts_metres_by_an_estimated_head_that_is_resumed_and_evaluated(world, tmp_path, capsys):
    more = ("--model", "dpt-tiny", "--loss", "l1", "--estimate_scale_shift", "4", "--lr", "1e-4")
    first = invoke(main, capsys, *flags(world, tmp_path), *more, "--max_steps", "2")
    assert first.code == 0 and "--estimate_scale_shift: depth = 1 / max(" in first.err
    head = json.loads((tmp_path / "run/models/last/network.json").read_text())["metric_head"]
    assert head["scale"] > 0 and head["shift"] >= 0.5 / 80
    second = invoke(main, capsys, *flags(world, tmp_path), *more)
    assert second.code == 0 and "--estimate_scale_shift" not in second.err, "the checkpoint has the head"
    assert json.loads((tmp_path / "run/models/last/network.json").read_text())["metric_head"] == head
    invoke(export_main, capsys, "--data_path", world, "--split", world / "street", "--num_workers", 1)
    done = invoke(evaluate_main, capsys, "--load_weights", tmp_path / "run/models/last", "--split", world / "street",
                  "--num_workers", 1, "--device", "cpu")  # fmt: skip
    assert done.code == 0 and "no alignment" in done.out, done.err


def test_a_recipe_sets_everything_and_flags_come_first(world, tmp_path, capsys):
    arguments = [*flags(world, tmp_path), "--recipe", "dpt-kitti", "--model", "dpt-tiny", "--max_steps", "1"]
    done = invoke(main, capsys, *arguments)
    assert done.code == 0 and '"clip_value": 0.5' in done.err
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert (config["defaults_from"]["recipe"], config["loss"]["loss"], config["optim"]["lr"]) == (
        "dpt-kitti",
        "silog-eigen",
        [1e-5, 1e-4],
    )
    assert (config["model"]["model"], config["optim"]["batch_size"]) == ("dpt-tiny", 4)
    old = {name: group for name, group in config.items() if name != "defaults_from"}
    (tmp_path / "run/config.json").write_text(json.dumps(old | {"recipe": "dpt-kitti"}))  # as it was written before
    again = invoke(main, capsys, *arguments)
    assert again.code == 0 and "resumed at step 1" in again.out


def test_recipes_for_kitti_train_on_eigens_split_and_adabins_cycles_as_published():
    """AdaBins: torch's OneCycleLR with div_factor 25 and final_div_factor 100, the encoder at a tenth."""
    for name, recipe in RECIPES.items():
        if "kitti" in name:
            assert recipe.data.sets()[0].dataset.default_split == "eigen_full"
    optim = RECIPES["adabins-kitti"].optim
    for rate, maximum in zip(group_rates(optim.lr, DEFAULT_RATES), (3.57e-5, 3.57e-4), strict=True):
        at = schedule(optim.schedule, rate, optim.num_epochs)
        found = [at(epochs) for epochs in (0, 0.3 * optim.num_epochs, optim.num_epochs)]
        assert found == pytest.approx([maximum / 25, maximum, maximum / 25 / 100], rel=1e-9)


def test_every_recipe_is_a_training_that_its_check_accepts(world):
    assert list(RECIPES) == list(get_args(RecipeName))
    for name in RECIPES:
        config = FinetuneConfig.defaults(["--recipe", name])
        check(replace(config, data=replace(config.data, data_path=world)))


def test_every_training_command_is_whole():
    for command in tasks.COMMANDS.values():
        for place in command:
            assert callable(tasks.resolve(place))
