"""What messages name exists where they are shown: flags of the command, commands, packages to install, documents."""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import cache

import tomllib
from advice.sources import COMMAND, FLAG, INSTALL, Message, messages, module_of, reached_from
from conftest import ROOT
from utils.test_path_flags import fields

from litemono.__main__ import COMMANDS
from litemono.demos import DEMOS
from litemono.tasks import COMMANDS as TRAININGS
from litemono.tasks import resolve
from litemono.utils import cli, flags

OTHER_PROGRAMS = {"gres", "container-image"}  # flags of Slurm's
ALIASES = {"load_pred"}  # another name of --pred
WRITTEN_WITH_A_COMMAND = re.compile(r"(?:python -m [\w.]+|`?\blitemono [a-z-]+)(?: (?!--)[\w.-]+)*(?: --[^;()`]*)")


def main_module(name: str) -> str:
    """Of a package the file that `python -m` runs."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"python -m {name}"
    return f"{name}.__main__" if spec.submodule_search_locations is not None else name


@cache
def flags_of(module: str, word: str = "") -> frozenset[str]:
    """The flags of a command: behind this word, or behind all that there are."""
    argv = [module, word] if word else [module]
    chosen = cli.parts_of(importlib.import_module(module).main, argv).settings
    found = flags.subcommands(chosen) or {"": chosen}
    if word in found:
        found = {word: found[word]}
    return frozenset({"help"} | {name for one in found.values() for name, _, _ in fields(one)})


@cache
def commands() -> dict[str, tuple[set[str], frozenset[str]]]:
    """Module -> what it may run, and its flags in every form that it has."""
    words = {"litemono.submit": TRAININGS, "litemono.synthetic.__main__": ["composites"]}
    found = {}
    for entry in COMMANDS.values():
        module = entry.module.replace("litemono_evaluate", "evaluate")
        known = flags_of(module).union(*(flags_of(module, word) for word in words.get(module, ())))
        if module == "litemono.demo":
            known |= {name for demo in DEMOS.values() for name, _, _ in fields(resolve(demo.settings))}
        found[module] = (reached_from(module), known | ALIASES | OTHER_PROGRAMS)
    return found


def without_other_commands(text: str) -> str:
    """Flags written behind a command are that command's."""
    return WRITTEN_WITH_A_COMMAND.sub("", text)


def test_there_are_messages():
    assert len(messages()) > 600 and sum(bool(message.advises) for message in messages()) > 200


def test_a_message_names_flags_of_a_command_that_can_show_it():
    unknown = []
    for message in messages():
        named = {found[1] for found in FLAG.finditer(without_other_commands(message.text))} - {"{}"}
        module = module_of(message.file)
        shown_by = [known for runs, known in commands().values() if module in runs]
        assert shown_by, f"{message.place}: no command runs this"
        if not any(named <= known for known in shown_by):
            unknown.append((message.place, sorted(named)))
    assert not unknown


def test_a_command_in_a_message_exists_with_the_flags_behind_it():
    seen = set()
    for message in messages():
        for found in COMMAND.finditer(message.text):
            module, word, name = found.groups()
            assert name is None or name in COMMANDS, f"{message.place}: litemono {name}"
            module = main_module(COMMANDS[name].module if name else module)
            behind = re.split(r"[;`()]", message.text[found.start() :])[0]
            unknown = {flag[1] for flag in FLAG.finditer(behind)} - {"{}"} - flags_of(module, word or "")
            assert not unknown, f"{message.place}: {found[0]} has no {unknown}"
            seen.add(module)
    assert len(seen) > 5


def test_what_a_message_says_to_install_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    required = {re.split(r"[<>=\[;]", line)[0] for line in project["dependencies"]}
    found = [(message.place, hit[1]) for message in messages() for hit in INSTALL.finditer(message.text)]
    for place, packages in found:
        for word in packages.replace("'", "").partition(", ")[0].split():
            if extra := re.fullmatch(r"litemono\[(.+)\]", word):
                assert extra[1] == "{}" or extra[1] in extras, f"{place}: {word}"
            elif word.endswith(".txt") and word != "{}":
                assert (ROOT / word).is_file(), f"{place}: {word}"
            elif word[0].isalpha():
                assert word in required or word in ("pooch",), f"{place}: {word}"
    assert len(found) > 5


def test_every_document_in_a_message_is_there():
    pattern = re.compile(r"\b((?:docs|envs|slurm|splits)/[\w./]+\.(?:md|txt|sh|yml))\b")
    for message in messages():
        for name in pattern.findall(message.text):
            assert (ROOT / name).is_file(), f"{message.place}: {name}"


def test_the_check_finds_flags_that_are_not_there():
    text = "no depth; give --depth_png, or python -m litemono.predict --input IMAGES --save_npy; or `litemono train --lr 1`"
    assert [found[1] for found in FLAG.finditer(without_other_commands(text))] == ["depth_png"]
    assert Message("x:1", text).advises[:2] == ["--depth_png", "--input"]
    assert "depth_png" not in commands()["litemono.train"][1] and "depth_png" in commands()["litemono.predict"][1]
