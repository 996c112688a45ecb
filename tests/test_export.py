"""litemono export, and the written file in the place of the network."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from parity_recipes import fill
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot, write_weights, write_world

import evaluate.__main__
import litemono
import networks
from export_gt.__main__ import ExportConfig, export
from litemono.export import main
from litemono.exporting.fused import without_reflection
from litemono.utils.errors import UserError
from networks import weights


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Weights and an exported file; two frames with ground truth."""
    root = tmp_path_factory.mktemp("export")
    split = write_world(root, [0, 1])
    export(ExportConfig(data_path=root, split=str(split)))
    write_weights(root / "weights")
    return root


@pytest.fixture
def run(ready, tmp_path, capsys):
    def exported(*flags, folder=ready / "weights", model="lite-mono-tiny", output=tmp_path / "net.onnx"):
        return invoke(main, capsys, "--load_weights", folder, "--model", model, "--output", output, *flags)

    return exported


def images(count: int, height: int = 32, width: int = 64) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("opset", [17, 18])
def test_another_program_gets_the_networks_disparity(run, ready, tmp_path, opset):
    outcome = run("--opset", opset)
    assert outcome.code == 0, outcome
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    predictor = litemono.load("lite-mono-tiny", weights=ready / "weights")
    for count in (1, 5):
        pixels = images(count)
        expected = np.stack([depth.disparity for depth in predictor.predict(pixels)])
        found = session.run(["disparity"], {"image": pixels})[0]
        assert np.abs(found - expected).max() < 1e-4 * expected.max()  # the limit that export itself holds
    assert onnx.load(tmp_path / "net.onnx").opset_import[0].version == opset
    said = session.get_modelmeta().custom_metadata_map
    assert said["litemono.model"] == "lite-mono-tiny" and said["litemono.max_depth"] == "100.0"


def test_depth_of_a_fixed_batch_for_tensorrt8(run, ready, tmp_path):
    flags = (
        "--input",
        "float",
        "--output_kind",
        "depth",
        "--depth_scale",
        "5.4",
        "--batch",
        "2",
        "--compat",
        "tensorrt8",
    )
    outcome = run(*flags)
    assert outcome.code == 0, outcome
    model = onnx.load(tmp_path / "net.onnx")
    modes = [a.s for node in model.graph.node if node.op_type == "Pad" for a in node.attribute if a.name == "mode"]
    assert b"reflect" not in modes and model.opset_import[0].version == 16
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    pixels = images(2)
    depth = session.run(None, {"image": pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255})[0]
    expected = litemono.load("lite-mono-tiny", weights=ready / "weights").predict(pixels)
    assert depth == pytest.approx(5.4 / np.stack([d.disparity for d in expected]), rel=1e-4)
    again = litemono.load(weights=tmp_path / "net.onnx").predict(images(3))  # filled up to a multiple of two
    assert again[0].depth == pytest.approx(5.4 / expected_disparity(ready, images(3))[0], rel=1e-4)


def expected_disparity(ready, pixels: np.ndarray) -> np.ndarray:
    return np.stack([d.disparity for d in litemono.load("lite-mono-tiny", weights=ready / "weights").predict(pixels)])


