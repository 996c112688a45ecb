"""litemono export --images, --split and --precision: real frames, their ground truth, and what fewer bits cost."""

from __future__ import annotations

import re
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot, write_weights, write_world

import evaluate.__main__
import litemono
from export_gt.__main__ import ExportConfig
from export_gt.__main__ import export as export_gt
from litemono.export import main


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Weights; two frames with ground truth; a folder of images."""
    root = tmp_path_factory.mktemp("export")
    split = write_world(root, [0, 1])
    export_gt(ExportConfig(data_path=root, split=str(split)))
    write_weights(root / "weights")
    (root / "images").mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (24, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 48)).save(root / "images" / f"{index}.jpg")
    return root


@pytest.fixture
def run(ready, tmp_path, capsys):
    def exported(*flags):
        weights = ("--load_weights", ready / "weights", "--model", "lite-mono-tiny", "--output", tmp_path / "net.onnx")
        return invoke(main, capsys, *weights, *flags)

    return exported


def abs_rels(text: str) -> list[float]:
    """Of the network and of the file, as printed."""
    found = re.search(r"abs_rel ([\d.]+) -> ([\d.]+)", text)
    assert found, text
    return [float(number) for number in found.groups()]


def test_the_printed_errors_are_those_of_evaluate(run, ready, tmp_path, capsys):
    flags = ("--data_path", ready, "--split", ready / "split")
    outcome = run(*flags)
    assert outcome.code == 0 and "2 real frames" in outcome.out, outcome
    output = ("--output", tmp_path / "net.json")
    judged = invoke(evaluate.__main__.main, capsys, "--load_weights", tmp_path / "net.onnx", *flags, *output)
    assert judged.code == 0, judged
    expected = re.search(r'"abs_rel": ([\d.]+)', (tmp_path / "net.json").read_text())
    assert expected and abs_rels(outcome.out) == pytest.approx([float(expected[1])] * 2, abs=1e-4)


@pytest.mark.parametrize("input", ["uint8", "float"])
def test_int8_takes_its_ranges_from_real_frames(run, ready, tmp_path, input):
    frames = ("--images", ready / "images", "--data_path", ready, "--split", ready / "split")
    outcome = run("--precision", "int8", "--input", input, "--max_loss", 1, *frames)
    assert outcome.code == 0, outcome
    model = onnx.load(tmp_path / "net.onnx")
    kinds = [node.op_type for node in model.graph.node]
    quantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions and all(quantised.issuperset(node.input[:2]) for node in convolutions)
    assert kinds.count("QuantizeLinear") > 10
    assert "Gelu" in kinds and "Erf" not in kinds  # in parts ONNX Runtime would compute it part by part
    file = litemono.load(weights=tmp_path / "net.onnx").predict(ready / "images" / "0.jpg").disparity
    net = litemono.load("lite-mono-tiny", weights=ready / "weights").predict(ready / "images" / "0.jpg").disparity
    assert 0 < np.abs(file - net).mean() < 0.05 * net.mean()  # 8 bits; the weights are random
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["litemono.precision"] == "int8"


def test_fp16_keeps_its_input_and_output(run, ready, tmp_path):
    outcome = run("--precision", "fp16", "--images", ready / "images")
    assert outcome.code == 0, outcome
    model = onnx.load(tmp_path / "net.onnx")
    weights = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
    assert weights == {onnx.TensorProto.FLOAT16}
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    file = litemono.load(weights=tmp_path / "net.onnx").predict(ready / "images" / "0.jpg").disparity
    net = litemono.load("lite-mono-tiny", weights=ready / "weights").predict(ready / "images" / "0.jpg").disparity
    assert file == pytest.approx(net, rel=0.01)  # 11 bits, through 60 layers


def test_a_loss_above_the_limit_is_refused(run, ready, tmp_path):
    refused = run("--precision", "int8", "--images", ready / "images", "--max_loss", 1e-6)
    assert_refused(refused, "--precision int8", "allowed: 0.0001 %", "--max_loss")
    assert snapshot(tmp_path) == set()


def test_wrong_flags_and_missing_frames_are_refused(run, ready, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copy(ready / "gt_depths_split.npz", tmp_path / "damaged.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "damaged.npz").read_bytes()[:-100])
    split = ("--data_path", ready, "--split", ready / "split")
    for flags, *said in (
        (("--precision", "int8"), "add --images FOLDER"),
        (("--precision", "fp16", "--format", "pt2"), "--precision fp16 is for --format onnx"),
        (("--max_loss", "-1"), "--max_loss -1"),
        (("--images", tmp_path / "nothing"), "--images", "no such folder"),
        (("--images", tmp_path / "empty"), "--images", "no images"),
        (("--split", "nothing"), "--split nothing"),
        (("--data_path", tmp_path / "empty", "--split", ready / "split"), "test images are missing", "--data_path"),
        ((*split, "--gt_path", tmp_path / "nothing.npz"), "nothing.npz", "python -m export_gt"),
        ((*split, "--gt_path", tmp_path / "damaged.npz"), "damaged.npz", "not a ground-truth file"),
    ):
        assert_refused(run(*flags), *said)
    assert not (tmp_path / "net.onnx").exists()
