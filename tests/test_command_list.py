"""litemono alone lists the commands; litemono COMMAND runs one under the name that was typed."""

from __future__ import annotations

import importlib
import re
import sys

import processes
import pytest
from conftest import ROOT
from tiny_kitti import Outcome

from litemono import __version__
from litemono.__main__ import COMMANDS, main


@pytest.fixture
def litemono(monkeypatch, capsys):
    """Type `litemono WORDS...`, or another argv[0]; exit status and output."""

    def run(*words: str, program: str = "/usr/local/bin/litemono") -> Outcome:
        monkeypatch.setattr(sys, "argv", [program, *words])
        try:
            main()
            status = 0
        except SystemExit as left:
            status = int(left.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_without_a_command_all_are_listed_in_the_order_of_a_projects_life(litemono, words):
    done = litemono(*words)
    assert done.code == 0 and done.out.startswith("usage: litemono COMMAND")
    order = ["doctor", "prepare", "demo", "train", "finetune", "submit", "status", "export-gt", "evaluate", "predict"]
    listed = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")]
    assert listed == [*COMMANDS] and [name for name in listed if name in order] == order


def test_python_m_litemono_names_itself(command):
    done = command("litemono")
    assert done.returncode == 0 and done.stdout.startswith("usage: python -m litemono COMMAND")


@pytest.mark.parametrize(
    ("typed", "advice"), [("trian", "did you mean litemono train?"), ("xyzzy", "litemono lists all of them")]
)
def test_an_unknown_command_is_refused_with_the_nearest_name(litemono, typed, advice):
    done = litemono(typed, "--data_path", "kitti_data")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"litemono: error: there is no command {typed}; {advice}\n"


def test_the_version_is_that_of_the_package(litemono):
    assert litemono("--version").out == f"litemono {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_the_typed_name(litemono, name):
    done = litemono(name, "--help")
    text = " ".join(done.out.replace("│", " ").split())
    assert done.code == 0 and f"usage: litemono {name} " in text
    modules = re.findall(r"(?<!python -m )\blitemono\.([a-z]+)\b", text)
    assert not {*modules} & {*COMMANDS}, "a command is named as it is typed"


def test_an_error_has_the_typed_name(litemono, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = "error: --log_dir runs: there is no run"
    assert litemono("status").err.startswith(f"litemono status: {error}")
    assert litemono("status", program="litemono/__main__.py").err.startswith(f"python -m litemono status: {error}")


def test_what_is_submitted_stays_in_the_name(litemono):
    assert "usage: litemono submit finetune " in " ".join(litemono("submit", "finetune", "--help").out.split())


def test_export_gt_is_found_under_its_packages_name_too(litemono):
    assert litemono("export_gt", "--help").code == 0


@pytest.mark.parametrize("name", ["doctor", "predict", "prepare", "status", "submit", "train"])
def test_a_module_that_is_run_by_python_names_itself_so(monkeypatch, capsys, name):
    module = importlib.import_module(f"litemono.{name}")
    monkeypatch.setattr(sys, "argv", [module.__file__, "--no_such_flag"])
    with pytest.raises(SystemExit) as left:
        module.main()
    assert left.value.code == 2 and f"python -m litemono.{name} " in capsys.readouterr().err


def test_list_wrong_name_and_help_need_no_torch():
    code = """
import sys
from litemono.__main__ import COMMANDS, main
quick = [name for name, entry in COMMANDS.items() if entry.module.startswith("litemono.")]
for words in ([], ["trian"], *([name, "--help"] for name in quick)):
    sys.argv = ["litemono", *words]
    try:
        main()
    except SystemExit:
        pass
assert len(quick) > 5
assert "torch" not in sys.modules, "torch was imported before the flags are right"
"""
    done = processes.run([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 0, done.stderr
