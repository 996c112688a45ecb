"""`python -m benchmarks.gpu` runs everything that a card is to show; here small, on a processor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import processes
import pytest

from benchmarks.gpu import __main__ as entry
from benchmarks.gpu import card, session
from benchmarks.gpu.card import Card, check_device, obstacle
from benchmarks.gpu.parts import NAMES, PARTS, ROOT, Part, Session
from benchmarks.gpu.session import GpuConfig, run_part, run_session
from benchmarks.gpu.world import write_world
from litemono.utils import cli
from litemono.utils.errors import UserError

H100 = Card("2.11.0", "", 1, "NVIDIA H100", "sm_90", ("sm_75", "sm_80", "sm_90", "compute_90"), 79.0)


def test_the_small_session_runs_on_a_processor_and_goes_on_where_it_was(small_session):
    """A result of each part, the summary; a second start repeats nothing that passed."""
    ran = [part.name for part in PARTS if part.small]
    results = {name: json.loads((small_session / f"{name}.result.json").read_text()) for name in ran}
    assert {name: found["status"] for name, found in results.items()} == dict.fromkeys(ran, "passed") | {
        "ddp": "skipped"
    }
    assert json.loads((small_session / "resume/resume.json").read_text())["differing"] == 0
    summary = (small_session / "summary.md").read_text()
    assert "A trial run on a processor" in summary and "## Data" in summary and "## Learning" in summary
    assert "lite-mono-tiny 96x64, batch 1" in summary and "ddp" in summary


def a_part(*commands: str, minutes: float = 1.0) -> Part:
    code = tuple((sys.executable, "-c", text) for text in commands)
    return Part("resume", "?", lambda s: list(code), minutes)


def test_a_part_that_fails_or_hangs_is_said_and_the_next_ones_run(tmp_path, monkeypatch):
    parts = (a_part("print('why'); raise SystemExit(1)"), Part("data", "?", lambda s: [(sys.executable, "-c", "")], 1))
    monkeypatch.setattr(session, "PARTS", parts)
    assert run_session(GpuConfig(tmp_path, device="cpu")) == 1
    failed, passed = (json.loads((tmp_path / f"{part.name}.result.json").read_text()) for part in parts)
    assert (failed["status"], failed["why"], passed["status"]) == ("failed", "why", "passed")
    outcome = run_part(Session("cpu", True, tmp_path), a_part("import time; time.sleep(60)", minutes=1 / 120))
    assert outcome.status == "ran past its limit" and outcome.seconds < 30


LEAVES_A_CHILD = """
import pathlib, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(60)
"""


def gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_what_a_part_started_ends_with_it(tmp_path, monkeypatch):
    """Otherwise it would compute on the card beside the next part; here one that ignores SIGTERM."""
    monkeypatch.setattr("benchmarks.gpu.commands.GRACE", 0.2)
    part = Part("data", "?", lambda s: [(sys.executable, "-c", LEAVES_A_CHILD, str(tmp_path / "pid"))], 1 / 40)
    assert run_part(Session("cpu", True, tmp_path), part).status == "ran past its limit"
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_killed_session_ends_its_part_and_is_continued(tmp_path):
    """SIGTERM, as at the end of an allocation; resume takes seconds, so it is under way after its first files."""
    flags = ["--device", "cpu", "--small", "--out", tmp_path / "out", "--only", "resume"]
    words = [sys.executable, "-m", "benchmarks.gpu", *map(str, flags)]
    running = processes.start(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    processes.wait_until("the start of the part", (tmp_path / "out/resume.log").exists, by=running)
    running.send_signal(signal.SIGTERM)
    done = processes.finish(running, 60)
    assert "interrupted" in done.stderr and done.returncode == 130
    assert not (tmp_path / "out/resume.result.json").exists()
    assert json.loads((tmp_path / "out/session.json").read_text()) == {"device": "cpu", "small": True}


def test_frames_that_a_kill_left_incomplete_are_made_again(tmp_path):
    (tmp_path / "world/incomplete").mkdir(parents=True)
    write_world(tmp_path / "world", 32, 64)
    assert (tmp_path / "world/val_files.txt").is_file() and not (tmp_path / "world/incomplete").exists()


def test_results_of_another_device_are_not_continued(tmp_path, monkeypatch):
    """Its finished runs would count as those of this one."""
    monkeypatch.setattr(session, "PARTS", (a_part(""),))
    assert run_session(GpuConfig(tmp_path, device="cpu", small=True)) == 0
    with pytest.raises(UserError, match="has results of another device or size .*give another folder"):
        run_session(GpuConfig(tmp_path, device="cpu"))


def test_a_part_that_could_end_too_late_is_not_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(session, "PARTS", (a_part("", minutes=3), Part("data", "?", a_part("").commands, 1)))
    assert run_session(GpuConfig(tmp_path, device="cpu", minutes=2)) == 0
    assert "less time is left than it may take" in capsys.readouterr().err
    assert not (tmp_path / "resume.result.json").exists() and (tmp_path / "data.result.json").exists()
    with pytest.raises(UserError, match="--minutes -1: must be positive"):
        run_session(GpuConfig(tmp_path, device="cpu", minutes=-1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PARTS", (a_part(""),))
    (tmp_path / "resume.log").symlink_to("/dev/full")
    with pytest.raises(UserError, match="No space left on device.*free some space, then run the same command"):
        run_session(GpuConfig(tmp_path, device="cpu"))


def test_what_is_in_the_way_is_said_before_a_part_starts():
    part = Part("step", "?", lambda s: [], 1, free_gb=12)
    full = Card(**{**vars(H100), "free_gb": 5.0})
    assert obstacle("cuda", False, part, full) == "needs 12 GB of free GPU memory, there are 5.0"
    assert obstacle("cuda", False, part, H100) is None
    two = Part("ddp", "?", lambda s: [], 1, cards=2)
    assert obstacle("cuda", False, two, H100) == "needs 2 cards, this machine has 1"
    assert "fell off the bus" in str(obstacle("cuda", False, part, Card("2.11.0", "fell off the bus")))


def test_no_card_and_a_card_too_old_for_this_torch_are_named(monkeypatch):
    monkeypatch.setattr(card, "look", lambda: Card("2.11.0", "Found no NVIDIA driver on your system."))
    with pytest.raises(UserError, match=r"cannot use a card \(Found no NVIDIA driver.*--device cpu --small"):
        check_device("cuda")
    old = Card(**{**vars(H100), "name": "Tesla V100", "architecture": "sm_70"})
    monkeypatch.setattr(card, "look", lambda: old)
    with pytest.raises(UserError, match=r"has no code for Tesla V100 \(sm_70; it has sm_75 sm_80"):
        check_device("cuda")
    monkeypatch.setattr(card, "look", lambda: H100)
    assert check_device("cuda") == H100 and check_device("cpu") is None


def test_the_card_is_asked_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = card.look()
    assert found.problem and found.torch != "?"
    monkeypatch.setattr(card, "ASK", ("-c", "raise SystemExit('a broken driver')"))
    assert card.look().problem == "a broken driver"


def test_another_process_on_the_card_is_in_the_record_and_the_summary(tmp_path, monkeypatch):
    for name, answer in (("check_device", H100), ("look", H100), ("others_on_the_card", ["4711, 300 MiB"])):
        monkeypatch.setattr(session, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(session, "PARTS", (a_part("print('7 passed, 30 skipped')"),))
    assert run_session(GpuConfig(tmp_path)) == 0
    found = json.loads((tmp_path / "resume.result.json").read_text())
    assert found["others"] == ["4711, 300 MiB"] and found["machine"]["gpu"] == "NVIDIA H100"
    summary = (tmp_path / "summary.md").read_text()
    assert "other processes on the card: 4711, 300 MiB" in summary and summary.startswith("# What this card showed")


def test_every_test_that_needs_a_card_is_in_the_part_for_it(tmp_path):
    """Files that skip without one, and those that compute on LITEMONO_TEST_DEVICE."""
    (command,) = PARTS[0].commands(Session("cuda", False, tmp_path))
    marks = ('reason="no GPU', "import TEST_DEVICE")
    files = {path for path in (ROOT / "tests").rglob("test_*.py") if any(mark in path.read_text() for mark in marks)}
    assert len(files) > 4 and {str(path.relative_to(ROOT)) for path in files - {Path(__file__)}} <= set(command)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_commands_for_a_card_have_flags_that_there_are(part, tmp_path, monkeypatch):
    """Nothing else runs these command lines where there is no card."""
    for command in part.commands(Session("cuda", False, tmp_path, "NVIDIA H100")):
        assert command[:2] == (sys.executable, "-m")
        module, flags = command[2], command[3:]
        if module == "pytest":
            assert all((ROOT / word).is_file() for word in flags if word.startswith("tests/"))
            continue
        main = __import__(module, fromlist=["main"]).main
        monkeypatch.setattr(sys, "argv", [module, *flags])
        function, settings = cli.parts_of(main, [module, *flags])
        cli.parse(settings, module, "", list(flags))


def test_unknown_parts_are_named_with_those_there_are(tmp_path):
    with pytest.raises(UserError, match=f"--only speed: no such part; there are {', '.join(NAMES)}"):
        run_session(GpuConfig(tmp_path, only=("speed",), device="cpu"))


def test_missing_packages_come_with_the_way_to_carry_them(monkeypatch):
    monkeypatch.setitem(entry.PACKAGES, "no_such_module", "no-such-package")
    assert entry.missing_packages() == ["no-such-package"]
    assert "pip download --no-deps" in entry.how_to_carry(["tyro"]) and "wheels tyro" in entry.how_to_carry(["tyro"])
