"""Slurm's notations of time and memory, and what its commands print."""

from __future__ import annotations

import os

import pytest

from litemono.jobs import slurm
from litemono.utils.errors import UserError


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("1:30", 1.5), ("24:00:00", 1440), ("2-0", 2880), ("1-12:30", 2190), ("1-00:00:30", 1440.5),
     ("UNLIMITED", float("inf")), ("soon", None), ("", None)],
)  # fmt: skip
def test_slurm_times_are_minutes(text, minutes):
    assert slurm.minutes(text) == minutes


def test_minutes_are_written_as_slurm_reads_them():
    for text in ("00:05:00", "23:59:30", "1-00:00:00", "UNLIMITED"):
        assert slurm.clock(slurm.minutes(text)) == text


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("16G", 16384), ("16GB", 16384), ("500M", 500), ("500", 500), ("1T", 1048576), ("much", None)],
)
def test_slurm_memory_is_megabytes(text, megabytes):
    assert slurm.megabytes(text) == megabytes


def test_fields_of_scontrol_may_hold_spaces():
    line = "JobId=7 JobName=my run Reason=None OS=Linux 6.1 #1 SMP NodeList=(null) TRES=cpu=1,gres/gpu:v100=4"
    values = slurm.fields(line)
    assert values["JobName"] == "my run" and values["OS"] == "Linux 6.1 #1 SMP" and values["NodeList"] == "(null)"
    assert values["TRES"] == "cpu=1,gres/gpu:v100=4"


def test_without_slurm_commands_the_error_names_the_way_out(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="squeue is not on this machine.*--cluster local"):
        slurm.queue()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", slurm.ControllerUnavailable),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", slurm.ControllerUnavailable),
        ("slurm_load_jobs error: Zero Bytes were transmitted or received", slurm.ControllerUnavailable),
        ("slurm_load_jobs error: Invalid job id specified", UserError),
        ("Job/step already completing or completed for job 12", UserError),
    ],
)
def test_a_controller_that_does_not_answer_is_distinguished_from_a_refusal(tmp_path, monkeypatch, message, kind):
    fake = tmp_path / "scontrol"
    fake.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError) as raised:
        slurm.requeue("12")
    assert raised.type is kind and message in str(raised.value)
