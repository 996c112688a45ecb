"""litemono completion SHELL: a script with which the shell completes commands, flags and choices."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import operator
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from litemono.utils import cli, flags

TABLE = "COMPLETION_SPEC = "
SHOWN = 60  # letters of a flag's help in a menu


@dataclass(frozen=True)
class CompletionConfig:
    """For which shell."""

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """Your shell."""


def completion(config: CompletionConfig) -> None:
    """Print a script with which your shell completes litemono's commands, flags and choices with the Tab key.

    Example: litemono completion bash > ~/.local/share/bash-completion/completions/litemono
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script"
        with contextlib.suppress(SystemExit):  # tyro leaves when it has written
            cli.parse(all_commands(), "litemono", "", args=["--tyro-write-completion", config.shell, str(script)])
        text = script.read_text()
    print(with_short_help(text) if config.shell == "fish" else text, end="")


def with_short_help(script: str) -> str:
    """tyro's script for fish with the beginning of each help text.

    fish hands the table of all flags to Python as one argument, and Linux ends an argument at 128 kB.
    """
    line = next(line for line in script.splitlines() if line.startswith(TABLE))
    table = ast.literal_eval(re.sub(r'\\(["\\$])', r"\1", line.removeprefix(TABLE)))
    _shorten(table)
    return script.replace(line, TABLE + re.sub(r'(["\\$])', r"\\\1", repr(table)))


def _shorten(entry: dict[str, Any]) -> None:
    for option in entry.get("options", ()):
        option["description"] = option["description"][:SHOWN]
    for command in entry.get("subcommands", {}).values():
        _shorten(command)


def all_commands() -> Any:
    """A union of the settings of all commands, chosen by the command's name, as tyro parses it."""
    from litemono.__main__ import COMMANDS

    found = []
    for name, entry in COMMANDS.items():
        settings = cli.parts_of(importlib.import_module(entry.module).main, [f"litemono {name}"]).settings
        flags.show_readably(settings)
        command = tyro.conf.subcommand(name, description=entry.summary)
        found.append(Annotated[_with_a_word(settings) if flags.subcommands(settings) else settings, command])
    return functools.reduce(operator.or_, found)


def _with_a_word(settings: Any) -> type:
    """A command whose settings are chosen by a word, as one type."""

    @dataclass
    class Chosen:
        command: settings

    Chosen.__annotations__["command"] = settings
    return Chosen


def main() -> None:
    cli.run(completion, CompletionConfig, "python -m litemono.completion")


if __name__ == "__main__":
    main()
