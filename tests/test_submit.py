"""litemono.submit without a cluster: what it refuses, the batch script it would send, sweeps, and the local executor."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
from drives import write_drive

from litemono import submit
from litemono.data.settings import DataConfig
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.jobs import preflight, slurm, sweep, train_job
from litemono.jobs.batch_script import SlurmConfig
from litemono.submit import Submission
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig, TrainConfig
from litemono.train import train
from litemono.utils.errors import UserError


@pytest.fixture
def config(street, tmp_path):
    """Settings of a tiny run; `train` and `slurm` values can be changed."""

    def make(slurm_values: dict | None = None, **run) -> Submission:
        training = TrainConfig(
            data=DataConfig(data_path=street, split=str(street), png=True),
            model=ModelConfig(model="lite-mono-tiny", height=32, width=64, weights_init="scratch"),
            loss=LossConfig(frame_ids=(0,), use_stereo=True),
            optim=OptimConfig(batch_size=2, num_epochs=1),
            run=RunConfig(**{"log_dir": tmp_path / "runs", "model_name": "mytrain", "device": "cpu", **run}),
        )
        return Submission(training, SlurmConfig(**(slurm_values or {})))

    return make


@pytest.fixture
def no_slurm(monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)


def script(config: Submission, capsys) -> str:
    assert submit.submit(config) == 0
    return capsys.readouterr().out


def test_dry_run_prints_the_batch_script_and_leaves_nothing(config, no_slurm, capsys, tmp_path):
    settings = {
        "dry_run": True, "partition": "gpu-v100", "gpus_per_node": 2, "nodes": 2, "cpus_per_task": 4, "mem": "24G",
        "time": "1-00:00:00", "account": "research", "qos": "high", "constraint": "v100", "setup": ("module load cuda",),
    }  # fmt: skip
    text = script(config(settings), capsys)
    for line in (
        "--job-name=mytrain", "--partition=gpu-v100", "--gpus-per-node=2", "--nodes=2", "--ntasks-per-node=2",
        "--cpus-per-task=4", "--mem=24576M", "--time=1440", "--account=research", "--qos=high", "--constraint=v100",
        "--signal=USR2@120", "--requeue", "--open-mode=append",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in text
    assert text.index("module load cuda") < text.index("\nsrun ") < text.index("-m litemono.jobs.requeue $status")
    assert "--cpus-per-task=4 --wait=120" in text.split("\nsrun ")[1]
    assert not (tmp_path / "runs").exists()


def test_memory_follows_the_number_of_gpus(config, no_slurm, capsys):
    assert "#SBATCH --mem=65536M\n" in script(config({"dry_run": True, "gpus_per_node": 4}), capsys)


FAKES = {
    "sinfo": "echo 'n1|gpu|8|16000|gpu:1|(null)|idle'",
    "scontrol": """case "$2" in partition) echo PartitionName=gpu Default=YES MaxTime=UNLIMITED State=UP;; esac""",
    "squeue": "",
    "sacctmgr": "exit 1",
    "sbatch": "cat > /dev/null; echo 'sbatch: error: allocation failure: Invalid wckey' >&2; exit ${REFUSES:-0}",
}


def test_the_first_submission_to_a_partition_of_small_nodes_fits_them(config, capsys, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name, line in FAKES.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    asked = {"dry_run": True, "partition": "gpu"}
    assert submit.submit(config(asked)) == 0
    printed = capsys.readouterr()
    assert "#SBATCH --mem=16000M\n" in printed.out
    assert printed.err == "mem:   16000 MB on each node (all that the nodes have; 16384 MB is usual)\n"
    with pytest.raises(UserError, match=r"--mem: 16384 MB is more than any node of partition gpu has \(16000\)"):
        submit.submit(config({**asked, "mem": "16G"}))
    monkeypatch.setenv("REFUSES", "1")
    with pytest.raises(UserError, match=r"sbatch refuses this job \(allocation failure: Invalid wckey\)"):
        submit.submit(config(asked))


def test_a_job_without_gpus_asks_for_none(config, no_slurm, capsys):
    text = script(config({"dry_run": True, "gpus_per_node": 0}), capsys)
    assert "--gpus" not in text and "--ntasks-per-node=1\n" in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"time": "tomorrow"}, "--time tomorrow"),
        ({"time": "00:02:30"}, "would never train"),
        ({"time": "UNLIMITED"}, "--time UNLIMITED: give a limit"),
        ({"mem": "lots"}, "--mem lots"),
        ({"gpus_per_node": -1}, "--gpus_per_node -1"),
        ({"nodes": 0}, "--nodes 0"),
        ({"cpus_per_task": 0}, "--cpus_per_task 0"),
        ({"array_parallelism": 0}, "--array_parallelism 0"),
        ({"wait": True, "sweep": ("lr=1e-4,1e-5",)}, "--wait follows one run"),
        ({"preflight": True, "sweep": ("lr=1e-4,1e-5",)}, "--preflight tries one run"),
        ({"cluster": "local", "dry_run": True}, "has no queue"),
        ({"cluster": "local", "nodes": 2}, "--nodes 1"),
        ({"cluster": "debug", "gpus_per_node": 2}, "leave out --gpus_per_node"),
        ({"cluster": "local", "sweep": ("lr=1e-4,1e-5",)}, "leave out --sweep"),
        ({}, "there is no Slurm on this machine"),
    ],
)
def test_settings_that_cannot_work_are_refused(config, no_slurm, settings, words):
    with pytest.raises(UserError, match=words):
        submit.submit(config(settings))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("50%aug", "gives % in the path of a log a meaning"),
        ("a\\b", "gives .* in the path of a log a meaning"),
        ("/tmp/abs", "--log_dir /tmp --model_name abs"),
        ("../up", "--log_dir FOLDER"),
        ("two\nlines", "no line breaks"),
        (" ", "not empty"),
        ("x" * 256, "no file system takes a name"),
    ],
)
def test_names_that_slurm_or_a_file_system_would_change_are_refused(config, no_slurm, name, words):
    with pytest.raises(UserError, match=words):
        submit.submit(config({"dry_run": True}, model_name=name))


@pytest.mark.parametrize("name", ["it's", "a b", 'q"q', "a;b", "$HOME", "x" * 255, "-dash", "grüße"])
def test_other_names_are_quoted(config, no_slurm, capsys, tmp_path, name):
    text = script(config({"dry_run": True}, model_name=name), capsys)
    folders = text.split("run_folders=(")[1].split(")\n")[0]
    assert shlex.split(folders) == [f"{tmp_path}/runs/{name}"]
    assert shlex.split(next(line for line in text.splitlines() if "--job-name=" in line))[1] == f"--job-name={name}"


def test_data_and_run_folder_are_checked_before_the_queue(config, no_slurm, street, tmp_path):
    with pytest.raises(UserError, match="samples lack frames|has all its frames"):
        broken = tmp_path / "broken"
        write_drive(broken, range(3), sides="lr")
        other = config({"dry_run": True})
        object.__setattr__(other.training.data, "data_path", broken)
        submit.submit(other)
    folder = tmp_path / "runs/mytrain"
    checkpoint_at(folder, 1)
    (folder / "config.json").write_text(json.dumps({"optim": {"weight_decay": 0.5}}))
    with pytest.raises(UserError, match="--weight_decay was 0.5, is 0.01"):
        submit.submit(config({"dry_run": True}))


def test_weights_are_checked_before_the_queue(config, no_slurm, tmp_path):
    wrong = config({"dry_run": True})
    (tmp_path / "empty").mkdir()
    object.__setattr__(wrong.training.model, "load_weights", tmp_path / "empty")
    with pytest.raises(Exception, match="encoder.pth"):
        submit.submit(wrong)


def test_the_script_ends_with_the_run_folder(config, no_slurm, capsys, tmp_path):
    text = script(config({"dry_run": True}, model_name="paper/first"), capsys)
    assert f"run_folders=({tmp_path / 'runs/paper/first'})" in text
    assert text.rstrip().endswith(' -m litemono.jobs.requeue $status "${run_folders[${SLURM_ARRAY_TASK_ID:-0}]}"')


def checkpoint_at(folder: Path, step: int) -> None:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / f"checkpoints/step_{step:08d}.pt").touch()


# ---------------------------------------------------------------- sweeps


def test_a_sweep_is_one_array_with_a_folder_for_each_combination(config, no_slurm, capsys, tmp_path):
    values = ("lr=1e-4,5e-5", "model=lite-mono-tiny,lite-mono-small")
    text = script(config({"dry_run": True, "sweep": values, "array_parallelism": 2}), capsys)
    assert "#SBATCH --array=0-3%2\n" in text and f"--output={tmp_path}/runs/mytrain/slurm/%A_%a_0_log.out" in text
    folders = text.split("run_folders=(")[1].split(")")[0].split()
    assert [folder.removeprefix(f"{tmp_path}/runs/mytrain/") for folder in folders] == [
        "lr=1e-4_model=lite-mono-tiny", "lr=1e-4_model=lite-mono-small",
        "lr=5e-5_model=lite-mono-tiny", "lr=5e-5_model=lite-mono-small",
    ]  # fmt: skip


def test_swept_values_are_typed_like_flags(config):
    base = config().training
    runs = sweep.expand(base, ["batch_size=2,4", "no_ssim=true,false", "model=lite-mono"])
    assert [(run.optim.batch_size, run.loss.no_ssim, run.model.model) for run in runs] == [
        (2, True, "lite-mono"), (2, False, "lite-mono"), (4, True, "lite-mono"), (4, False, "lite-mono"),
    ]  # fmt: skip
    assert all(run.loss.use_stereo and run.data.png for run in runs), "flags that are not swept stay"
    assert runs[0].folder == base.run.log_dir / "mytrain" / "batch_size=2_no_ssim=true_model=lite-mono"


@pytest.mark.parametrize("entry", ["lr", "lr=", "learning=1", "model_name=a,b", "lr=1,1", "no_ssim=perhaps"])
def test_sweeps_that_make_no_sense_are_refused(config, entry):
    with pytest.raises(UserError, match="--sweep") as refusal:
        sweep.expand(config().training, [entry])
    assert len(str(refusal.value)) < 200


# ---------------------------------------------------------------- jobs and preflights


def test_a_job_listens_to_no_handler_but_the_training_s_own(config, monkeypatch):
    """submitit's would requeue the job uncounted, or swallow the signal."""
    heard = []
    monkeypatch.setattr(train_job, "set_ranks", lambda: None)
    monkeypatch.setattr(
        train_job,
        "run_training",
        lambda *_: heard.extend(signal.getsignal(signum) for signum in (signal.SIGUSR2, signal.SIGTERM)) or 0,
    )
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    train_job.TrainJob(train, config().training)()
    signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIG_DFL, signal.SIG_DFL]


