"""What can be seen of slurm/*.sh without a cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from litemono.jobs.train_job import rendezvous_port

SCRIPTS = sorted((ROOT / "slurm").glob("*.sh"))
JOBS = [path for path in SCRIPTS if path.name not in ("environment.sh", "requeue.sh", "paper_tables.sh")]
TRAININGS = [path for path in JOBS if path.name.startswith(("train", "finetune"))]


def directives(path: Path) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in path.read_text().splitlines() if line.startswith("#SBATCH")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def names(paths):
    return [path.name for path in paths]


def test_the_scripts_of_the_readme_are_there():
    text = (ROOT / "slurm/README.md").read_text()
    assert [path.name for path in SCRIPTS if path.name not in text] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_bash_can_read_it(path):
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize("path", JOBS, ids=names(JOBS))
def test_logs_are_appended_where_the_checkout_has_a_folder_and_requests_are_complete(path):
    found = directives(path)
    assert found["output"] == "logs/%j.out" and found["open-mode"] == "append" and "error" not in found
    assert (ROOT / "logs/.gitkeep").exists(), "Slurm drops a job silently whose log folder is missing"
    assert {"job-name", "partition", "cpus-per-task", "mem", "time", "requeue"} <= found.keys()
    assert "source slurm/environment.sh" in path.read_text()
    assert '--cpus-per-task="$SLURM_CPUS_PER_TASK"' in path.read_text(), "srun does not inherit it"


@pytest.mark.parametrize("path", TRAININGS, ids=names(TRAININGS))
def test_trainings_are_warned_and_hand_their_exit_status_on(path):
    assert directives(path)["signal"] == "USR2@120"
    assert path.read_text().endswith("\nend_or_requeue $?\n")


def test_fine_tuning_differs_from_training_in_name_and_command_alone():
    training, fine_tuning = ((ROOT / "slurm" / name).read_text() for name in ("train_v100.sh", "finetune.sh"))
    jobs = [text[text.index("#SBATCH") :] for text in (training, fine_tuning)]
    expected = jobs[0].replace("job-name=lite-mono", "job-name=finetune").replace("litemono.train", "litemono.finetune")
    assert jobs[1] == expected != jobs[0]


def test_paper_tables_needs_data():
    done = subprocess.run(["bash", ROOT / "slurm/paper_tables.sh"], capture_output=True, text=True)
    assert done.returncode == 2 and "--data_path FOLDER" in done.stderr


@pytest.mark.parametrize("path", JOBS, ids=names(JOBS))
def test_a_job_submitted_from_elsewhere_ends_at_once_and_says_why(path, tmp_path):
    done = subprocess.run(["bash", path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and f"{tmp_path} is not the checkout" in done.stderr and "srun" not in done.stderr


def test_evaluations_of_paper_tables_are_submitted_with_and_without_png(tmp_path):
    """`set -u` must accept the empty array, which old versions of bash take for an unset one."""
    (tmp_path / "sbatch").write_text('#!/bin/bash\necho "$@" >> "$0.log"\necho 7\n')
    (tmp_path / "sbatch").chmod(0o755)
    for flags in ([], ["--png"]):
        (tmp_path / "sbatch.log").unlink(missing_ok=True)
        command = ["bash", ROOT / "slurm/paper_tables.sh", "--data_path", "kitti", *flags]
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MODELS": "lite-mono"}
        assert subprocess.run(command, env=env, capture_output=True).returncode == 0
        evaluation = next(line for line in (tmp_path / "sbatch.log").read_text().splitlines() if "evaluate.sh" in line)
        assert evaluation.endswith("--split eigen --png" if flags else "--split eigen")


# Job 12 is task 3 of array 11.
SCONTROL = """#!/bin/bash
[ "$2" = hostnames ] && echo node1 || echo "JobId=12 ArrayJobId=11 ArrayTaskId=3"
"""


@pytest.fixture
def in_job(tmp_path):
    """Run a template as Slurm would on a node, with commands that write down their arguments; what srun was asked for."""
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "logs").mkdir()
    (tmp_path / "bin").mkdir()
    record = '#!/bin/bash\nprintf "%s\\n" "$@" > "$0.args"\nenv > "$0.env"\n'
    for name, text in {"srun": record, "python": "#!/bin/bash\nexit 0\n", "scontrol": SCONTROL}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(script: str, *flags: str, **variables: str) -> tuple[list[str], dict[str, str]]:
        job = {
            "SLURM_JOB_ID": "12",
            "SLURM_JOB_NAME": "mine",
            "SLURM_CPUS_PER_TASK": "2",
            "SLURM_JOB_NODELIST": "node1",
        }
        (tmp_path / "logs/12.out").touch()
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", **job, **variables}
        done = subprocess.run(
            ["bash", f"slurm/{script}.sh", *flags], cwd=tmp_path, env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        seen = (tmp_path / "bin/srun.env").read_text().splitlines()
        return (tmp_path / "bin/srun.args").read_text().splitlines(), dict(line.partition("=")[::2] for line in seen)

    return run


@pytest.mark.parametrize("script", ["train_v100", "train_v100_multi", "finetune"])
def test_the_run_has_the_jobs_name_and_tasks_of_an_array_have_folders_and_seeds_of_their_own(in_job, script):
    arguments, _ = in_job(script, "--height", "64", SLURM_JOB_NAME="exp/first one")
    assert arguments[-4:] == ["--model_name", "exp/first one", "--height", "64"]
    array = {"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_NAME": "exp"}
    arguments, _ = in_job(script, **array)
    assert arguments[-4:] == ["--model_name", "exp/3", "--seed", "3"]
    arguments, _ = in_job(script, **array, SLURM_JOB_ID="99")
    assert arguments[-2:] == ["--model_name", "exp"], "the array is that of the job that submitted this one"


def test_the_log_has_a_link_by_the_jobs_name(in_job, tmp_path):
    in_job("train_v100", SLURM_JOB_NAME="exp/one\ntwo")
    assert os.readlink(tmp_path / "logs/exp-one-two-12.out") == "12.out"


def test_srun_sees_neither_limits_of_another_job_nor_an_empty_environment(in_job):
    leaked = {"SLURM_MEM_PER_CPU": "100", "SLURM_GPUS": "8", "SLURM_EXPORT_ENV": "NONE", "SLURM_NTASKS": "4"}
    arguments, seen = in_job("train_v100", **leaked)
    assert {"--nodes=1", "--ntasks=1"} <= set(arguments)
    assert "SLURM_MEM_PER_CPU" not in seen and "SLURM_GPUS" not in seen and seen["SLURM_EXPORT_ENV"] == "ALL"


def test_processes_meet_below_the_ephemeral_ports_and_elsewhere_after_a_restart(in_job):
    ports = [int(in_job("train_v100_multi", SLURM_RESTART_COUNT=str(n))[1]["MASTER_PORT"]) for n in range(3)]
    assert ports == [rendezvous_port(12, restarts) for restarts in range(3)]
    assert len(set(ports)) == 3 and all(10000 <= port < 30000 for port in ports)
    assert all(10000 <= rendezvous_port(10**9 + 7, restarts) < 30000 for restarts in range(50))
