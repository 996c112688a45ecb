"""litemono.submit on a real Slurm: what it refuses, what it queues, and how that ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys

import processes
import pytest
from conftest import ROOT

from litemono.jobs.slurm import ENDED
from slurm.conftest import read_status


def test_a_submitted_run_is_followed_until_it_is_finished(slurm, training, tmp_path, log_of):
    done = slurm.python("litemono.submit", *training("mytrain", 1), "--partition", "gpu", "--mem", "4G", "--wait")
    job = done.stdout.split("job ")[1].split(":")[0]
    assert f"run folder  {tmp_path}/runs/mytrain" in done.stdout and str(log_of("mytrain", job)) in done.stdout
    assert "litemono.status" in done.stdout and f"scancel {job}" in done.stdout
    assert f"[job {job}: completed]" in done.stdout
    assert "finished: weights in" in log_of("mytrain", job).read_text()
    assert slurm.starts(job) == ["COMPLETED"] and slurm.exit_code(job) == "0:0"
    assert read_status(tmp_path / "runs/mytrain")["state"] == "finished"
    assert (tmp_path / "runs/mytrain/models/last/depth.pth").exists()
    table = slurm.here("litemono.status", "--log_dir", tmp_path / "runs").stdout
    assert "mytrain" in table and "finished" in table and job in table


REFUSED = [
    (["--partition", "gup"], ["no such partition", "gpu (2 nodes with 4 v100, up to 1-00:00:00)"]),
    ([], ["default partition compute has no GPUs", "gpu-short"]),
    (["--partition", "gpu-short"], ["--time 1-00:00:00", "allows 00:05:00"]),
    (["--partition", "gpu", "--gpus_per_node", "5"], ["--gpus_per_node: 5", "(4)"]),
    (["--partition", "gpu", "--cpus_per_task", "9"], ["9 CPUs", "(8)"]),
    (["--partition", "gpu", "--mem", "17G"], ["17408 MB", "(16000)"]),
    (["--partition", "gpu", "--nodes", "3"], ["--nodes 3", "2 at most"]),
    (["--partition", "gpu", "--constraint", "a100"], ["feature a100", "v100"]),
    (["--partition", "gpu", "--data_path", "/proc/nonexistent"], ["--data_path /proc/nonexistent: no such folder"]),
    (["--partition", "gpu", "--split", "/proc/nonexistent"], ["--split", "/proc/nonexistent"]),
    (["--partition", "gpu", "--mypretrain", "/proc/nonexistent"], ["--mypretrain /proc/nonexistent"]),
]


def test_what_could_never_start_is_not_queued(slurm, training, tmp_path):
    for flags, words in REFUSED:
        memory = [] if "--mem" in flags else ["--mem", "4G"]
        done = slurm.here("litemono.submit", *training("bad", 1), *memory, *flags, check=False)
        assert done.returncode == 2 and all(word in done.stderr for word in words), f"{flags}: {done.stderr}"
        assert "Traceback" not in done.stderr, flags
    assert not slurm.call("squeue", "-h").stdout
    assert not (tmp_path / "runs").exists()


def test_a_partition_of_other_accounts_and_dead_nodes_are_refused(slurm, training):
    flags = [*training("bad", 1), "--partition", "gpu", "--mem", "4G", "--dry_run"]
    slurm.call("scontrol", "update", "PartitionName=gpu", "AllowAccounts=research")
    try:
        done = slurm.here("litemono.submit", *flags, check=False)
        assert done.returncode == 2 and "partition gpu runs jobs of these accounts only: research" in done.stderr
    finally:
        slurm.call("scontrol", "update", "PartitionName=gpu", "AllowAccounts=ALL")
    slurm.call("scontrol", "update", "NodeName=gpu[001-002]", "State=DRAIN", "Reason=test")
    try:
        done = slurm.here("litemono.submit", *flags, check=False)
        assert done.returncode == 2 and "until its nodes are back: gpu001 drained" in done.stderr
    finally:
        slurm.bring_back("gpu[001-002]")


def test_a_run_is_not_queued_twice(slurm, training):
    holder = slurm.sbatch("-p", "gpu", "-N", 2, "--exclusive", "-t", 5, "-o", "/dev/null", "--wrap", "sleep 100")
    job = slurm.submit(*training("twice", 1), "--partition", "gpu", "--mem", "4G")
    done = slurm.here("litemono.submit", *training("twice", 1), "--partition", "gpu", "--mem", "4G", check=False)
    assert done.returncode == 2 and f"has job {job} in the queue already (PENDING)" in done.stderr
    slurm.call("scancel", holder, job)


def test_the_run_starts_after_a_preflight_that_works_and_is_cancelled_after_one_that_fails(
    slurm, training, world, tmp_path
):
    broken = tmp_path / "broken"
    shutil.copytree(world, broken)
    for frame in broken.rglob("image_02/data/*.png"):
        frame.write_bytes(frame.read_bytes()[:100])  # only reading shows that it is cut

    def submit(*flags: str) -> list[str]:
        """Ids of the preflight and of the run."""
        text = slurm.here("litemono.submit", *flags, "--partition", "gpu", "--mem", "4G", "--preflight").stdout
        return [text.split(word)[1].split(":")[0] for word in ("preflight  job ", "\njob ")]

    careless = [str(broken) if flag == str(world) else flag for flag in training("careless", 1)]
    preflight, job = submit(*training("careful", 1))
    failing, cancelled = submit(*careless, "--preflight_partition", "compute")
    assert "gpu-short" in slurm.call("scontrol", "show", "job", preflight).stdout, "the shortest queue that fits"
    assert slurm.wait_end(preflight) == "COMPLETED" and slurm.wait_end(job) == "COMPLETED"
    assert slurm.wait_end(failing) == "FAILED" and slurm.wait_end(cancelled) == "CANCELLED"
    logs = {"careful": preflight, "careless": failing}
    text = {name: (tmp_path / f"runs/{name}/slurm/{number}_0_log.out").read_text() for name, number in logs.items()}
    assert "preflight: training works" in text["careful"] and "truncated" in text["careless"].lower()
    assert not (tmp_path / "runs/careful/preflight").exists()
    assert not (tmp_path / "runs/careless/preflight").exists()


def test_a_sweep_of_four_runs_two_at_a_time_of_which_one_is_killed(slurm, training, tmp_path):
    """The one that has the array's own number: putting it back must not put back the others."""
    job = slurm.submit(
        *training("sweep", 3), "--partition", "gpu", "--mem", "4G", "--array_parallelism", 2, "--sweep", "lr=1e-4,5e-5",
        "batch_size=2,4",
    )  # fmt: skip
    runs = tmp_path / "runs/sweep"
    most, killed = 0, None

    def all_ended() -> bool:
        """Kill the first run once it is under way; count how many run at a time."""
        nonlocal most, killed
        for status in map(read_status, runs.glob("*=*")) if killed is None else ():
            if status.get("job_id") == job and status["state"] in ("starting", "running"):
                killed = status["pid"]
                os.kill(killed, signal.SIGKILL)
        states = slurm.call("squeue", "-h", "-r", "-j", job, "-o", "%T", check=False).stdout.split()
        most = max(most, states.count("RUNNING"))
        return all(state in ENDED for state in states)

    slurm.wait_for("the end of the four runs", all_ended)
    assert most == 2 and killed
    assert sorted(slurm.starts(job)) == ["COMPLETED"] * 4 + ["REQUEUED"]
    names = {"lr=1e-4_batch_size=2", "lr=1e-4_batch_size=4", "lr=5e-5_batch_size=2", "lr=5e-5_batch_size=4"}
    assert {path.name for path in runs.iterdir()} == names | {"slurm"}
    assert all(read_status(runs / name)["state"] == "finished" for name in names)
    table = slurm.here("litemono.status", "--log_dir", runs).stdout
    assert all(name in table for name in names) and table.count("finished") == 4


