"""The first error a newcomer meets: there is no data yet."""

from __future__ import annotations

import re
import shlex

import pytest
from tiny_kitti import assert_refused, invoke

from litemono import demo, doctor, finetune, prepare, train
from litemono.utils import cli


@pytest.mark.parametrize("command", [train, finetune])
def test_a_missing_folder_names_the_commands_that_make_one(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    outcome = invoke(command.main, capsys)
    assert_refused(outcome, "--data_path kitti_data: no such folder", "--data_path the folder that has the data")
    advised = re.findall(r"\(python -m (litemono\.\w+)(.*?)\)", outcome.err)
    assert [module for module, _ in advised] == ["litemono.prepare", "litemono.demo"]
    for (_, flags), config in zip(advised, (prepare.Command, demo.DemoConfig), strict=True):
        cli.parse(config, "advised", "", shlex.split(flags))  # it exits where a flag is wrong or missing
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("kitti_odom", ["data_odometry_color.zip", "fetch them by hand, then pack"]),
        ("frames", ["give --data_path the folder that has the data"]),
    ],
)
def test_other_data_is_not_sent_to_a_download_that_there_is_not(tmp_path, capsys, dataset, words):
    outcome = invoke(train.main, capsys, "--data_path", tmp_path / "no", "--dataset", dataset)
    assert_refused(outcome, *words)
    assert "download" not in outcome.err


def test_the_doctor_gives_the_same_advice(tmp_path):
    findings = doctor.findings(doctor.DoctorConfig(data_path=tmp_path / "no", log_dir=tmp_path))
    assert any("python -m litemono.demo" in finding.text for finding in findings if finding.subject == "data")
