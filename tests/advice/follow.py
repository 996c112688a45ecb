"""Doing what an error message says, taken from the message as it was printed."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny_kitti import Outcome, invoke

from litemono.__main__ import COMMANDS

Flags = dict[str, list[str]]
"""Flag -> its values; "" -> what stands before the first flag."""

PLACEHOLDERS = {
    "FOLDER": ".",
    "FILE.html": "page.html",
    "fx,fy,cx,cy": "50,50,32,16",
    "hours:minutes:seconds": "1:00:00",
    "runs/mytrain": "w/runs/run",
    "models/last": "own/runs/run/models/last",
    "DIR": ".",
}
"""What a user puts in for words of the advice."""


class Case(NamedTuple):
    command: str
    wrong: str
    """Flags added to the right ones; ~--flag leaves one out."""
    advice: str
    """Pattern in the message. What its groups have, by their names, is done (see `act`)."""
    user: str = "another"
    """What a user adds: the other value, or the flags of a printed command."""
    lack: str = ""
    """Of the machine, one of LACKS, until the advice is to `mend` it."""
    damage: str = ""
    """To files below own/, one of DAMAGES, until the advice is to `mend` it."""


def options(words: list[str]) -> Flags:
    found, name = {"": []}, ""
    for word in words:
        if word.startswith("--"):
            name = word
            found[name] = []
        else:
            found[name].append(word)
    return found


def with_wrong(right: Flags, wrong: str) -> Flags:
    words = shlex.split(wrong)
    left_out = {word[1:] for word in words if word.startswith("~--")}
    given = options([word for word in words if not word.startswith("~--")])
    return {flag: values for flag, values in right.items() if flag not in left_out} | {
        flag: values for flag, values in given.items() if flag
    }


def subject_of(case: Case) -> str:
    return next((word for word in case.wrong.removeprefix("~").split() if word.startswith("--")), "")


def run(capsys: pytest.CaptureFixture, command: str, given: Flags) -> Outcome:
    """The command in this process. The word behind a name is one of `prepare`, or tells cases apart."""
    name, *word = command.split()[: 2 if command.startswith("prepare ") else 1]
    first, rest = given.get("", []), [text for flag, values in given.items() if flag for text in (flag, *values)]
    return invoke(importlib.import_module(COMMANDS[name].module).main, capsys, *word, *first, *rest)


def first_line(outcome: Outcome) -> str:
    """Of the error, if there is one. The lines below it name files, which another flag may choose."""
    return next((line for line in outcome.err.splitlines() if "error:" in line), "")


def followed(case: Case, message: str, given: Flags, right: Flags, start: Callable[[str], Outcome]) -> Flags:
    """The flags when all is done that the message advises. start: runs a command line."""
    found = re.search(case.advice, message)
    assert found, f"{case.advice!r} is not in {message!r}"
    changed = dict(given)
    for group, text in found.groupdict().items():
        kind = group.rstrip("0123456789")
        if kind == "run":
            done = start(printed_command(text, case.user))
            assert done.code == 0, done
        elif kind == "delete":
            path = Path(text) if Path(text).exists() else Path(given[subject_of(case)][0], text)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif kind == "mend":  # what the machine lacks; by Place.run
            continue
        else:
            changed = act(kind, text, changed, case, right)
    return changed


def done_of(case: Case, message: str) -> str:
    """What is done of a message: the flags, commands and packages that the case takes from it."""
    found = re.search(case.advice, message)
    groups = found.groupdict() if found else {}
    return " ".join(f"{text} --{group.rstrip('0123456789')}" for group, text in groups.items())


def printed_command(text: str, user: str) -> str:
    """A command line of a message, with the user's values for words in capitals and the flags that it leaves to the user."""
    words = shlex.split(text)
    place = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    own = options(shlex.split(user) if "--" in user else [])
    given = {
        flag: values
        for flag, values in options(words[place:]).items()
        if not any(part.isupper() for value in values for part in value.split("/"))
    }
    missing = options(words[place:]).keys() - given.keys() - own.keys()
    assert not missing, f"{text}: say what stands for {missing}"
    return shlex.join(
        [*words[:place], *(word for flag, values in (own | given).items() if flag for word in (flag, *values))]
    )


def act(kind: str, text: str, given: Flags, case: Case, right: Flags) -> Flags:
    """The flags after one piece of advice. Its subject is the first wrong flag."""
    values, subject = given.get(text, []), subject_of(case)
    match kind:
        case "drop":  # leave this flag out
            return {flag: kept for flag, kept in given.items() if flag != text}
        case "alone":  # only these flags
            return {flag: kept for flag, kept in given.items() if flag in ("", *options(text.split()))}
        case "value":  # another value of the subject
            return given | {subject: [PLACEHOLDERS.get(text, text)] if " " not in text else text.split()}
        case "other":  # value of the subject, described in words
            return given | {subject: [case.user]}
        case "more":  # of the subject
            return given | {subject: [*given[subject], *text.split()]}
        case "suffix":  # of the file that the subject names
            return given | {subject: [str(Path(given[subject][0]).with_suffix(text))]}
        case "set":  # flags with their values
            words = [PLACEHOLDERS.get(word, word) for word in shlex.split(text)]
            return given | {flag: found for flag, found in options(words).items() if flag}
        case "instead":  # this flag with the subject's value
            kept = {flag: found for flag, found in given.items() if flag != subject}
            return kept | {text: [given[subject][0].rpartition("=")[2]]}
        case "another":  # value of this flag
            return given | {text: [case.user]}
        case "right":  # what this flag means, described in words
            return {flag: found for flag, found in given.items() if flag != text} | (
                {text: right[text]} if text in right else {}
            )
        case "lower":
            return given | {text: [str(int(values[0]) // 2)]}
        case "larger":
            return given | {text: [str(int(values[0]) * 2)]}
    return given | {f"--{kind}": [text]}
