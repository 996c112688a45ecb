"""Advice of error messages is followed as it was printed: the command then ends as it does with right flags."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from advice import (
    cluster_cases,
    data_cases,
    data_damages,
    elsewhere,
    file_cases,
    flag_cases,
    machine_cases,
    world_cases,
)
from advice import world as worlds
from advice.damages import DAMAGES
from advice.follow import Case, done_of, first_line, followed, options, run, with_wrong
from advice.lacks import LACKS
from advice.sources import PACKAGES, messages
from conftest import ROOT
from tiny_kitti import Outcome, invoke

from litemono.__main__ import COMMANDS

pytestmark = pytest.mark.usefixtures("one_thread")

MODULES = (flag_cases, cluster_cases, world_cases, machine_cases, file_cases, data_cases)
CASES = [case for module in MODULES for case in module.CASES]
RIGHT = {name: options(shlex.split(line)) for module in MODULES for name, line in module.RIGHT.items()}
ENDS: dict[str, Outcome] = {}
"""How each command ends with right flags."""
REFUSED: dict[Case, str] = {}
"""What was printed, in one line."""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("world")


class Place:
    """Folders to start commands in."""

    def __init__(self, root: Path, world: Path, capsys: pytest.CaptureFixture, patch: pytest.MonkeyPatch) -> None:
        self.root, self.world, self.capsys, self.patch = root, world, capsys, patch

    def enter(self, name: str, needs: str) -> None:
        """A new folder with a list of one frame that is not there, a file, and w, the world, where it is needed."""
        folder = self.root / name
        (folder / "split").mkdir(parents=True)
        for which in ("train", "val"):
            (folder / f"split/{which}_files.txt").write_text("2011_09_26/2011_09_26_drive_0001_sync 1 l\n")
        (folder / "file").touch()
        if "w/" in needs:
            if not (self.world / "w").exists():
                worlds.write(self.world, self.capsys)
            (folder / "w").symlink_to(self.world / "w")
            (folder / "test_split").symlink_to("w/test_split")
        if "own/" in needs:
            for name in {word.split("/")[1] for word in shlex.split(needs) if word.startswith("own/")}:
                copy = worlds.link_large
                shutil.copytree(self.world / "w" / name, folder / "own" / name, symlinks=True, copy_function=copy)
        self.patch.chdir(folder)

    def run(self, command: str, given: dict[str, list[str]], lack: str = "") -> Outcome:
        on_cluster = command.endswith(" cluster")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("litemono.jobs.slurm.available", lambda: on_cluster)
            for name in ("SLURM_TMPDIR", "TMPDIR"):
                patch.delenv(name, raising=False)
            if on_cluster:
                if not (commands := self.world / "bin").exists():
                    cluster_cases.write_commands(commands)
                patch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
                patch.setattr("litemono.submit.wheel_problem", lambda gpus: None)  # of this machine's torch
                Path("runs/queued").mkdir(parents=True, exist_ok=True)
                Path("runs/queued/job.json").write_text('{"submitted": 1, "job_id": "77"}')
            if lack:
                LACKS[lack](patch)
            done = run(self.capsys, command, given)
            return done._replace(err=done.err.replace(str(Path.cwd()), "."))  # lists are named by their whole path

    def start(self, line: str) -> Outcome:
        """`python -m MODULE ARGUMENTS` or `litemono COMMAND ARGUMENTS`"""
        words = shlex.split(line)
        module, arguments = (COMMANDS[words[1]].module, words[2:]) if words[0] == "litemono" else (words[2], words[3:])
        found = importlib.import_module(module if module not in PACKAGES else f"{module}.__main__")
        return invoke(found.main, self.capsys, *arguments)

    def end(self, command: str) -> Outcome:
        if command not in ENDS:
            right = RIGHT[command]
            self.enter("right", needs(right))
            ENDS[command] = self.run(command, right)
        return ENDS[command]

    def refuse(self, case: Case, name: str = "case") -> dict[str, list[str]]:
        """The wrong flags, with which the command was refused."""
        wrong = with_wrong(RIGHT[case.command], case.wrong)
        self.enter(name, f"{needs(RIGHT[case.command], wrong)} {case.user}")
        if case.damage:
            (DAMAGES | data_damages.DAMAGES)[case.damage](Path("own"))
        refused = self.run(case.command, wrong, case.lack)
        assert refused.code == 2, refused
        REFUSED[case] = " ".join(refused.err.split())
        return wrong


def needs(*flags: dict[str, list[str]]) -> str:
    return " ".join(value for given in flags for values in given.values() for value in values)


def mends(case: Case) -> bool:
    """Whether the advice is to add what the machine lacks, or to put files right."""
    return "(?P<mend>" in case.advice


@pytest.fixture
def place(tmp_path, world, capsys, monkeypatch) -> Place:
    return Place(tmp_path, world, capsys, monkeypatch)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command} {case.wrong[:200]} {case.advice}")
def test_followed_advice_leads_to_where_right_flags_lead(case, place):
    end = place.end(case.command)
    wrong = place.refuse(case)
    assert REFUSED[case] != " ".join(end.err.split())
    right_way = followed(case, REFUSED[case], wrong, RIGHT[case.command], place.start)
    if case.damage and mends(case):
        place.enter("mended", f"{needs(right_way)} {case.user}")
    after = place.run(case.command, right_way, "" if mends(case) else case.lack)
    assert (after.code, first_line(after)) == (end.code, first_line(end))


def test_every_piece_of_advice_is_followed_or_named(place):
    for number, case in enumerate([case for case in CASES if case not in REFUSED]):  # where some tests were chosen
        place.refuse(case, f"refused {number}")
    named = [*elsewhere.FOLLOWED_BY, *elsewhere.NOT_FOLLOWED]
    followed: dict[str, str] = {}  # what is done of the messages of one line of code, which differ in what is put in
    for message in messages():
        cases = [case for case in CASES if message.fits(REFUSED[case])]
        followed.setdefault(message.place, "")
        followed[message.place] += " ".join(done_of(case, REFUSED[case]) for case in cases)
    left = []
    for message in messages():
        if message.advises and not any(part in message.text for part in named):
            done = followed[message.place]
            mentioned = " ".join(flags for part, flags in elsewhere.MENTIONED.items() if part in message.text)
            patterns = {piece: re.escape(piece).replace(r"\{\}", ".+?") for piece in message.choices}
            rest = [piece for piece, pattern in patterns.items() if not re.search(pattern, f"{done} {mentioned}")]
            if rest or not done:
                left.append(f"{message.place}: {message.text}: {rest}")
    assert not left, "\n".join(left)


@pytest.mark.parametrize("part", [*elsewhere.FOLLOWED_BY, *elsewhere.NOT_FOLLOWED, *elsewhere.MENTIONED])
def test_what_is_named_is_still_advised(part):
    assert any(part in message.text for message in messages())


@pytest.mark.parametrize("name", sorted({*elsewhere.FOLLOWED_BY.values()}))
def test_the_tests_that_follow_are_there(name):
    file, test = name.split("::")
    assert re.search(rf"^def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
