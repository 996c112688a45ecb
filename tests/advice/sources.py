"""Every message that the source code raises or reports, and what it advises: flags, commands, packages to install."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

PACKAGES = ("litemono", "evaluate", "export_gt", "networks")
RAISING = {"UserError", "NetworkError", "ControllerUnavailable", "require", "Finding", "damage_explained"}
FLAG = re.compile(r"(?<![\w-])--([a-z]\w*|\{\})")
COMMAND = re.compile(r"python -m ([\w.]+\w)(?: ([a-z][a-z-]*))?(?=[ `;,)]|$)|\blitemono ([a-z][a-z-]+)(?= --|`|$)")
INSTALL = re.compile(r"pip install ([^;,)]+)")
SUBJECT = re.compile(r"^--[\w{}]+(?:(?: \S+?)?(?: --[\w{}]+(?: \S+?)?)*:)?")
LEAVE_OUT = re.compile(
    r"leave (?:it|them|one|the flag|its part) out|leave one of the two out|give (?:one|either) of the"
)
VERBS = (
    "give|choose|write|remove|extract|replace|restore|rename|put|use|lower|make|delete|download|name|copy|fetch|pack|wait|stop|"
    "check|ask|run|set|add|evaluate|save|close|convert|look|try|exclude|log in|install|build|start|train|complete|get|export|"
    "predict|record|scancel|submit|take|scale them|quote"
)
TO_DO = re.compile(rf"(?:[;:,(.] |\bor |\band |^)(?:{VERBS})\b", re.MULTILINE | re.IGNORECASE)
"""Advice in words alone."""


class Message(NamedTuple):
    """One text, with {} for what is put in when it runs."""

    place: str
    """File and line."""
    text: str

    @property
    def file(self) -> str:
        return self.place.partition(":")[0]

    @property
    def advises(self) -> list[str]:
        """What it says to give, run, install, leave out or do. The flag that it begins with is what is wrong."""
        said = SUBJECT.sub("", self.text).strip()
        return [found[0] for one in (FLAG, COMMAND, INSTALL, LEAVE_OUT, TO_DO) for found in one.finditer(said)]

    @property
    def choices(self) -> list[str]:
        """Flags to give, commands to run, packages to install. A flag with {} behind it has the value that is wrong."""
        said = re.sub(r"--\w+ \{\}", "", SUBJECT.sub("", self.text))
        return [found[0] for one in (FLAG, COMMAND, INSTALL) for found in one.finditer(said) if found[0] != "--{}"]

    def fits(self, printed: str) -> bool:
        """Whether a message that was printed, in one line, is this one."""
        parts = " ".join(self.text.split()).split("{}")
        return re.search(".*".join(map(re.escape, parts)), printed) is not None


@cache
def trees() -> dict[str, ast.Module]:
    """File, from the checkout's root -> its syntax."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


Names = Mapping[str, list[str]]
"""Variable -> the texts that it may have."""


def assigned(node: ast.AST, constants_only: bool = False) -> Names:
    """Variables below a node that get a text once; constants_only: those in capitals."""
    found: dict[str, list[list[str]]] = {}
    for one in ast.walk(node):
        match one:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.isupper() or not constants_only:
                found.setdefault(name, []).append(texts(value, {}))
    return {name: values[0] for name, values in found.items() if len(values) == 1 and values[0] != ["{}"]}


def texts(node: ast.AST, names: Names) -> list[str]:
    """The texts that a string in source code may have. names: those of variables."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.JoinedStr(values=values):
            return ["".join(parts) for parts in itertools.product(*(texts(value, names) for value in values))]
        case ast.FormattedValue(value=ast.Name() | ast.IfExp() as value, format_spec=None):
            return texts(value, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ["".join(parts) for parts in itertools.product(texts(left, names), texts(right, names))]
        case ast.IfExp(body=body, orelse=orelse):
            return [*texts(body, names), *texts(orelse, names)]
        case ast.Name(id=name) if name in names:
            return names[name]
    return ["{}"]


@cache
def messages() -> tuple[Message, ...]:
    return tuple(dict.fromkeys(_messages()))


def _messages() -> Iterator[Message]:
    constants: dict[str, list[str]] = {}
    for tree in trees().values():
        constants |= assigned(tree, constants_only=True)
    for file, tree in trees().items():
        names = {**constants, **assigned(tree, constants_only=True)}
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            yield from _messages_of(function, file, {**names, **assigned(function)})


def _messages_of(function: ast.FunctionDef, file: str, names: Names) -> Iterator[Message]:
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        for argument in call.args if name in RAISING else ():
            for text in texts(argument, names):
                if text != "{}" and not text.startswith("-- "):  # a flag's name, where there is none
                    yield Message(f"{file}:{argument.lineno}", text)


def module_of(file: str | Path) -> str:
    """litemono/utils/cli.py -> litemono.utils.cli"""
    return ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports anywhere, in functions and by the names in registries too."""
    known = {module_of(file): file for file in trees()}
    found: dict[str, set[str]] = {}
    for module, file in known.items():
        names: set[str] = set()
        package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
        for node in ast.walk(trees()[file]):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # a registry's
                names |= {node.value.partition(":")[0], f"networks.{node.value}"}
        found[module] = {name for name in names if name in known}
    return found


def reached_from(module: str) -> set[str]:
    """The modules that a command may run."""
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports().get(name, ())
    return seen
