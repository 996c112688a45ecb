"""Every command line in the documentation has a command, flags and values that exist."""

from __future__ import annotations

import importlib
import re
import shlex

import pytest
from conftest import ROOT

from litemono.__main__ import COMMANDS
from litemono.synthetic.__main__ import OTHERS
from litemono.tasks import COMMANDS as TRAININGS
from litemono.utils import cli, flags

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("slurm/*.md"), *ROOT.glob("envs/*.md"))
)
STARTS = {"evaluate": ["evaluate"], "export_gt": ["export-gt"]}
"""Programs of our own beside litemono."""
CHOSEN_BY_A_WORD = {"submit": TRAININGS, "synthetic": OTHERS}
"""Commands whose first word decides which flags there are."""


def documented(document: str) -> list[str]:
    """Command lines of the code blocks, continued lines joined; comments and what is piped away are left out."""
    text = re.sub(r"\\\n\s*", "", (ROOT / document).read_text())
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    lines += [
        line for block in re.findall(r"```(?:shell|bash|)\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    return [re.split(r"\s+#|\s[>|]\s", line)[0] for line in lines]


def our_words(line: str) -> list[str] | None:
    """What follows litemono, of a line that calls one of our commands or submits a script that does."""
    if not re.match(r"([A-Z_]+=\S* )*(\S*/)?(litemono|evaluate|export_gt|python|torchrun|sbatch) ", line):
        return None
    words = run_by_script(shlex.split(line))
    while words and re.match(r"[A-Z_]+=", words[0]):  # environment variables
        words = words[1:]
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if program == "litemono":
        return words[1:]
    if program in STARTS:
        return STARTS[program] + words[1:]
    if program in ("python", "torchrun") and "-m" in words:
        module, *rest = words[words.index("-m") + 1 :]
        names = [name for name, entry in COMMANDS.items() if entry.module.removesuffix(".__main__") == module]
        names += ["synthetic"] if module == "litemono.synthetic" else []
        return [*names, *rest] if module.split(".")[0] in ("litemono", "evaluate", "export_gt") else None
    return None


def run_by_script(words: list[str]) -> list[str]:
    """For "sbatch SLURM_FLAGS slurm/NAME.sh FLAGS" what the script starts with these flags; other commands as they are."""
    if words[0] != "sbatch":
        return words
    place = next(index for index, word in enumerate(words) if word.endswith(".sh"))
    if words[place].endswith("finetune.sh"):
        return ["python", "-m", "litemono.finetune", *words[place + 1 :]]
    if words[place].endswith("train_any.sh"):
        return ["python", "-m", f"litemono.{words[place + 1]}", *words[place + 2 :]]
    started = re.findall(r'(python -m [\w. ]+).*"\$@"', (ROOT / words[place]).read_text())[-1]
    return [*shlex.split(started), *words[place + 1 :]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_command_lines_of_a_document_are_understood(document, capsys):
    for line in documented(document):
        words = our_words(line) if line else None
        if not words or words[0].startswith("-"):
            continue
        name, *rest = words
        assert name in COMMANDS, f"{document}: {line}"
        main = importlib.import_module(COMMANDS[name].module).main
        choice = [rest.pop(0)] if rest[:1] and rest[0] in CHOSEN_BY_A_WORD.get(name, ()) else []
        settings = cli.parts_of(main, [f"litemono {name}", *choice]).settings
        try:
            cli.parse(settings, name, "", rest)
        except SystemExit as left:
            assert left.code == 0, f"{document}: {line}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_flags_that_sentences_name_are_there(document):
    """Such as `litemono export --hub`, which is no complete command line."""
    for line in re.findall(r"`((?:litemono|python -m litemono\.\w+) [^`\n]*)`", (ROOT / document).read_text()):
        name, *rest = our_words(line) or ["--version"]
        if name.startswith("-"):
            continue
        assert name in COMMANDS, f"{document}: {line}"
        main = importlib.import_module(COMMANDS[name].module).main
        typed = [word for word in rest if not word.startswith("-")]
        task = ["--task", typed[0]] if name == "demo" and typed else []
        choice = typed[:1] if typed[:1] and typed[0] in CHOSEN_BY_A_WORD.get(name, ()) else task
        settings = cli.parts_of(main, [f"litemono {name}", *choice]).settings
        settings = flags.subcommands(settings).get(typed[0] if typed else "", settings)
        known = {"--help"} | {flag.name for group in flags.groups(settings) for flag in group.flags}
        assert {word for word in rest if word.startswith("--")} <= known, f"{document}: {line}"


def test_the_documents_have_command_lines():
    """The test above would pass if it found none."""
    found = [line for document in DOCUMENTS for line in documented(document) if line and our_words(line)]
    assert len(found) > 40, found
    assert sum(line.startswith("sbatch ") for line in found) > 2, found
