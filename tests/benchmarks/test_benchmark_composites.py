"""python -m benchmarks.composite_loader: what it measures."""

from __future__ import annotations

import json

import pytest

from benchmarks import composite_loader
from benchmarks.composite_loader import CompositeLoaderConfig
from litemono.utils.errors import UserError


def test_a_pack_costs_less_than_zips_and_every_place_is_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(composite_loader, "profile", lambda *_: 0.25)  # a training each: tests/test_segment.py has one
    monkeypatch.setattr(composite_loader, "STEP_RATES", (1000,))
    monkeypatch.setattr(composite_loader, "ORIGINAL", (64, 64))
    composite_loader.measure(CompositeLoaderConfig(backgrounds=2, steps=4, json=tmp_path / "out.json"))
    found = {place["name"]: place for place in json.loads((tmp_path / "out.json").read_text())["places"]}
    assert [*found] == ["zips", "folder", "pack"]
    assert found["pack"]["cpu_ms"] < found["zips"]["cpu_ms"] and found["zips"]["ratio"] == 1
    assert all(0 <= place["waited"]["1000"] < 1 for place in found.values())
    assert "25.0%" in capsys.readouterr().out


def test_nothing_to_measure_is_refused():
    with pytest.raises(UserError, match="--steps 1"):
        composite_loader.measure(CompositeLoaderConfig(steps=1))
