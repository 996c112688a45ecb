"""Wheel, sdist and container definition hold all that the commands need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import ROOT

CHECKOUT_ONLY = (".git", ".venv", ".github", "build", "dist", "site", "runs", "logs", "demo")


def python(*words: object, cwd: Path, path: Path | None = None) -> str:
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist of a copy of the checkout, unpacked."""
    copy = tmp_path_factory.mktemp("source") / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*CHECKOUT_ONLY, "__pycache__", "*.egg-info", ".*_cache"))
    code = "from setuptools.build_meta import build_sdist; print(build_sdist('dist'))"
    name = python("-c", code, cwd=copy).splitlines()[-1]
    with tarfile.open(copy / "dist" / name) as file:
        file.extractall(copy / "unpacked", filter="data")
    (folder,) = (copy / "unpacked").iterdir()
    return folder


@pytest.fixture(scope="module")
def installed(sdist, tmp_path_factory) -> Path:
    """The wheel that the sdist makes, installed without its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--target", target)
    python("-m", "pip", "install", *flags, sdist, cwd=target)
    return target


def test_the_sdist_has_tests_documentation_and_job_scripts(sdist):
    for name in (
        "tests/engine/test_step.py",
        "docs/index.md",
        "mkdocs.yml",
        "slurm/train_v100.sh",
        "envs/v100.txt",
        "Makefile",
    ):
        assert (sdist / name).is_file(), name


def test_the_wheel_works_from_another_folder(installed, tmp_path):
    where = "import litemono, networks, litemono_evaluate, export_gt; print(litemono.__file__)"
    assert python("-c", where, cwd=tmp_path, path=installed).startswith(str(installed))
    assert "litemono COMMAND" in python("-m", "litemono", cwd=tmp_path, path=installed)
    for module in ("litemono.train", "litemono.submit", "litemono_evaluate", "export_gt"):
        assert "--" in python("-m", module, "--help", cwd=tmp_path, path=installed)
    code = (
        "from litemono.data.splits import read_split, split_file; print(len(read_split(split_file('eigen', 'test'))))"
    )
    assert python("-c", code, cwd=tmp_path, path=installed).strip() == "697"
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "module", ["litemono", "litemono.doctor", "litemono.train", "evaluate", "evaluate.tables", "export_gt"]
)
def test_an_interpreter_without_the_packages_is_told_where_they_are(module, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
    bare = [sys.executable, "-S", "-m", module, "--help"]  # -S: without site-packages
    done = subprocess.run(bare, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{sys.executable} does not have litemono's packages; type " in done.stderr and "pip install" in done.stderr


def test_the_container_definition_is_understood_and_complete(tmp_path):
    """Apptainer itself is on no machine of ours; this parser is spython's."""
    parsers = pytest.importorskip("spython.main.parse.parsers")
    (recipe,) = parsers.get_parser("singularity")(str(ROOT / "envs/litemono.def")).recipe.values()
    assert recipe.fromHeader.startswith("python:3.11") and recipe.cmd == 'exec litemono "$@"'
    target = tmp_path / "opt"
    for line in recipe.files:
        source, place = line.split()
        copied = target / Path(place).relative_to("/opt")
        copied.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, copied)
    pip = next(line for line in recipe.install if line.startswith("pip install"))
    constraints, package = (target / Path(word).relative_to("/opt") for word in pip.split() if word.startswith("/opt"))
    assert "torch==" in constraints.read_text()
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--target", tmp_path / "site")
    python("-m", "pip", "install", *flags, package, cwd=tmp_path)
    code = "import litemono_evaluate; print(litemono_evaluate.__file__)"
    assert python("-c", code, cwd=tmp_path, path=tmp_path / "site").startswith(str(tmp_path / "site"))
