"""The commands that documents show are taken by the programs: every flag and value is parsed, nothing is run."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator

import pytest
from conftest import ROOT

from litemono.__main__ import COMMANDS
from litemono.utils import cli

DOCUMENTS = ["README.md", "slurm/README.md"]
STARTS = ("python -m ", "litemono ", "evaluate ", "sbatch ")
SCRIPTS = re.compile(r"exec srun .*python -m (\S+(?: pack)?)|srun .*python -m (\S+) --model_name")


def shown(document: str) -> Iterator[str]:
    """The command lines in a document's code blocks, continued lines joined and comments left out."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```|((?:^    .*\n)+)", text, re.MULTILINE | re.DOTALL)
    for block in ("\n".join(pair) for pair in blocks):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if line.strip().startswith(STARTS) and "..." not in line:
                yield re.sub(r"\s+#.*", "", line.strip())


def module_and_arguments(command: str) -> tuple[str, list[str]] | None:
    """What a shown command runs; None for a program of somebody else."""
    words = shlex.split(command)
    if words[0] == "litemono":
        return COMMANDS[words[1]].module, words[2:]
    if words[0] == "evaluate":
        return "evaluate.__main__", words[1:]
    if words[0] == "sbatch":
        at = next(place for place, word in enumerate(words) if word.endswith(".sh"))
        found = SCRIPTS.search((ROOT / words[at]).read_text())
        module, *more = next(filter(None, found.groups())).split()
        return runnable(module), [*more, *words[at + 1 :]]
    ours = words[2].split(".")[0] in ("litemono", "evaluate", "export_gt")
    return (runnable(words[2]), words[3:]) if ours else None


def runnable(module: str) -> str:
    """The module that has main()."""
    return module if "." in module and module != "litemono.synthetic" else f"{module}.__main__"


@pytest.mark.parametrize("command", [command for document in DOCUMENTS for command in shown(document)])
def test_a_shown_command_has_flags_that_exist(command, monkeypatch, capsys):
    found = module_and_arguments(command)
    if found is None:
        return
    module, arguments = found
    taken = []
    run = cli.run

    def parse_only(function, *more, **options):
        def take(config):
            """Take the flags."""
            taken.append(config)

        run(take, *more, **options)

    monkeypatch.setattr(cli, "run", parse_only)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as left:
        importlib.import_module(module).main()
    assert left.value.code == 0 and len(taken) == 1, capsys.readouterr()


def test_commands_are_found_in_every_document():
    assert all(sum(1 for _ in shown(document)) > 5 for document in DOCUMENTS)
