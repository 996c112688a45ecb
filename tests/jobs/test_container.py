"""--container: how a job starts its processes, by what the cluster has."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from litemono.data.settings import DataConfig
from litemono.engine.settings import RunConfig
from litemono.jobs import container
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.utils.errors import UserError


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put programs on an otherwise empty PATH; `srun --help` prints a text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    container.has_pyxis.cache_clear()

    def add(name: str, help_text: str = "") -> None:
        (folder / name).write_text(f"#!/bin/sh\necho '{help_text}'\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def run(tmp_path, monkeypatch) -> TrainConfig:
    """A run whose data lie outside the current folder, and whose run folder is in it."""
    for name in ("work", "share/kitti"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    return TrainConfig(
        data=DataConfig(data_path=tmp_path / "share/kitti"), run=RunConfig(log_dir=Path("runs"), model_name="a")
    )


@pytest.fixture
def image(tmp_path) -> str:
    (tmp_path / "litemono.sif").touch()
    return str(tmp_path / "litemono.sif")


def test_pyxis_gets_image_mounts_and_the_copy_of_the_code_as_arguments_of_srun(programs, run, image, tmp_path):
    programs("srun", "--container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH")
    found = container.launch(image, [run], 1, tmp_path / "code")
    work, kitti = tmp_path / "work", tmp_path / "share/kitti"
    assert found.python == "python3"
    assert found.srun == (
        f"--container-image={image}", f"--container-mounts={kitti}:{kitti},{work}:{work}",
        f"--container-workdir={tmp_path / 'code'}",
    )  # fmt: skip
    assert container.launch("nvcr.io#nvidia/pytorch:24.01-py3", [run], 1).srun[0].endswith("24.01-py3")


def test_apptainer_starts_python_with_the_driver_where_there_are_gpus(programs, run, image, tmp_path):
    programs("apptainer")
    words = shlex.split(container.launch(image, [run], 1).python)
    assert words[:3] == ["apptainer", "exec", "--nv"] and words[-2:] == [image, "python3"]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--bind"] == [
        str(tmp_path / "share/kitti"),
        str(tmp_path / "work"),
    ]
    assert "--nv" not in shlex.split(container.launch("docker://litemono", [run], 0).python)


def test_what_cannot_work_is_said_before_the_queue(programs, run, image, tmp_path):
    with pytest.raises(UserError, match="neither pyxis .* nor apptainer"):
        container.launch(image, [run], 1)
    programs("singularity")
    with pytest.raises(UserError, match="--container missing.sif: there is no image .*, or give docker://NAME"):
        container.launch("missing.sif", [run], 1)
    assert "docker://NAME" in container.launch("docker://NAME", [run], 1).python
    programs("srun", "--container-image")
    with pytest.raises(UserError, match="there is no image"):
        container.launch("/missing.sqsh", [run], 1)
    (tmp_path / "a,b").mkdir()
    os.chdir(tmp_path / "a,b")
    with pytest.raises(UserError, match="cannot be mounted"):
        container.launch(image, [run], 1)


def test_no_image_changes_nothing(run):
    assert container.launch(None, [run], 1) == container.Launch()