def test_flags_of_sbatch_are_kept_over_requeues_and_checked_before_the_queue(slurm, training, tmp_path, log_of):
    refused = slurm.here(
        "litemono.submit", *training("refused", 1), "--partition", "gpu", "--mem", "4G", "--sbatch", "reservation=none",
        check=False,
    )  # fmt: skip
    assert refused.returncode == 2 and "sbatch refuses this job" in refused.stderr and "eservation" in refused.stderr
    assert not (tmp_path / "runs/refused").exists() and "Traceback" not in refused.stderr
    job = slurm.submit(
        *training("apart", 1000, "--checkpoint_minutes", 0.01), "--partition", "gpu", "--mem", "4G",
        "--sbatch", "exclude=gpu001 comment=ours", "--srun", "--cpu-bind=none",
    )  # fmt: skip
    slurm.call("scontrol", "requeue", job, check=False)
    record = slurm.call("scontrol", "show", "job", "-o", job).stdout
    assert "ExcNodeList=gpu001" in record and "Comment=ours" in record


def test_a_requeued_job_runs_the_code_that_was_submitted_and_follows_the_checkout_only_if_asked(
    slurm, training, tmp_path, log_of, monkeypatch
):
    """The checkout is edited between two attempts: the edit makes every training fail."""
    checkout = tmp_path / "checkout"
    slurm.call("git", "clone", "-q", "--local", ROOT, checkout)
    changes = slurm.call("git", "diff", "HEAD", "--binary").stdout
    if changes:  # of whoever runs the test
        assert processes.run(["git", "-C", checkout, "apply"], stdin=changes).returncode == 0
    monkeypatch.setitem(slurm.environment, "PYTHONPATH", str(checkout))

    def submit(name: str, *more: str) -> str:
        flags = [*training(name, 1000, "--checkpoint_minutes", 0), "--partition", "gpu", "--mem", "4G", *more]
        text = slurm.python("litemono.submit", *flags, cwd=checkout).stdout
        return text.split("job ")[1].split(":")[0]

    jobs = {"kept": submit("kept"), "followed": submit("followed", "--follow_checkout")}
    for name, job in jobs.items():
        slurm.wait_step(tmp_path / "runs" / name, 2, log_of(name, job))
    loop = checkout / "litemono/engine/loop.py"
    loop.write_text(loop.read_text() + "\nraise SystemExit('edited after submission')\n")
    for job in jobs.values():
        slurm.call("scontrol", "requeue", job)
    kept, log = tmp_path / "runs/kept", log_of("kept", jobs["kept"])
    slurm.wait_for("the second start", lambda: "resumed at step" in log.read_text(), log)
    slurm.wait_step(kept, read_status(kept)["step"] + 2, log)
    followed = log_of("followed", jobs["followed"])
    slurm.wait_for("the edit", lambda: "edited after submission" in followed.read_text(), followed)
    slurm.call("scancel", *jobs.values())
    assert "edited" not in log.read_text()
    lines = [json.loads(line) for line in (kept / "attempts.jsonl").read_text().splitlines()]
    assert [line["restart"] for line in lines] == [0, 1] and lines[0]["status"] in ("interrupted", "killed")
    assert lines[1]["from_step"] <= lines[0]["step"], "both are steps of the same run"
    for line in lines:
        assert line["code"].startswith(f"{kept}/slurm/code/") and line["folder"] == str(checkout)
        assert "litemono.submit" in line["command"] and line["processes"][0]["node"].startswith("gpu00")
    assert lines[0]["commit"] == lines[1]["commit"] and bool(lines[0]["diff"]) == bool(changes)
    follower = json.loads((tmp_path / "runs/followed/attempts.jsonl").read_text().splitlines()[0])
    assert follower["code"] == str(checkout)


