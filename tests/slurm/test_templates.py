"""slurm/*.sh on a real Slurm, as a user submits them."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from slurm.conftest import read_status

SMALL = ("--cpus-per-task=1", "--mem=4G")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """What a job needs of the checkout, with a logs folder of its own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("litemono", "networks", "evaluate", "export_gt", "splits", "slurm"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "logs").mkdir()
    return folder


def log_text(checkout: Path, name: str, job: str) -> str:
    return (checkout / "logs" / f"{name}-{job}.out").read_text()


def test_train_v100_trains_to_the_end_and_its_log_says_on_what(slurm, training, checkout, tmp_path):
    job = slurm.sbatch(*SMALL, "--job-name=tiny", "slurm/train_v100.sh", *training(None, 1), cwd=checkout)
    assert slurm.wait_end(job) == "COMPLETED" and slurm.exit_code(job) == "0:0"
    assert slurm.starts(job) == ["COMPLETED"]
    text = log_text(checkout, "tiny", job)
    for words in (
        f"job {job} (tiny), start number 1, on gpu00",
        "torch    2.",
        "modules",
        "driver",
        "finished: weights in",
    ):
        assert words in text
    assert (tmp_path / "runs/tiny/models/last/encoder.pth").exists()
    attempt = json.loads((tmp_path / "runs/tiny/attempts.jsonl").read_text())
    assert attempt["code"].startswith(f"{checkout}/logs/.job-{job}/code/"), "the copy that the first start made"
    assert (attempt["status"], attempt["exit"], attempt["folder"]) == ("finished", 0, str(checkout))


def test_train_v100_goes_on_after_its_time_limit_preemption_by_sigterm_and_kill(slurm, training, checkout, tmp_path):
    slurm.preemption("sigterm")
    job = slurm.sbatch(
        *SMALL, "--job-name=hunted", "--partition=gpu-preempt", "slurm/train_v100.sh",
        *training(None, 1000, "--checkpoint_minutes", 0.01), cwd=checkout,
    )  # fmt: skip
    run, log = tmp_path / "runs/hunted", checkout / f"logs/hunted-{job}.out"

    def resumed(times: int) -> bool:
        return log.read_text().count("resumed at step") >= times

    step = slurm.wait_step(run, 3, log)
    slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=1")  # warned at Slurm's next look
    slurm.wait_for("start after the time limit", lambda: resumed(1), log)
    assert f"saved at step {step}" in log.read_text() or read_status(run)["step"] > step
    slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=60")

    slurm.wait_step(run, read_status(run)["step"] + 3, log)
    urgent = slurm.sbatch("-p", "gpu", "-N", 2, "--gpus-per-node=4", "-t", 5, "-o", "/dev/null", "--wrap", "sleep 1")
    slurm.wait_for("start after the preemption", lambda: resumed(2), log)
    assert "SIGTERM: saved at step" in log.read_text() and slurm.state(urgent) == "COMPLETED"

    slurm.wait_step(run, read_status(run)["step"] + 3, log)
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    slurm.wait_for("start after kill -9", lambda: resumed(3), log)
    slurm.wait_step(run, read_status(run)["step"] + 1, log)
    slurm.call("scancel", job)
    assert slurm.wait_end(job) == "CANCELLED"
    assert log.read_text().count("start number 1,") == 1, "the log was begun anew"


# What an interactive job hands on: of its own flags and steps, of a shell with srun's defaults, of a torchrun.
INTERACTIVE = (
    "salloc -Q -p gpu -t 5 -n 2 --gres=gpu:v100:1 --mem-per-cpu=2000 --distribution=cyclic --hint=nomultithread"
)
ITS_STEP = "srun -n 1 --overlap --cpu-bind=none --mem-bind=none --mpi=none"
ITS_SHELL = "TIMELIMIT=1 CONSTRAINT=none STDOUTMODE=/nowhere/o MPI_TYPE=none HET_SIZE=2 GPUS_PER_TASK=4 CORE_SPEC=4 WORKING_DIR=/"
ITS_ARRAY = {
    "SLURM_ARRAY_JOB_ID": "1",
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_RESTART_COUNT": "5",
    "SRUN_EXPORT_ENV": "NONE",
}
ITS_TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "MASTER_PORT": "9",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


def test_jobs_submitted_from_inside_another_job_train_as_from_a_login_node(slurm, training, checkout, tmp_path):
    shell = {f"SLURM_{name}": value for name, value in (word.split("=") for word in ITS_SHELL.split())}

    def submit(*command: object, torchrun: bool = True) -> str:
        leaked = shell | ITS_ARRAY | (ITS_TORCHRUN if torchrun else {})
        variables = [f"{name}={value}" for name, value in leaked.items()]
        return slurm.call(*INTERACTIVE.split(), *ITS_STEP.split(), "env", *variables, *command, cwd=checkout).stdout

    jobs = {
        "one": submit("sbatch", "--parsable", *SMALL, "-J", "one", "slurm/train_v100.sh", *training(None, 1)).strip(),
        # The processes meet at the test's MASTER_ADDR, which would be forgotten with a torchrun's.
        "two": submit(
            "sbatch", "--parsable", *SMALL, "-J", "two", "--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2",
            "slurm/train_v100_multi.sh", *training(None, 1), torchrun=False,
        ).strip(),
    }  # fmt: skip
    text = submit(sys.executable, "-m", "litemono.submit", *training("three", 1), "--partition", "gpu", "--mem", "4G")
    jobs["three"] = re.search(r"^job (\d+)", text, re.MULTILINE)[1]
    for name, job in jobs.items():
        assert slurm.wait_end(job, checkout / f"logs/{job}.out") == "COMPLETED", name
        assert read_status(tmp_path / "runs" / name)["state"] == "finished"
    one = jobs["one"]
    assert f"job {one} (one), start number 1, on gpu00" in log_text(checkout, "one", one)


