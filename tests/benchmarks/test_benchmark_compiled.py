"""What is measured of compiled code; a backend of torch that writes no C++ stands for the one that does."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import compiled_gradients, compiled_warp, compiling
from benchmarks.compiled_gradients import GradientConfig
from benchmarks.compiled_warp import WarpConfig
from benchmarks.compiling import CompilingConfig
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def traced(monkeypatch):
    real = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, dynamic: real(function, dynamic=dynamic, backend="aot_eager")
    )
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_gradients_are_compared_with_float64_and_with_changed_images(traced, tmp_path):
    found_in = tmp_path / "gradients.json"
    config = GradientConfig("cpu", ("decoder",), "lite-mono-tiny", "96x64", batch=1, nudges=1, json=found_in)
    assert compiled_gradients.compare(config) == 0
    rows = json.loads(found_in.read_text())["differences"]
    cases = [(row["activation"], row["loss"]) for row in rows]
    assert cases == [(a, loss) for a in ("relu", "softplus") for loss in ("photometric", "smooth") for _ in range(4)]
    by_rounding = [row for row in rows if row["activation"] == "softplus" and row["loss"] == "smooth"]
    assert all(row["median"] < 1e-3 for row in by_rounding)
    changed = [row for row in rows if "images changed" in row["what"]]
    assert all(row["worst"] > 0 for row in changed)


def test_the_compiled_warp_is_timed_beside_the_plain_one_and_computes_the_same(traced, tmp_path, capsys):
    assert compiled_warp.measure(WarpConfig("cpu", "96x64", 1, repeats=2, json=tmp_path / "warp.json")) == 0
    found = json.loads((tmp_path / "warp.json").read_text())
    assert found["off"] < 1e-5 and len(found["ms"]["plain"]) == len(found["ms"]["compiled"]) == 2
    assert "times as fast" in capsys.readouterr().out


def test_a_start_says_seconds_and_graphs_of_each_part(traced, capsys):
    case = {"model": "lite-mono-tiny", "width": 96, "height": 64, "batch": 1}
    compiling.one_start(json.dumps(case), "cpu", "fp32", "decoder")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["graphs"] == {"decoder": 1} and found["seconds"]["decoder"] > 0


def test_flags_that_measure_nothing_are_refused():
    with pytest.raises(UserError, match="--nudges, --batch and --parts"):
        compiled_gradients.compare(GradientConfig("cpu", nudges=0))
    with pytest.raises(UserError, match="--batch and --repeats"):
        compiled_warp.measure(WarpConfig("cpu", batch=0))
    with pytest.raises(UserError, match="--batch and --parts"):
        compiling.measure(CompilingConfig("cpu", parts=()))