def test_a_bad_run_of_a_sweep_is_stopped_early_frees_its_place_and_resumes_without_the_flag(slurm, training, tmp_path):
    """Two runs one after the other, of which the second hardly learns."""
    flags = [
        *training("halving", 3), "--partition", "gpu", "--mem", "4G", "--array_parallelism", 1, "--sweep", "lr=1e-3,1e-9",
    ]  # fmt: skip
    job = slurm.submit(*flags, "--stop_early", "loss", "--reduction_factor", 2)
    runs = tmp_path / "runs/halving"
    assert slurm.wait_end(job) == "COMPLETED"
    assert sorted(slurm.starts(job)) == ["COMPLETED"] * 2, "a stopped run is not requeued"
    good, bad = (read_status(runs / name) for name in ("lr=1e-3", "lr=1e-9"))
    assert (good["state"], bad["state"], bad["step"], bad["exit"]) == ("finished", "stopped early", 16, 0)
    table = slurm.here("litemono.status", "--log_dir", runs, "--check").stdout
    assert "stopped early after 1 of 3 epochs: loss" in table
    again = slurm.submit(*flags)
    assert slurm.wait_end(again) == "COMPLETED"
    assert read_status(runs / "lr=1e-9")["state"] == "finished" and read_status(runs / "lr=1e-9")["step"] == 48
    cost = json.loads(slurm.here("litemono.status", "--log_dir", runs, "--cost", "--json").stdout)
    seconds = slurm.call("sacct", "-D", "-X", "-nP", "-o", "ElapsedRaw", "-j", f"{job},{again}").stdout.split()
    assert len(seconds) == 4 and cost["total"][0]["starts"] == 4
    assert cost["total"][0]["gpu_hours"] * 3600 == pytest.approx(sum(map(int, seconds))), "one GPU for each"
    assert cost["total"][0]["cpu_efficiency"] > 0.05 and 0 < cost["total"][0]["memory_efficiency"] < 1
    assert 0 <= cost["total"][0]["queue_share"] < 1 and cost["missing"] == [
        "Energy: this Slurm measures none (AcctGatherEnergyType)."
    ]


def test_a_container_starts_the_training_and_its_requeues(slurm, training, tmp_path, log_of, monkeypatch):
    """An apptainer that starts what is behind the image, as there is none on the test cluster."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apptainer").write_text(
        '#!/bin/bash\necho "apptainer $*"\nwhile [[ "$1" != *.sif ]]; do shift; done\nshift 2\n'
        f'exec {sys.executable} "$@"\n'
    )
    (tmp_path / "bin/apptainer").chmod(0o755)
    (tmp_path / "litemono.sif").touch()
    monkeypatch.setitem(slurm.environment, "PATH", f"{tmp_path}/bin:{slurm.environment['PATH']}")
    flags = [*training("boxed", 1, "--checkpoint_minutes", 0), "--partition", "gpu", "--mem", "4G"]
    job = slurm.submit(*flags, "--container", tmp_path / "litemono.sif")
    run, log = tmp_path / "runs/boxed", log_of("boxed", job)
    slurm.wait_step(run, 2, log)
    slurm.call("scontrol", "requeue", job)
    slurm.wait_for("the end", lambda: read_status(run).get("state") == "finished", log)
    assert log.read_text().count("apptainer exec --nv --bind") == 2 and read_status(run)["restarts"] == 1
