"""A running Slurm (tests/slurm/cluster), a small rendered data set, and what tests do to jobs."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import processes
import pytest
from conftest import ROOT

CLUSTER = Path(__file__).with_name("cluster")
TIMEOUT = 240  # seconds in which what a test waits for must happen


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == CLUSTER.parent:
            item.add_marker(pytest.mark.slurm)
            if os.environ.get("LITEMONO_SLURM") != "1":
                item.add_marker(pytest.mark.skip(reason="needs a real Slurm: make test-slurm (or LITEMONO_SLURM=1)"))


class Slurm:
    """The cluster under test: commands of a user and of an operator."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._preemption = "job-signal"  # as `cluster up` leaves it

    def call(self, *command: object, check: bool = True, cwd: Path = ROOT) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, env=self.environment, cwd=cwd, timeout=TIMEOUT
        )
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def python(self, module: str, *arguments: object, check: bool = True, cwd: Path = ROOT):
        """`python -m MODULE ARGUMENTS...`"""
        return self.call(sys.executable, "-m", module, *arguments, check=check, cwd=cwd)

    def here(self, module: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess:
        """The same from the checkout, in this process, which saves the seconds of starting one. Not in threads."""
        words, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", [module, *words])
            command = shlex.join(["python", "-m", module, *words])  # which jobs note
            for name, value in {**self.environment, "LITEMONO_COMMAND": command}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                importlib.import_module(module).main()
        done = subprocess.CompletedProcess(words, int(left.value.code or 0), out.getvalue(), err.getvalue())
        assert not check or done.returncode == 0, f"{module} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def submit(self, *arguments: object) -> str:
        """litemono.submit; returns the (first) run job's id."""
        text = self.here("litemono.submit", *arguments).stdout
        return re.search(r"^job (\d+)", text, re.MULTILINE)[1]

    def sbatch(self, *arguments: object, cwd: Path = ROOT) -> str:
        return self.call("sbatch", "--parsable", *arguments, cwd=cwd).stdout.strip()

    def preemption(self, kind: str) -> None:
        """How Slurm preempts from now on; nodes that are down are resumed."""
        if kind != self._preemption or re.search("down|drain|drng", self.call("sinfo", "-hN", "-o", "%t").stdout):
            self.call(CLUSTER, "up", "--preemption", kind)
            self._preemption = kind

    def bring_back(self, nodes: str) -> None:
        """Resume nodes set DOWN or drained; one that Slurm brought back by itself meanwhile refuses, and is fine."""
        self.call("scontrol", "update", f"NodeName={nodes}", "State=RESUME", check=False)
        self.wait_for(
            f"{nodes} back in service",
            lambda: not re.search("down|drain|drng", self.call("sinfo", "-hN", "-n", nodes, "-o", "%t").stdout),
        )

    def state(self, job: str) -> str:
        """Of its last start, from accounting."""
        lines = self.call("sacct", "-X", "-nP", "-o", "State", "-j", job).stdout.split("\n")
        return lines[0].split()[0] if lines[0] else "UNKNOWN"

    def starts(self, job: str) -> list[str]:
        """How each start of the job ended, in order."""
        return self.call("sacct", "-D", "-X", "-nP", "-o", "State", "-j", job).stdout.split("\n")[:-1]

    def exit_code(self, job: str) -> str:
        return self.call("sacct", "-X", "-nP", "-o", "ExitCode", "-j", job).stdout.strip()

    def queued(self, job: str) -> bool:
        return bool(self.call("squeue", "-h", "-j", job, check=False).stdout.strip())

    def wait_for(self, what: str, condition: Callable[[], object], log: Path | None = None, seconds: float = TIMEOUT):
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            if time.monotonic() > deadline:
                tail = log.read_text()[-3000:] if log and log.exists() else ""
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{self.call('squeue').stdout}{tail}")
            time.sleep(0.3)
        return answer

    def wait_end(self, job: str, log: Path | None = None) -> str:
        """Until the job has ended and is not requeued; its state."""
        self.wait_for(f"end of job {job}", lambda: not self.queued(job) or self._ended(job), log)
        return self.wait_for("state in accounting", lambda: (s := self.state(job)) not in ("RUNNING", "PENDING") and s)

    def _ended(self, job: str) -> bool:
        states = self.call("squeue", "-h", "-j", job, "-o", "%T", check=False).stdout.split()
        return bool(states) and all(s in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT") for s in states)

    def wait_running(self, job: str) -> None:
        self.wait_for(
            f"start of job {job}",
            lambda: self.call("squeue", "-h", "-j", job, "-o", "%T", check=False).stdout.strip() == "RUNNING",
        )

    def wait_step(self, run: Path, step: int, log: Path | None = None) -> int:
        """Until a training process that lives has made `step` steps of its run."""

        def made() -> int | None:
            status = read_status(run)
            return status["step"] if status.get("state") == "running" and status.get("step", 0) >= step else None

        return self.wait_for(f"step {step} of {run}", made, log)


def read_status(run: Path) -> dict:
    try:
        return json.loads((run / "status.json").read_text())
    except FileNotFoundError:
        return {}


@pytest.fixture(scope="session")
def slurm_session(tmp_path_factory):
    started = processes.run([sys.executable, CLUSTER, "up", "--preemption", "job-signal"])
    if started.returncode:
        pytest.fail(f"LITEMONO_SLURM=1, but Slurm does not start: {started.stderr}", pytrace=False)
    conf = processes.run([sys.executable, CLUSTER, "env"]).stdout.split("=", 1)[1]
    environment = {
        **os.environ,
        "SLURM_CONF": conf.strip(),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the templates' `python`
        "OMP_NUM_THREADS": "1",  # nodes share this machine's cores
        "MASTER_ADDR": "127.0.0.1",  # the node names mean nothing to the resolver
        "GLOO_SOCKET_IFNAME": "lo",
    }
    yield Slurm(environment)
    if os.environ.get("LITEMONO_SLURM_KEEP") != "1":
        processes.run([sys.executable, CLUSTER, "down"])


@pytest.fixture
def slurm(slurm_session):
    """The cluster without jobs, all nodes up, preemption by the job's own signal."""
    slurm_session.preemption("job-signal")
    yield slurm_session
    jobs = slurm_session.call("squeue", "-h", "-o", "%A").stdout.split()
    if jobs:
        slurm_session.call("scancel", *sorted(set(jobs)), check=False)
        slurm_session.wait_for("empty queue", lambda: not slurm_session.call("squeue", "-h").stdout.strip())


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """32 stereo pairs of 64x32 to train on, 32 to validate."""
    from litemono.synthetic.writer import write_world

    folder = tmp_path_factory.mktemp("world") / "world"
    write_world(folder, height=32, width=64, drives=3, frames_per_drive=18)
    return folder


@pytest.fixture
def training(world, tmp_path) -> Callable[..., list[str]]:
    """Flags of the smallest training: 16 steps an epoch; stereo pairs only, so that there is no pose network."""

    def flags(name: str | None, epochs: int, *more: object) -> list[str]:
        text = (
            f"--data_path {world} --split {world}/street --png --model lite-mono-tiny --height 32 --width 64 "
            f"--weights_init scratch --frame_ids 0 --use_stereo --batch_size 2 --device cpu --num_workers 0 "
            f"--log_dir {tmp_path}/runs --num_epochs {epochs} --log_every 1 --images_every 100000"
        )
        return [*text.split(), *(["--model_name", name] if name else []), *map(str, more)]

    return flags


@pytest.fixture
def finetuning(world, tmp_path) -> list[str]:
    """Flags of a small supervised training: 16 steps an epoch, checkpoints after each."""
    text = (
        f"--data_path {world} --split {world}/street --png --model lite-mono-tiny --height 32 --width 64 --batch_size 2 "
        f"--device cpu --num_workers 0 --log_dir {tmp_path}/runs --log_every 1 --images_every 100000 "
        "--checkpoint_minutes 0"
    )
    return text.split()


@pytest.fixture
def log_of(tmp_path) -> Callable[[str, str], Path]:
    """Log of a submitted run."""
    return lambda name, job: tmp_path / "runs" / name / "slurm" / f"{job}_0_log.out"
