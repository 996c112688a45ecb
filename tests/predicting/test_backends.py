"""Whatever runs the network, results are those of torch; what cannot run says why."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import assert_refused, invoke, write_weights

from litemono.predict import main
from litemono.predicting import backends


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        coarse = np.random.default_rng(seed).integers(0, 256, (5, 9, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((90, 50), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def disparities(capsys, tiny, photos, tmp_path):
    """Flags -> what the command prints, and the disparities of the photos."""

    def run(*flags):
        out = tmp_path / "-".join(map(str, flags)).replace("/", "_")
        settings = ("--model", "lite-mono-tiny", "--input", photos, "--output", out, "--save_npy", "--device", "cpu")
        weights = () if "--load_weights" in flags else ("--load_weights", tiny)
        outcome = invoke(main, capsys, *weights, *settings, *flags)
        assert outcome.code == 0, outcome
        return outcome.out, [np.load(out / f"{seed}_disp.npy") for seed in range(3)]

    return run


@pytest.mark.parametrize("name", backends.FASTEST)
@pytest.mark.parametrize("batch", [1, 2])
def test_every_backend_predicts_what_torch_predicts(disparities, name, batch):
    if backends.missing(name):
        pytest.skip(f"{name} is not installed")
    _, expected = disparities("--backend", "torch")
    printed, found = disparities("--backend", name, "--batch_size", batch)
    assert f"by {name} " in printed and f"batch {batch}" in printed and "of torch" in printed
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * theirs.max()


def test_a_few_images_are_not_worth_a_conversion_and_many_are(disparities, monkeypatch):
    assert "by torch " in disparities()[0]
    monkeypatch.setattr(backends, "WORTH_STARTING", 3)
    fastest = next((name for name in backends.FASTEST if not backends.missing(name)), "torch")
    assert f"by {fastest} " in disparities("--num_workers", 2)[0]


def test_where_no_other_backend_is_installed_torch_predicts(disparities, monkeypatch):
    find_spec = importlib.util.find_spec
    absent = ("onnxruntime", "openvino")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name))
    monkeypatch.setattr(backends, "WORTH_STARTING", 1)
    assert "by torch " in disparities()[0]


def test_a_network_that_cannot_be_converted_runs_in_torch(disparities, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no such operator\nand more")

    monkeypatch.setattr("torch.onnx.export", fail)
    monkeypatch.setattr(backends, "WORTH_STARTING", 1)
    printed, _ = disparities()
    assert "by torch " in printed
    if not backends.missing("onnxruntime"):
        assert "lite-mono-tiny cannot be converted to ONNX (no such operator); using torch" in printed


def test_a_backend_that_computes_something_else_is_refused(capsys, tiny, photos, monkeypatch, tmp_path):
    monkeypatch.setitem(backends.STARTERS, "onnxruntime", lambda content, plan: lambda images: images[..., 0] / 10)
    flags = ("--load_weights", tiny, "--model", "lite-mono-tiny", "--input", photos, "--output", tmp_path / "out")
    refused = invoke(main, capsys, *flags, "--backend", "onnxruntime")
    assert_refused(refused, "--backend onnxruntime: differs from torch by", "(allowed: 1e-04)")
    assert not (tmp_path / "out").exists()


def test_a_backend_that_is_not_there_says_what_to_install(capsys, tiny, photos, monkeypatch):
    flags = ("--load_weights", tiny, "--model", "lite-mono-tiny", "--input", photos)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find_spec(name))
    refused = invoke(main, capsys, *flags, "--backend", "openvino")
    assert_refused(refused, "--backend openvino: openvino not installed; pip install 'litemono[openvino]'")
    unknown = invoke(main, capsys, *flags, "--backend", "tensorflow")
    assert unknown.code == 2 and "tensorflow" in unknown.err and "onnxruntime" in unknown.err


def test_an_exported_file_runs_in_both_runtimes_but_not_in_torch(capsys, disparities, tiny, photos, tmp_path):
    if backends.missing("onnxruntime"):
        pytest.skip("onnxruntime is not installed")
    from litemono.export import main as export

    file = tmp_path / "tiny.onnx"
    flags = ("--load_weights", tiny, "--model", "lite-mono-tiny", "--batch", 2, "--output_kind", "depth")
    assert invoke(export, capsys, *flags, "--input", "float", "--output", file).code == 0
    _, expected = disparities("--backend", "torch")
    for name in backends.FASTEST:
        if not backends.missing(name):
            printed, found = disparities("--load_weights", file, "--backend", name)
            assert f"by {name} " in printed and "batch 2" in printed
            assert max(np.abs(a - b).max() / b.max() for a, b in zip(found, expected, strict=True)) <= 1e-4
    refused = invoke(main, capsys, "--load_weights", file, "--input", photos, "--backend", "torch")
    assert_refused(refused, "--backend torch: --load_weights is an ONNX file")