def test_a_preflight_is_the_same_training_but_short_and_elsewhere(config):
    run = config().training
    short = preflight.preflight_config(run, on_cpu=True)
    assert short.run.max_steps == 20 and short.folder == run.folder / "preflight" and short.run.device == "cpu"
    assert short.model == run.model and short.loss == run.loss


def test_a_preflight_on_a_cpu_leaves_out_what_is_the_gpus_alone(config):
    run = config().training
    run = dataclasses.replace(run, optim=OptimConfig(precision="tf32", sync_bn=True), loss=LossConfig(compile=True))
    there, here = (preflight.preflight_config(run, on_cpu) for on_cpu in (False, True))
    assert (there.optim, there.loss) == (run.optim, run.loss)
    assert (here.optim.precision, here.optim.sync_bn, here.loss.compile) == (None, False, False)


def test_what_a_killed_preflight_left_does_not_stop_the_next(config, monkeypatch):
    short = preflight.preflight_config(config().training, on_cpu=True)
    short.folder.mkdir(parents=True)
    (short.folder / "config.json").write_text('{"optim": {"weight_decay": 0.5}}')
    monkeypatch.setattr(train_job.TrainJob, "__call__", lambda self: str(list(self.config.folder.glob("*"))))
    assert preflight.PreflightJob(train, short)() == "[]"


