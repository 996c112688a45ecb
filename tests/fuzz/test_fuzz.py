"""The tools of the fuzzing: each kind of fault is seen, and a whole input is none."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from litemono.utils.errors import UserError

from . import limits
from .kinds import KINDS
from .kinds.base import Kind
from .kinds.tensors import Attack
from .limits import try_kind


def kind_of(use) -> Kind:
    return Kind("made", [b"whole"], st.just(b"damaged"), lambda folder: use)


def on_damage(action):
    def use(data: bytes) -> None:
        if data == b"damaged":
            action()

    return use


def refuse() -> None:
    raise UserError("file: is damaged; write it again")


def refuse_at_length() -> None:
    raise UserError("line\nline")


@pytest.mark.parametrize(("action", "accepted", "refused"), [(lambda: None, 3, 0), (refuse, 0, 3)])
def test_inputs_are_accepted_or_refused(tmp_path, action, accepted, refused):
    findings = try_kind(kind_of(on_damage(action)), 3, 0, tmp_path)
    assert (findings.accepted > 0, findings.refused > 0) == (accepted > 0, refused > 0) and not findings.faults


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (lambda: {}["key"], "KeyError"),
        (refuse_at_length, "more than a sentence"),
        (lambda: time.sleep(60), "takes more than"),
        (lambda: os._exit(9), "ends the process (exit status 9)"),
        (lambda: bytearray(1_500_000_000) and time.sleep(60), "1 GB above"),
        (lambda: Path("../outside").write_text("x"), "offends: open"),
        (
            lambda: Path("inside").symlink_to("/") or Path("inside/tmp/never").unlink(missing_ok=True),
            "offends: os.remove /tmp/never",
        ),
        (lambda: os.system("true"), "offends: os.system"),
        (lambda: pickle.loads(pickle.dumps(Attack())), "offends: unpickles"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_of_each_kind_is_seen(tmp_path, monkeypatch, action, fault):
    monkeypatch.setattr(limits, "SECONDS", 3.0 if "GB" in fault else 0.5)  # filling memory takes a while
    findings = try_kind(kind_of(on_damage(action)), 1, 0, tmp_path)
    assert any(fault in found for found in findings.faults), findings
    assert list(findings.examples.values())[0] == b"damaged"


def test_a_few_damaged_inputs_of_each_kind_are_read_or_refused_in_one_sentence(command):
    """What `make test-fuzz` does with more of them. A process of its own: OpenMP's threads do not survive a fork."""
    done = command("tests.fuzz", "--inputs", 10, "--seed", 5, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    for name in KINDS:
        assert f"{name}: 10 inputs" in done.stdout
