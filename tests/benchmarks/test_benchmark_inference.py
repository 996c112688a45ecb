"""The inference benchmark times programs that compute the same, and says what it cannot run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from benchmarks.inference import InferenceConfig, benchmark, memory_of
from benchmarks.inference_subjects import NEEDS_CUDA, PUBLISHED, Case, build, images, names, network
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")
CASE = Case("lite-mono-tiny", 96, 64, 2)


@pytest.mark.parametrize("name", [name for name in names("cpu") if name not in (PUBLISHED, "compiled fp32")])
def test_every_way_to_predict_computes_the_published_disparity(name):
    expected, found = (build(subject, CASE, torch.device("cpu"))[0](images(CASE)) for subject in (PUBLISHED, name))
    assert expected.shape == (2, 64, 96)
    # bf16 and int8 have 8 bits; float32 in another order of operations differs by 1e-6.
    limit = 2e-2 if "bf16" in name or "int8" in name else 1e-5
    assert abs(found - expected).max() <= limit * expected.max()


def test_results_are_written_with_ratios_to_the_published_network(tmp_path, capsys):
    files = {"json": tmp_path / "i.json", "plot": tmp_path / "i.png"}
    benchmark(InferenceConfig("cpu", ("lite-mono-tiny",), ("96x64",), (1, 2), ("eager fp32",), 0.1, **files))
    found = json.loads((tmp_path / "i.json").read_text())
    assert [case["batch"] for case in found["cases"]] == [1, 2]
    for case in found["cases"]:
        published, ours = case["rows"]
        assert (published["subject"], published["ratio"], published["off"]) == (PUBLISHED, 1.0, 0.0)
        assert 0 < ours["p50_ms"] <= ours["p90_ms"] <= ours["p99_ms"]
        steps = [name.split(" (")[0] for name in case["end_to_end_ms"]]
        assert steps == ["decode", "resize", "network", "resize back", "colour", "encode"]
    with Image.open(tmp_path / "i.png") as plot:
        assert plot.width > 300
    assert PUBLISHED in capsys.readouterr().out


def test_a_second_run_keeps_the_cases_that_are_recorded(tmp_path, capsys):
    path = tmp_path / "i.json"
    config = InferenceConfig("cpu", ("lite-mono-tiny",), ("96x64",), (1,), ("eager fp32",), 0.1, json=path)
    benchmark(config)
    first = json.loads(path.read_text())["cases"]
    benchmark(replace(config, batch=(1, 2)))
    assert json.loads(path.read_text())["cases"][0] == first[0]
    assert "lite-mono-tiny 96x64 batch 1: is in" in capsys.readouterr().out
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record.pop("machine"), **record}))  # an older record
    benchmark(config)
    assert "lite-mono-tiny 96x64 batch 1: is in" in capsys.readouterr().out
    path.write_text(path.read_text().replace('"threads": 1', '"threads": 64'))
    with pytest.raises(UserError, match="recorded with another threads; give another file"):
        benchmark(config)


def test_memory_is_what_a_subject_adds_to_a_process():
    network_mb = 4 * sum(value.numel() for value in network(CASE, torch.device("cpu")).parameters()) / 1e6
    assert network_mb < memory_of("eager fp32", CASE, torch.device("cpu")) < 1000


def test_what_cannot_run_here_is_named():
    with pytest.raises(UserError, match="--subject.*graphed fp32.*cannot run here; there are published eager"):
        benchmark(InferenceConfig("cpu", subject=(NEEDS_CUDA[1],)))
