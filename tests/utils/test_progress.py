"""The progress bar of all commands."""

from __future__ import annotations

import io

from rich.console import Console

from litemono.utils import progress
from litemono.utils.progress import BYTES, progress_bar, track


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def test_the_bar_counts_on_a_terminal(monkeypatch):
    monkeypatch.setattr(progress, "REDRAW_S", 0.0)
    console = terminal()
    with progress_bar(3, "frames", console=console) as advance:
        advance()
        advance(2)
    shown = console.file.getvalue()
    assert "frames" in shown and "1/3" in shown and "3/3" in shown


def test_bytes_are_shown_as_such(monkeypatch):
    monkeypatch.setattr(progress, "REDRAW_S", 0.0)
    console = terminal()
    with progress_bar(2_000_000, "archives", BYTES, console) as advance:
        advance(1_500_000)
    assert "1.5/2.0 MB" in console.file.getvalue()


def test_nothing_is_written_where_there_is_no_terminal():
    console = Console(file=io.StringIO())
    with progress_bar(2, "frames", console=console) as advance:
        advance()
    assert not console.file.getvalue().strip()


def test_items_pass_through_in_order(capsys):
    assert list(track(iter("abc"), 3, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().out == ""
