"""The shell around submit: variables of other jobs, sbatch's own, several clusters."""

from __future__ import annotations

import os
import subprocess

import pytest

from litemono.jobs import slurm
from litemono.jobs.batch_script import SlurmConfig
from litemono.jobs.environment import (
    check_one_cluster,
    check_with_sbatch,
    clean_for_sbatch,
    leave_torchrun,
    with_defaults,
)
from litemono.utils.errors import UserError


def test_a_new_job_does_not_inherit_the_variables_of_the_job_it_is_submitted_from(monkeypatch):
    for name in ("SLURM_NTASKS", "SLURM_MEM_PER_CPU", "SLURM_ARRAY_TASK_ID", "SLURM_EXPORT_ENV", "SBATCH_TIMELIMIT"):
        monkeypatch.setenv(name, "4")
    for name in ("SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_RESERVATION"):
        monkeypatch.setenv(name, "kept")
    before = dict(os.environ)
    with clean_for_sbatch():
        left = {name for name in os.environ if name.startswith(("SLURM", "SBATCH"))}
    assert left == {"SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_RESERVATION"}
    assert dict(os.environ) == before


def test_processes_of_a_torchrun_are_forgotten_and_an_address_alone_is_kept(monkeypatch):
    names = ("MASTER_ADDR", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_ADDR", "node1")
    leave_torchrun()
    assert os.environ["MASTER_ADDR"] == "node1"
    for name in names:
        monkeypatch.setenv(name, "1")
    leave_torchrun()
    assert not set(names) & os.environ.keys()


def test_sbatchs_defaults_fill_flags_that_are_not_given(monkeypatch):
    monkeypatch.setenv("SBATCH_ACCOUNT", "research")
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    settings = with_defaults(SlurmConfig(partition="gpu-v100"))
    assert (settings.account, settings.partition, settings.qos) == ("research", "gpu-v100", None)


@pytest.mark.parametrize("value", ["all", "big,small"])
def test_several_clusters_are_refused(monkeypatch, value):
    monkeypatch.setenv("SLURM_CLUSTERS", value)
    with pytest.raises(UserError, match="names several clusters; name the one to submit to: export SLURM_CLUSTERS="):
        check_one_cluster()
    monkeypatch.setenv("SLURM_CLUSTERS", "big")
    check_one_cluster()


def test_the_name_of_the_cluster_above_an_answer_is_left_out(monkeypatch):
    answer = "CLUSTER: tinygpu\n12|12|RUNNING|node1|None|1:00:00|2:00:00\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, answer, ""))
    assert slurm.queue()["12"].state == "RUNNING"


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """An sbatch that says this about every job."""

    def says(message: str) -> None:
        (tmp_path / "sbatch").write_text(
            f"#!/bin/sh\ncat > /dev/null\necho '{message}' >&2\nexit {int('error' in message)}\n"
        )
        (tmp_path / "sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return says


@pytest.mark.parametrize(
    ("flags", "said"),
    [("", "; ask the cluster's help desk, or change the flags"), ("reservation=r", "look at --sbatch")],
)
def test_a_job_that_sbatch_would_refuse_is_refused_before_anything_is_written(sbatch, flags, said):
    sbatch("sbatch: error: allocation failure: Invalid account")
    with pytest.raises(UserError, match=r"sbatch refuses this job \(allocation failure: Invalid account\)") as caught:
        check_with_sbatch("#!/bin/sh\n", flags)
    assert said in str(caught.value)


def test_nodes_that_are_not_free_now_and_a_silent_controller_stop_nothing(sbatch, capsys):
    sbatch("sbatch: Job 7 to start at 2026-11-28T10:00:00")
    check_with_sbatch("#!/bin/sh\n", "")
    assert capsys.readouterr().err == ""
    sbatch("allocation failure: Unable to contact slurm controller (error)")
    check_with_sbatch("#!/bin/sh\n", "")
    sbatch("sbatch: error: allocation failure: Required node not available (down, drained or reserved)")
    check_with_sbatch("#!/bin/sh\n", "")
    assert "warning: sbatch --test-only: allocation failure: Required node not available" in capsys.readouterr().err
