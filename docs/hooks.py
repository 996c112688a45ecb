"""mkdocs calls this while it builds: the command reference is made from the commands' own settings, so it cannot drift."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from evaluate.protocol import PRESETS, describe
from litemono import tasks
from litemono.__main__ import COMMANDS
from litemono.demos import DEMOS
from litemono.demos.commands import DemoConfig
from litemono.utils import cli, flags

HEAD = """# Command reference

Every command has `--help`. `litemono train` is also `python -m litemono.train`, and so for the others.
Words in capitals stand for a value. A flag without a value is a switch.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, "commands.md", content=command_reference()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    return markdown.replace("<!-- protocols -->", protocols())


def protocols() -> str:
    """A table of the published protocols, in their own words."""
    rows = (f"| `{name}` | {describe(protocol)} |" for name, protocol in PRESETS.items())
    return "\n".join(("| `--protocol` | |", "|---|---|", *rows))


def command_reference() -> str:
    """The page, in Markdown."""
    return "\n".join((HEAD, *(line for words in names() for line in section(words))))


def names() -> Iterator[list[str]]:
    """What is typed after litemono, of every command."""
    for name in COMMANDS:
        yield [name]
        if name == "submit":
            yield from ([name, task] for task in tasks.COMMANDS if task != "train")
        if name == "demo":
            yield from ([name, "--task", task] for task in DEMOS if task != DemoConfig.task)


def section(words: list[str]) -> Iterator[str]:
    function, settings = parts(words)
    yield f"## litemono {' '.join(words)}\n"
    yield from prose(function)
    yield from tables(settings)
    for name, choice in flags.subcommands(settings).items():
        yield f"### litemono {' '.join(words)} {name}\n"
        yield from prose(choice)
        yield from tables(choice)


def prose(described: object) -> Iterator[str]:
    """A docstring in which commands are set as code."""
    for paragraph in flags.one_line(inspect.getdoc(described) or "").split("\n\n"):
        command = re.sub(r"^(Example|Or): ", "", paragraph)
        yield f"```shell\n{command}\n```\n" if command.startswith(("python ", "litemono ")) else f"{paragraph}\n"


def tables(settings: object) -> Iterator[str]:
    for group in flags.groups(settings):
        yield f"**{group.title}**\n" if group.title else ""
        yield from (f"- `{f'{flag.name} {flag.value}'.strip()}`<br>{as_html(flag.help)}" for flag in group.flags)
        yield ""


def as_html(help_text: str) -> str:
    return " ".join(help_text.split()).replace("<", "&lt;")


def parts(words: list[str]) -> cli.Parts:
    name, *rest = words
    return cli.parts_of(importlib.import_module(COMMANDS[name].module).main, [f"litemono {name}", *rest])
