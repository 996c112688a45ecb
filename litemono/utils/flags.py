"""Flags of a settings dataclass as --help and the documentation show them.

The string below a field is its help. Line breaks inside a paragraph are where the source happened to end; "(default: ...)" is
left out where there is nothing to say: None, False, an empty list, or a help text that states the default.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import docstring_parser
import tyro

IN_WORDS = re.compile(r"\bDefault: ")
NOTHING_TO_SAY = ("None", "False", "")


def one_line(text: str) -> str:
    """Each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


@functools.cache
def field_help(cls: type) -> dict[str, str]:
    """Field -> the string below it, of a dataclass without its bases."""
    documented = docstring_parser.parse_from_object(cls).params
    return {param.arg_name: one_line(param.description or "") for param in documented}


def default_hint(help_text: str, default: str) -> str:
    """What follows a flag's help: its default, unless there is nothing to say."""
    return "" if default in NOTHING_TO_SAY or IN_WORDS.search(help_text) else f"(default: {default})"


def value_in(args: Sequence[str], name: str) -> str | None:
    """The value of --NAME in command-line arguments that are not parsed yet, the last one given; None without."""
    value = None
    for place, arg in enumerate(args):
        flag, joined, text = arg.partition("=")
        if flag == f"--{name}":
            value = text if joined else next(iter(args[place + 1 :]), None)
    return value


def subcommands(config_type: Any) -> dict[str, type]:
    """Name -> settings, of a union of settings that are chosen by a word; empty for settings of one command."""
    members = get_args(config_type) if get_origin(config_type) in (Union, UnionType) else ()
    return {member.__metadata__[0].name: member.__origin__ for member in members}


def show_readably(config_type: Any) -> None:
    """Give the fields of a settings dataclass, its bases and its groups their help without chance line breaks."""
    if commands := subcommands(config_type):
        for settings in commands.values():
            show_readably(settings)
        return
    cls: Any = get_origin(config_type) or config_type
    bases: list[Any] = [base for base in cls.__mro__ if dataclasses.is_dataclass(base)]
    for base in bases:
        _annotate(base)
    for hint in (*get_type_hints(cls).values(), *get_args(config_type)):
        if dataclasses.is_dataclass(hint):
            show_readably(hint)


@functools.cache
def _annotate(cls: Any) -> None:
    hints = get_type_hints(cls, include_extras=True)
    own = [field.name for field in dataclasses.fields(cls) if field.name in cls.__annotations__]
    for name in own:
        given = next((part for part in getattr(hints[name], "__metadata__", ()) if getattr(part, "help", None)), None)
        text = one_line(given.help) if given else field_help(cls).get(name)
        if text is not None:  # else it is a group of flags
            hint = functools.partial(default_hint, text)
            argument = tyro.conf.arg(help=text, help_behavior_hint=hint, metavar=_optional_value(hints[name]))
            cls.__annotations__[name] = Annotated[hints[name], argument]


def _optional_value(hint: Any) -> str | None:
    """How --help shows the value of a flag that may be left out, without the None that stands for it; None for other flags."""
    if hasattr(hint, "__metadata__"):
        given = next((part.metavar for part in hint.__metadata__ if getattr(part, "metavar", None)), None)
        return given or _optional_value(hint.__origin__)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    rest = [kind for kind in kinds if kind is not type(None)]
    if len(rest) != 1 or len(kinds) != 2:
        return None
    words = get_args(rest[0])
    if get_origin(rest[0]) is Literal:
        return "{" + ",".join(map(str, words)) + "}"
    if get_origin(rest[0]) is tuple:
        return f"[{words[0].__name__.upper()} ...]"
    return None if words else rest[0].__name__.upper()


class Flag(NamedTuple):
    """A flag as the documentation shows it."""

    name: str
    """Such as --batch_size."""
    value: str
    """What is given after it: a type or the choices; empty for a switch."""
    help: str


class Group(NamedTuple):
    """The flags of one dataclass."""

    title: str
    flags: list[Flag]


def groups(config_type: Any, title: str = "") -> Iterator[Group]:
    """The flags of a settings dataclass in the order of --help, group by group."""
    if subcommands(config_type):
        return
    cls = get_origin(config_type) or config_type
    hints = get_type_hints(cls, include_extras=True)
    known = dict(zip(getattr(cls, "__parameters__", ()), get_args(config_type), strict=True))
    kinds = {field.name: known.get(hints[field.name], hints[field.name]) for field in dataclasses.fields(cls)}
    own = [_flag(cls, field) for field in dataclasses.fields(cls) if not _is_group(kinds[field.name])]
    if own:
        yield Group(title, own)
    for kind in kinds.values():
        if _is_group(kind):
            yield from groups(kind, one_line(inspect.getdoc(kind) or ""))


def _is_group(kind: Any) -> bool:
    return dataclasses.is_dataclass(get_origin(kind) or kind)


def _flag(cls: type, field: dataclasses.Field) -> Flag:
    show_readably(cls)
    hint = get_type_hints(cls, include_extras=True)[field.name]
    parts = getattr(hint, "__metadata__", ())
    text = next((part.help for part in reversed(parts) if getattr(part, "help", None)), "")
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is dataclasses.MISSING:
        note = "Required."
    else:
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        note = default_hint(text, shown).strip("()").replace("default: ", "Default: ")
    name = next((part.name for part in parts if getattr(part, "name", None)), None) or field.name
    value = next((part.metavar for part in parts if getattr(part, "metavar", None)), None) or _value(hint)
    return Flag(
        f"--{name}", value.replace("|", " "), " ".join(filter(None, (text, f"{note.rstrip('.')}." if note else "")))
    )


def _value(hint: Any) -> str:
    """What a flag of this type takes."""
    if hasattr(hint, "__metadata__"):
        return _value(hint.__origin__)
    if hint is bool or hint is type(None):
        return ""
    if get_origin(hint) is Literal:
        return " ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        return f"{_value(first)} ..." if rest == [...] else " ".join(map(_value, get_args(hint)))
    if get_args(hint):
        return " ".join(filter(None, dict.fromkeys(map(_value, get_args(hint)))))
    return getattr(hint, "__name__", str(hint)).upper().replace("STR", "TEXT")
