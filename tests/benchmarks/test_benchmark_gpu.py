"""`python -m benchmarks.gpu` runs everything that a card is to show; here small, on a processor."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks.gpu import __main__ as entry
from benchmarks.gpu import session
from benchmarks.gpu.parts import NAMES, PARTS, Part
from benchmarks.gpu.session import GpuConfig, Outcome, Session, check_device, obstacle, run_part, run_session
from litemono.utils.errors import UserError


def test_the_small_session_runs_on_a_processor_and_goes_on_where_it_was(tmp_path, command):
    """The parts in order, a result of each, the summary; a second start repeats nothing that passed."""
    flags = ["--device", "cpu", "--small", "--out", tmp_path / "out"]
    first = command("benchmarks.gpu", *flags, "--only", "resume", "data", env={"OMP_NUM_THREADS": "1"})
    assert first.returncode == 0, first.stderr
    done = command("benchmarks.gpu", *flags, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("passed before") == 2
    ran = [part.name for part in PARTS if part.small]
    results = {name: json.loads((tmp_path / f"out/{name}.result.json").read_text()) for name in ran}
    assert {name: found["status"] for name, found in results.items()} == dict.fromkeys(ran, "passed") | {
        "ddp": "skipped"
    }
    assert json.loads((tmp_path / "out/resume/resume.json").read_text())["differing"] == 0
    summary = (tmp_path / "out/summary.md").read_text()
    assert "A trial run on a processor" in summary and "## Data" in summary and "## Learning" in summary
    assert "lite-mono-tiny 96x64, batch 1" in summary and "ddp" in summary


def failing(*commands: str, minutes: float = 1.0) -> Part:
    code = tuple((sys.executable, "-c", text) for text in commands)
    return Part("resume", "?", lambda s: list(code), minutes)


def test_a_part_that_fails_or_hangs_is_said_and_the_next_ones_run(tmp_path, monkeypatch):
    parts = (failing("print('why'); raise SystemExit(1)"), Part("data", "?", lambda s: [(sys.executable, "-c", "")], 1))
    monkeypatch.setattr(session, "PARTS", parts)
    assert run_session(GpuConfig(tmp_path, device="cpu")) == 1
    failed, passed = (json.loads((tmp_path / f"{part.name}.result.json").read_text()) for part in parts)
    assert (failed["status"], failed["why"], passed["status"]) == ("failed", "why", "passed")
    outcome = run_part(Session("cpu", True, tmp_path), failing("import time; time.sleep(60)", minutes=1 / 120))
    assert outcome.status == "ran past its limit" and outcome.seconds < 30


def test_what_is_in_the_way_is_said_before_a_part_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (5 * 10**9, 80 * 10**9))
    card = Session("cuda", False, tmp_path)
    assert (
        obstacle(card, Part("step", "?", lambda s: [], 1, free_gb=12))
        == "needs 12 GB of free GPU memory, there are 5.0"
    )
    assert obstacle(card, Part("ddp", "?", lambda s: [], 1, cards=2)) == "needs 2 cards, this machine has 1"
    assert obstacle(card, Part("data", "?", lambda s: [], 1, free_gb=4)) is None


def test_no_card_and_a_card_too_old_for_this_torch_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"torch sees no card .*--device cpu --small tries the parts without"):
        check_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla P4")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_70", "sm_80", "sm_90a", "compute_90"])
    with pytest.raises(UserError, match="Tesla P4 .*6.1.* is too old for this torch"):
        check_device("cuda")
    check_device("cpu")


def test_unknown_parts_are_named_with_those_there_are(tmp_path):
    with pytest.raises(UserError, match=f"--only speed: no such part; there are {', '.join(NAMES)}"):
        run_session(GpuConfig(tmp_path, only=("speed",), device="cpu"))


def test_missing_packages_come_with_the_way_to_carry_them(monkeypatch):
    monkeypatch.setitem(entry.PACKAGES, "no_such_module", "no-such-package")
    assert entry.missing_packages() == ["no-such-package"]
    assert "pip download --no-deps" in entry.how_to_carry(["tyro"]) and "wheels tyro" in entry.how_to_carry(["tyro"])


def test_an_outcome_is_kept_for_its_device_and_size_alone(tmp_path):
    part, cpu = PARTS[0], Session("cpu", True, tmp_path)
    session.record(cpu, part, Outcome(part.name, "passed"))
    assert session.previous(cpu, part) == "passed"
    assert session.previous(Session("cpu", False, tmp_path), part) is None
    assert session.previous(Session("cuda", True, tmp_path), part) is None
