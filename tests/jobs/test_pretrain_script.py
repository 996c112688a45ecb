"""slurm/pretrain_imagenet.sh with stand-ins for srun, scontrol and python that note how they are called."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import processes
import pytest
from conftest import ROOT

SRUN = """#!/bin/bash
echo "$@" > srun.log
[ -z "$SLEEP" ] || sleep "$SLEEP"
exit "$STATUS"
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout as far as the script looks, a train.py and images."""
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    for folder in ("logs", "bin", "images/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "timm_train.py").touch()
    programs = {
        "srun": SRUN,
        "scontrol": '#!/bin/bash\necho "$@" > scontrol.log\n',
        "python": "#!/bin/bash\necho cuda 2\n",
    }
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def start(checkout: Path, *flags: str, status: int = 0, sleep: str = "") -> subprocess.Popen:
    env = {
        **os.environ, "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "tiny",
        "SLURM_CPUS_PER_TASK": "4", "STATUS": str(status), "SLEEP": sleep,
    }  # fmt: skip
    command = ["bash", "slurm/pretrain_imagenet.sh", *flags]
    return processes.start(command, cwd=checkout, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_starts_timms_script_on_each_gpu_and_hands_its_status_on(checkout):
    job = start(checkout, "timm_train.py", "images", "--model", "lite_mono_tiny", status=3)
    done = processes.finish(job, 60)
    assert done.returncode == 3 and done.stderr == ""
    words = (checkout / "srun.log").read_text()
    assert "--nproc_per_node=2 -m networks.timm_train timm_train.py images" in words
    assert "--device cuda" in words and "--output runs/imagenet --experiment tiny" in words and "--resume" not in words
    assert words.rstrip().endswith("--model lite_mono_tiny")  # the last of two wins


def test_it_resumes_from_the_last_epoch(checkout):
    last = checkout / "runs" / "imagenet" / "tiny" / "last.pth.tar"
    last.parent.mkdir(parents=True)
    last.touch()
    assert processes.finish(start(checkout, "timm_train.py", "images"), 60).returncode == 0
    assert "--resume runs/imagenet/tiny/last.pth.tar" in (checkout / "srun.log").read_text()


def test_a_script_that_finds_the_last_epoch_itself_is_asked_to(checkout):
    (checkout / "timm_train.py").write_text("if args.resume == 'auto':\n")  # as timm's since 1.0.31
    assert start(checkout, "timm_train.py", "images").wait(timeout=60) == 0
    assert "--resume auto" in (checkout / "srun.log").read_text()


def test_slurms_warning_requeues_the_job_and_the_training_continues_until_slurm_ends_it(checkout):
    job = start(checkout, "timm_train.py", "images", sleep="3", status=5)
    processes.wait_until("the start of srun", (checkout / "srun.log").exists, 60, by=job)
    job.send_signal(signal.SIGUSR2)
    done = processes.finish(job, 60)
    assert (checkout / "scontrol.log").read_text() == "requeue 7\n" and "time limit: requeued" in done.stdout
    assert done.returncode == 5  # here no signal ended it


@pytest.mark.parametrize("flags", [(), ("no_train.py", "images"), ("timm_train.py", "nowhere")])
def test_what_is_missing_is_said_before_anything_starts(checkout, flags):
    job = start(checkout, *flags)
    done = processes.finish(job, 60)
    assert done.returncode == 2 and "give timm's train.py and a folder with train/ and val/" in done.stderr
    assert not (checkout / "srun.log").exists()
