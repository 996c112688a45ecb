"""The completion scripts, used as the shells use them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tiny_kitti import invoke

from litemono.completion import main

TYPED = {
    "litemono tr": "train",
    "litemono train --accum": "--accumulate",
    "litemono train --precision b": "bf16",
    "litemono prepare pack --del": "--delete_zips",
    "litemono evaluate --load_w": "--load_weights",
}
BASH = """
source "$1"
words=($2)
COMP_WORDS=("${words[@]}"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMP_LINE="$2"; COMP_POINT=${#COMP_LINE}
function=$(complete -p litemono | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function litemono "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture
def script(capsys, tmp_path):
    """The file that a user makes with `litemono completion SHELL > FILE`."""

    def write(shell: str) -> Path:
        done = invoke(main, capsys, shell)
        assert (done.code, done.err) == (0, "")
        path = tmp_path / shell
        path.write_text(done.out)
        return path

    return write


def answer(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("bash")
def test_bash_completes_commands_flags_and_choices(script):
    path = script("bash")
    for typed, completed in TYPED.items():
        assert answer("bash", "-c", BASH, "bash", path, typed).split() == [completed]


@needs("fish")
def test_fish_completes_commands_flags_and_choices(script):
    path = script("fish")
    for typed, completed in TYPED.items():
        lines = answer("fish", "-c", f"source {path}; complete -C '{typed}'").splitlines()
        assert [line.split("\t")[0] for line in lines] == [completed]


@needs("zsh")
def test_zsh_loads_the_script_as_a_completion_of_litemono(script):
    path = script("zsh")
    path.rename(path.parent / "_litemono")
    code = f"fpath=({path.parent} $fpath); autoload -U compinit; compinit -u -D; print $_comps[litemono]; autoload +X _litemono"
    assert answer("zsh", "-f", "-c", code).split()[0] == "_litemono"


def test_an_unknown_shell_is_refused(capsys):
    done = invoke(main, capsys, "tcsh")
    assert done.code == 2 and "bash" in done.err


def test_writing_the_script_runs_no_command(script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "--checkpoint_minutes" in script("bash").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"bash"}
