"""Compiled code is kept where the next start finds it, and failures leave nothing behind."""

from __future__ import annotations

import os
import shutil

import pytest
import torch

from litemono.utils import compiling
from litemono.utils.compiling import CACHE, compiler_errors, kept_in
from litemono.utils.errors import UserError


@pytest.fixture
def cache(monkeypatch):
    """As in a process that was started without a cache of the user's own; the variable is put back."""
    monkeypatch.setenv(CACHE, "")
    monkeypatch.setattr(compiling, "USERS_OWN", None)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_second_start_finds_what_the_first_compiled_in_its_run_folder(cache, tmp_path):
    x, folder = torch.arange(8.0), tmp_path / "run/compiled"

    def start() -> set:
        torch._dynamo.reset()
        with kept_in(folder):
            torch.testing.assert_close(torch.compile(lambda x: x.sin() * 2, dynamic=False)(x), x.sin() * 2)
        return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*.so")}

    first = start()
    assert first and start() == first


def test_a_failure_takes_away_the_folders_that_were_not_there_before(cache, tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError), kept_in(tmp_path / "runs/a/compiled"):
        (tmp_path / "runs/a/compiled").mkdir(parents=True)
        raise UserError("no compiler")
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


def test_the_users_own_cache_wins(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "USERS_OWN", "elsewhere")
    monkeypatch.setenv(CACHE, "elsewhere")
    with kept_in(tmp_path / "compiled"):
        assert os.environ[CACHE] == "elsewhere"


def test_whatever_torch_raises_is_one_sentence_but_a_lack_of_memory_is_not_hidden():
    with (
        pytest.raises(UserError, match=r"cannot compile here \(KeyError: 'x'\); it needs a C\+\+ compiler"),
        compiler_errors(),
    ):
        raise KeyError("x")
    with pytest.raises(MemoryError), compiler_errors():
        raise MemoryError
