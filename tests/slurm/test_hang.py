"""Jobs that hang are ended by their watchdogs, requeued, and finished with the bits of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import torch

from slurm.conftest import read_status
from slurm.test_many_ranks import process_of

HANG = ("--hang_minutes", 0.2, "--checkpoint_minutes", 0)
EPOCHS = 6
STARTED = 4  # steps after which the limit is --hang_minutes
ON_CPU = ("--partition", "compute", "--gpus_per_node", 0, "--mem", "4G")
ON_TWO = ("--partition", "gpu", "--gpus_per_node", 2, "--cpus_per_task", 1, "--mem", "6G")


def weights(run: Path) -> dict[str, torch.Tensor]:
    files = {name: torch.load(run / f"models/last/{name}.pth", weights_only=True) for name in ("encoder", "depth")}
    return {f"{name}.{key}": torch.as_tensor(value) for name, state in files.items() for key, value in state.items()}


def assert_same_bits(run: Path, calm: Path) -> None:
    mine, theirs = weights(run), weights(calm)
    assert mine.keys() == theirs.keys()
    different = [name for name, value in mine.items() if not torch.equal(value, theirs[name])]
    assert not different, f"{len(different)} of {len(mine)} tensors differ, first {different[0]}"


def assert_hung_once(run: Path, log: Path, stacks: int) -> str:
    """The log of a run that is finished after one hang."""
    text = "".join(path.read_text() for path in log.parent.glob(log.name.replace("_0_log", "_*_log")))
    assert "watchdog: hung: " in text and text.count("Current thread") + text.count("Thread 0x") >= stacks
    assert "failed: hung: " in text and "to resume from step" in text and read_status(run)["restarts"] == 1
    assert '"status": "hung"' in (run / "attempts.jsonl").read_text().splitlines()[0]
    return text


def test_a_stopped_process_and_a_read_that_never_returns_are_ended_and_finished_to_the_same_bits(
    slurm, training, world, tmp_path, log_of
):
    data = shutil.copytree(world, tmp_path / "data")
    flags = [str(data) if flag == str(world) else flag for flag in training("reads", EPOCHS, *HANG)]
    runs, logs = tmp_path / "runs", {}
    logs["stopped"] = log_of("stopped", slurm.submit(*training("stopped", EPOCHS, *HANG), *ON_CPU))
    slurm.wait_step(runs / "stopped", STARTED, logs["stopped"])
    os.kill(read_status(runs / "stopped")["pid"], signal.SIGSTOP)  # the nodes of the test cluster are this machine
    logs["reads"] = log_of("reads", slurm.submit(*flags, *ON_CPU))
    slurm.wait_step(runs / "reads", STARTED, logs["reads"])
    frames = [*data.rglob("*.png")]
    for path in frames:  # as on a file server that no longer answers
        path.rename(path.with_suffix(".kept"))
        os.mkfifo(path)
    slurm.submit(*training("calm", EPOCHS), *ON_CPU)
    slurm.wait_for("the end of the read", lambda: "watchdog: hung: " in logs["reads"].read_text(), logs["reads"])
    for path in frames:
        path.with_suffix(".kept").rename(path)
    for name in ("calm", *logs):
        slurm.wait_for(
            f"the end of {name}", lambda n=name: read_status(runs / n).get("state") == "finished", logs.get(name)
        )
    assert "no step was finished" in assert_hung_once(runs / "stopped", logs["stopped"], stacks=1)
    assert "litemono/data" in assert_hung_once(runs / "reads", logs["reads"], stacks=1), "the stack shows the read"
    for name in logs:
        assert_same_bits(runs / name, runs / "calm")


def test_a_stopped_rank_of_two_leaves_the_stacks_of_both_and_the_same_bits(slurm, training, tmp_path, log_of):
    slurm.submit(*training("calm", EPOCHS), *ON_TWO)
    job = slurm.submit(*training("pair", EPOCHS, *HANG), *ON_TWO)
    run, log = tmp_path / "runs/pair", log_of("pair", job)
    slurm.wait_step(run, STARTED, log)
    os.kill(process_of(job, rank=1), signal.SIGSTOP)
    for name in ("pair", "calm"):
        slurm.wait_for(f"{name}", lambda n=name: read_status(tmp_path / "runs" / n).get("state") == "finished", log)
    text = assert_hung_once(run, log, stacks=2)
    assert text.count("watchdog: hung: ") == 2, "each of the two processes has shown its stacks"
    assert_same_bits(run, tmp_path / "runs/calm")
