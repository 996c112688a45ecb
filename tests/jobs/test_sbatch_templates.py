"""What can be seen of slurm/*.sh without a cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

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
    assert found["output"] == "logs/%x-%j.out" and found["open-mode"] == "append" and "error" not in found
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
