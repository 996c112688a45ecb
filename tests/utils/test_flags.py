"""How flags are shown in --help and in the documentation."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeVar

import tyro

from litemono.utils import cli, flags

Inner = TypeVar("Inner")


@dataclass(frozen=True)
class Base:
    """How it is cooked."""

    heat: float = 0.5
    """From 0
    to 1."""


@dataclass(frozen=True)
class Soup(Base):
    """What is cooked."""

    pot: str = field(kw_only=True)
    """Which pot,
    and where.

    The second paragraph."""
    size: int | None = None
    """How much. Default: as
    the pot holds."""
    kind: Annotated[Literal["thin", "thick"], tyro.conf.arg(help="One of\nboth.")] = "thin"
    salt: Literal["little", "much"] | None = None
    """How salty."""
    herbs: tuple[str, ...] | None = None
    """Which herbs."""
    times: tuple[int, ...] = (1, 2)
    """When."""
    lid: bool = False
    """With a lid."""
    spoons: int = field(default_factory=lambda: 3)
    """Spoons."""


@dataclass(frozen=True)
class Meal(Generic[Inner]):
    """All of it."""

    course: Inner
    guests: int = 2
    """At the table."""


def shown(settings, capsys) -> str:
    with contextlib.suppress(SystemExit):
        cli.parse(settings, "cook", "", ["--help"])
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_help_has_no_chance_line_breaks_and_no_default_that_says_nothing(capsys):
    text = shown(Meal[Soup], capsys)
    for sentence in ("Which pot, and where.", "One of both. (default: thin)", "From 0 to 1. (default: 0.5)",
                     "When. (default: 1 2)", "Spoons. (default: 3)", "At the table. (default: 2)"):  # fmt: skip
        assert sentence in text
    assert "as the pot holds. " in text and "(required)" in text
    for flag in ("--size INT", "--salt {little,much}", "--herbs [STR ...]"):
        assert flag in text
    assert not any(nothing in text for nothing in ("default: None", "default: False", "default: )", "{None"))


def test_flags_still_parse():
    meal = cli.parse(
        Meal[Soup], "cook", "", ["--pot", "old", "--kind", "thick", "--times", "4", "5", "--lid", "--guests", "1"]
    )
    assert meal == Meal(Soup(pot="old", kind="thick", times=(4, 5), lid=True), guests=1)


def test_the_same_flags_are_listed_for_the_documentation():
    own, course = flags.groups(Meal[Soup])
    assert (own.title, [flag.name for flag in own.flags]) == ("", ["--guests"])
    assert course.title == "What is cooked."
    listed = {flag.name: (flag.value, flag.help) for flag in course.flags}
    assert listed["--pot"] == ("TEXT", "Which pot, and where.\n\nThe second paragraph. Required.")
    assert listed["--size"] == ("INT", "How much. Default: as the pot holds.")
    assert listed["--kind"] == ("thin thick", "One of both. Default: thin.")
    assert listed["--times"] == ("INT ...", "When. Default: 1 2.")
    assert listed["--lid"] == ("", "With a lid.")
    assert [*listed][0] == "--heat", "in the order of --help"


def test_settings_chosen_by_a_word_are_known():
    union = Annotated[Soup, tyro.conf.subcommand("soup")] | Annotated[Base, tyro.conf.subcommand("base")]
    assert flags.subcommands(union) == {"soup": Soup, "base": Base}
    assert flags.subcommands(Soup) == {} and [*flags.groups(union)] == []