def test_finetune_resumes_after_a_kill_and_trains_to_the_end(slurm, finetuning, checkout, tmp_path):
    job = slurm.sbatch(
        *SMALL, "--job-name=metric", "slurm/finetune.sh", *finetuning, "--num_epochs", 4, cwd=checkout
    )  # fmt: skip
    run, log = tmp_path / "runs/metric", checkout / f"logs/metric-{job}.out"
    slurm.wait_step(run, 3, log)
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    slurm.wait_for("start after kill -9", lambda: log.read_text().count("resumed at step") == 1, log)
    assert slurm.wait_end(job, log) == "COMPLETED" and slurm.starts(job) == ["REQUEUED", "COMPLETED"]
    assert "finished: weights in" in log.read_text()
    assert (run / "models/best_abs_rel/depth.pth").exists()


def test_wrong_flags_end_the_job_with_their_exit_status(slurm, training, finetuning, checkout):
    jobs = {
        name: slurm.sbatch(*SMALL, f"slurm/{script}.sh", *flags, "--height", 16, cwd=checkout)
        for name, script, flags in (
            ("lite-mono", "train_v100", training(None, 1)),
            ("finetune", "finetune", finetuning),
        )
    }
    for name, job in jobs.items():
        assert slurm.wait_end(job) == "FAILED" and slurm.exit_code(job) == "2:0"
        assert slurm.starts(job) == ["FAILED"]
        assert "--height 16: must be at least 32" in log_text(checkout, name, job)


def test_paper_tables_goes_from_scans_to_a_table(slurm, training, world, checkout, tmp_path):
    """The whole chain with dependencies: export_gt.sh, train_v100.sh, evaluate.sh, tables."""
    flags = training(None, 1)
    drop = {"--model", "--log_dir"}
    flags = [f for i, f in enumerate(flags) if f not in drop and (i == 0 or flags[i - 1] not in drop)]
    slurm.environment |= {
        "MODELS": "lite-mono-tiny",
        "LOG_DIR": str(tmp_path / "paper"),
        "TEST_SPLIT": str(world / "street"),
        "CPU": " ".join(SMALL),
        "GPU": " ".join(SMALL),
    }
    try:
        text = slurm.call("bash", "slurm/paper_tables.sh", *flags, cwd=checkout).stdout
    finally:
        for name in ("MODELS", "LOG_DIR", "TEST_SPLIT", "CPU", "GPU"):
            del slurm.environment[name]
    jobs = [line.split("job ")[1].split()[0].strip(",") for line in text.splitlines() if "job " in line]
    assert len(jobs) == 3, text
    assert slurm.wait_end(jobs[-1]) == "COMPLETED", [path.read_text() for path in (checkout / "logs").iterdir()]
    assert (tmp_path / "paper/lite-mono-tiny/models/last").is_dir()
    assert "abs_rel" in (tmp_path / "paper/tables.md").read_text().lower().replace(" ", "_")


def test_a_reproduction_trains_evaluates_and_makes_its_table_and_a_second_call_makes_the_table_only(
    slurm, training, world, checkout, tmp_path, monkeypatch
):
    flags = training(None, 1)
    drop = {"--model", "--log_dir"}
    flags = [f for i, f in enumerate(flags) if f not in drop and (i == 0 or flags[i - 1] not in drop)]
    variables = {
        "MODELS": "lite-mono-tiny",
        "SEEDS": "2",
        "LOG_DIR": str(tmp_path / "again"),
        "TEST_SPLIT": str(world / "street"),
    }
    for name, value in (variables | {"CPU": " ".join(SMALL), "GPU": " ".join(SMALL)}).items():
        monkeypatch.setitem(slurm.environment, name, value)
    text = slurm.call("bash", "slurm/reproduce.sh", *flags, cwd=checkout).stdout
    table = text.split("table    job ")[1].split()[0]
    again = slurm.call("bash", "slurm/reproduce.sh", *flags, cwd=checkout).stdout
    assert "train job" in text and again.count("in the queue") == 3 and " job " not in again.replace(f"job {table}", "")
    assert slurm.wait_end(table) == "COMPLETED", [path.read_text() for path in (checkout / "logs").iterdir()]
    rows = (tmp_path / "again/reproduction.md").read_text()
    assert "lite-mono-tiny-scratch/0" in rows and "street/abs_rel" in rows and ", 2 seeds: " in rows
    assert len([*(tmp_path / "again").glob("*/*/models/weights_0/eval_street.json")]) == 2
    done = slurm.call("bash", "slurm/reproduce.sh", *flags, cwd=checkout).stdout
    assert done.count("done") == 2 and done.count(" job ") == 1


def test_prepare_data_packs_frames(slurm, world, checkout, tmp_path):
    job = slurm.sbatch(
        *SMALL, "slurm/prepare_data.sh", "--from", world, "--split", world / "street", "--output", tmp_path / "pack",
        "--size", "64x32", cwd=checkout,
    )  # fmt: skip
    assert slurm.wait_end(job) == "COMPLETED", log_text(checkout, "prepare", job)
    assert "frames at 64x32" in log_text(checkout, "prepare", job)
