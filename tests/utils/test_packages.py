"""Packages of other programs that have our packages' names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from conftest import ROOT

COMMANDS = ("litemono.train", "litemono.predict", "litemono.submit", "export_gt", "litemono")


def run(*arguments: object, path: list[Path], cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return processes.run([sys.executable, *map(str, arguments)], env=environment, cwd=cwd)


@pytest.fixture
def monodepth2(tmp_path) -> Path:
    """A checkout of a program with a package `networks`, and one of `evaluate`, as a single file there."""
    folder = tmp_path / "md2"
    (folder / "networks").mkdir(parents=True)
    (folder / "networks/__init__.py").write_text("class ResnetEncoder: pass\n")
    (folder / "evaluate.py").write_text("raise SystemExit('another program')\n")
    return folder


@pytest.mark.parametrize("module", COMMANDS)
def test_another_networks_first_on_the_path_is_named_and_both_ways_out_work(monodepth2, tmp_path, module):
    done = run("-m", module, "--help", path=[monodepth2, ROOT], cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert f"finds {monodepth2}/networks, a package of another program" in done.stderr
    assert f"take {monodepth2} out of PYTHONPATH, or start the command from another folder" in done.stderr
    assert run("-m", module, "--help", path=[ROOT], cwd=tmp_path).returncode == 0
    hidden_by_cwd = run("-m", module, "--help", path=[ROOT], cwd=monodepth2)
    assert hidden_by_cwd.returncode == 2 and "start the command from another folder" in hidden_by_cwd.stderr


def test_as_a_library_the_same_sentence_is_an_import_error(monodepth2, tmp_path):
    done = run("-c", "import litemono", path=[monodepth2, ROOT], cwd=tmp_path)
    assert done.stderr.splitlines()[-1].startswith("ImportError: `import networks` finds")


def test_another_evaluate_first_on_the_path_is_named(monodepth2, tmp_path):
    (monodepth2 / "networks/__init__.py").unlink()
    (monodepth2 / "networks").rmdir()
    for command in ("evaluate", "tables"):
        done = run("-m", "litemono", command, "--help", path=[monodepth2, ROOT], cwd=tmp_path)
        assert done.returncode == 2 and re.search("`import evaluate` finds .*md2/evaluate.py, a ", done.stderr), (
            done.stderr
        )


def test_a_wheel_leaves_hugging_faces_evaluate_alone_and_has_the_command(tmp_path):
    """Both in one site-packages; in the checkout the package keeps its name."""
    pytest.importorskip("setuptools")
    site = tmp_path / "site"
    setup = ["setup.py", "--quiet", "build", "--build-base", tmp_path / "build", "--build-lib", site]
    egg_info = ["egg_info", "--egg-base", tmp_path]
    done = run(*setup[:1], "--quiet", *egg_info, *setup[2:], path=[], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not (site / "evaluate").exists() and (site / "litemono_evaluate/tables/published_results.json").is_file()
    (site / "evaluate").mkdir()
    (site / "evaluate/__init__.py").write_text("theirs = True\n")
    assert run("-c", "import evaluate; assert evaluate.theirs", path=[site], cwd=tmp_path).returncode == 0
    for command in (["litemono_evaluate"], ["litemono", "evaluate"]):
        done = run("-m", *command, path=[site], cwd=tmp_path)
        assert done.returncode == 2 and "give either --load_weights FOLDER or --pred" in done.stderr, done.stderr
    assert run("-m", "evaluate", path=[], cwd=ROOT).returncode == 2
