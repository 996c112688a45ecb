"""Every flag of every command that takes a whole number refuses one that no machine can use, before anything else is done."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

import pytest
from utils.test_path_flags import fields, settings_of_all_commands

from litemono.utils import cli
from litemono.utils.errors import UserError
from litemono.utils.number_flags import LARGEST, LARGEST_OF, LONGEST, check_numbers


def takes_a_number(hint) -> bool:
    return hint is int or get_origin(hint) is not Literal and any(map(takes_a_number, get_args(hint)))


CASES = {
    (settings, name): f"{command} --{name}"
    for command, settings in settings_of_all_commands()
    for name, hint, _ in fields(settings)
    if takes_a_number(hint)
}


def given(settings, flag: str, value: int):
    required = [word for name, _, needed in fields(settings) if needed for word in (f"--{name}", ".")]
    return cli.parse(settings, "test", "", args=[*required, f"--{flag}", str(value)])


def test_the_commands_have_numbers():
    assert len(CASES) > 60 and LARGEST_OF.keys() <= {name for _, name in CASES}


@pytest.mark.parametrize(("settings", "flag"), CASES, ids=CASES.values())
def test_a_number_that_is_too_large_is_refused_with_the_largest(settings, flag):
    largest = LARGEST_OF.get(flag, LARGEST)
    with pytest.raises(UserError, match=f"^--{flag} {largest + 1}: must be at most {largest}$"):
        check_numbers(given(settings, flag, largest + 1))


def test_the_largest_is_accepted():
    settings, flag = next(case for case in CASES if case[1] == "seed")
    check_numbers(given(settings, flag, LARGEST_OF[flag]))


@pytest.mark.parametrize("flag", LONGEST)
def test_a_time_that_no_clock_counts_is_refused(flag):
    settings = next(s for _, s in settings_of_all_commands() if flag in [name for name, _, _ in fields(s)])
    with pytest.raises(UserError, match=f"^--{flag} .*: must be at most {LONGEST[flag]:.0f}$"):
        check_numbers(cli.parse(settings, "test", "", args=[f"--{flag}", "1e308"]))