# ---------------------------------------------------------------- this machine


def test_the_local_executor_trains_with_the_same_job_object(config, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    assert submit.submit(config({"cluster": "local", "wait": True, "gpus_per_node": 0})) == 0
    assert "finished: weights in" in capfd.readouterr().out
    assert json.loads((tmp_path / "runs/mytrain/status.json").read_text())["state"] == "finished"


def test_debug_trains_in_this_process(config, tmp_path):
    assert submit.submit(config({"cluster": "debug"}, model_name="here")) == 0
    assert (tmp_path / "runs/here/models/last/depth.pth").exists()


@pytest.mark.parametrize("statuses, answer", [([0, 3, 0], 3), ([0, 128 + signal.SIGINT, 0], 128 + signal.SIGINT)])
def test_a_sweep_in_this_process_ends_with_a_signal_and_with_nothing_less(config, monkeypatch, statuses, answer):
    ran = iter(statuses)
    monkeypatch.setattr(submit, "run_training", lambda *_: next(ran))
    settings = config({"cluster": "debug", "sweep": ("lr=1e-4,5e-5,1e-5",)})
    assert submit.submit(settings) == answer
    assert list(ran) == ([0] if answer > 128 else [])


def test_reading_threads_follow_the_cores_of_the_job_unless_given(config):
    training = config().training
    assert [training.for_cores(cores).data.num_workers for cores in (4, 64)] == [4, 8]
    given = dataclasses.replace(training, data=dataclasses.replace(training.data, num_workers=0))
    assert given.for_cores(4) == given


def test_flags_of_sbatch_and_srun_are_in_the_batch_script(config, no_slurm, capsys):
    text = script(config({"dry_run": True, "sbatch": "exclude=n1,n2 reservation=r", "srun": "cpu-bind=cores"}), capsys)
    assert "#SBATCH --exclude=n1,n2\n" in text and "#SBATCH --reservation=r\n" in text and "#SBATCH --requeue\n" in text
    assert " --cpu-bind=cores " in next(line for line in text.splitlines() if line.startswith("srun "))
    with pytest.raises(UserError, match="use --time"):
        submit.submit(config({"dry_run": True, "sbatch": "time=10"}))