def test_padding_by_slices_computes_the_same_bits():
    net = networks.create("lite-mono-tiny", height=32, width=64).eval()
    x = torch.rand(2, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(net(x)[0], without_reflection(net)(x)[0])


@pytest.mark.parametrize("name", ["lite-mono", "lite-mono-small", "lite-mono-8m", "midas-small", "dpt-tiny"])
def test_other_networks_are_exported_for_tensorrt8(run, tmp_path, name):
    """Without what it reads otherwise. The large networks are recorded in benchmarks/results/README.md."""
    net = networks.create(name, height=64, width=64)
    fill(net)
    weights.save_folder(tmp_path / "weights", net, None)
    flags = ("--compat", "tensorrt8", "--input", "float")
    outcome = run(*flags, folder=tmp_path / "weights", model=name)
    assert outcome.code == 0, outcome
    modes = [a.s for node in onnx.load(tmp_path / "net.onnx").graph.node for a in node.attribute if a.name == "mode"]
    assert not {b"reflect", b"cubic"} & set(modes)


@pytest.mark.parametrize("name", ["dpt-tiny"])
def test_relative_networks_are_exported(run, tmp_path, name):
    net = networks.create(name, height=64, width=64)
    fill(net)
    weights.save_folder(tmp_path / "relative", net, None)
    outcome = run(folder=tmp_path / "relative", model=name)
    assert outcome.code == 0, outcome
    assert litemono.load(weights=tmp_path / "net.onnx").kind == "relative"
    refused = run("--output_kind", "depth", folder=tmp_path / "relative", model=name)
    assert_refused(refused, "--output_kind depth", "export its disparity")
    refused = run("--split", "eigen", folder=tmp_path / "relative", model=name)
    assert_refused(refused, "--split", "relative depth", "give --images")


def test_torch_exports_file_runs(run, ready, tmp_path):
    path = tmp_path / "net.pt2"
    assert run("--format", "pt2", output=path).code == 0
    files = {"litemono.json": ""}
    module = torch.export.load(path, extra_files=files).module()
    assert json.loads(files["litemono.json"])["model"] == "lite-mono-tiny"
    pixels = images(3)
    found = module(torch.from_numpy(pixels)).detach().numpy()
    assert found == pytest.approx(expected_disparity(ready, pixels), rel=1e-4)
    content = path.read_bytes()
    stored = content[-64:]
    assert hashlib.sha256(content[:-64] + b"0" * 64).hexdigest().encode() == stored


def test_the_file_is_evaluated_and_predicts_like_the_network(run, ready, tmp_path, capsys):
    assert run().code == 0
    common = ("--data_path", ready, "--split", ready / "split")
    results = []
    for name, flags in (("net", ("--model", "lite-mono-tiny")), ("file", ())):
        place = ready / "weights" if name == "net" else tmp_path / "net.onnx"
        output = tmp_path / f"{name}.json"
        outcome = invoke(evaluate.__main__.main, capsys, "--load_weights", place, "--output", output, *common, *flags)
        assert outcome.code == 0, outcome
        results.append(json.loads(output.read_text()))
    assert results[1]["metrics"] == pytest.approx(results[0]["metrics"], rel=1e-4)
    assert results[1]["model"] == "lite-mono-tiny" and results[1]["params"] is None
    Image.fromarray(images(1)[0]).save(tmp_path / "street.png")
    by_file = litemono.load(weights=tmp_path / "net.onnx").predict(tmp_path / "street.png")
    by_net = litemono.load("lite-mono-tiny", weights=ready / "weights").predict(tmp_path / "street.png")
    assert by_file.disparity == pytest.approx(by_net.disparity, rel=1e-4)
    assert by_file.depth_range == by_net.depth_range and by_file.kind == by_net.kind


def test_changed_and_foreign_files_are_refused(run, ready, tmp_path):
    assert run().code == 0
    content = bytearray((tmp_path / "net.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.onnx").write_bytes(content)
    (tmp_path / "text.onnx").write_bytes(b"hello")
    with pytest.raises(UserError, match="changed after its export .*; export it again"):
        litemono.load(weights=tmp_path / "changed.onnx")
    with pytest.raises(UserError, match="cannot read it .*; export it again"):
        litemono.load(weights=tmp_path / "text.onnx")
    assert run(output=tmp_path / "text.onnx").code == 0
    assert litemono.load(weights=tmp_path / "text.onnx").name == "lite-mono-tiny"
    with pytest.raises(UserError, match="computes at 64x32 only"):
        litemono.load(weights=tmp_path / "net.onnx", height=64)
    with pytest.raises(UserError, match="holds lite-mono-tiny"):
        litemono.load("lite-mono", weights=tmp_path / "net.onnx")


def test_weights_of_a_refiner_are_named_as_such(tmp_path):
    with pytest.raises(UserError, match="affine refines the depth of another network.*--frozen_depth"):
        litemono.load("affine", weights=tmp_path)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--size", "650x190"], ["--size 650x190", "640x192"]),
        (["--size", "wide"], ["--size wide", "640x192"]),
        (["--opset", "9"], ["--opset 9"]),
        (["--batch", "0"], ["--batch 0"]),
        (["--depth_scale", "-1"], ["--depth_scale"]),
        (["--compat", "tensorrt8"], ["add --input float"]),
        (["--format", "pt2"], ["--output", ".pt2"]),
    ],
)
def test_wrong_flags_are_refused(run, tmp_path, flags, said):
    assert_refused(run(*flags), *said)
    assert snapshot(tmp_path) == set()
