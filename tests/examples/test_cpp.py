"""examples/cpp: built with this machine's compiler, and compared with `litemono predict` on the same files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from conftest import ROOT
from PIL import Image
from tiny_kitti import Outcome, assert_refused, invoke, snapshot, write_weights

import litemono
from litemono.export import main as export

SDK = os.environ.get("LITEMONO_ONNXRUNTIME")
"""ONNX Runtime's headers and library, if they are not installed; CI sets it, and then nothing here is skipped."""
PROGRAMS = ("depth_onnx", "depth_aoti")
TURNED = 6  # EXIF: the camera was held upright


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder with both programs."""
    missing = [tool for tool in ("cmake", "g++") if shutil.which(tool) is None]
    if missing and SDK is None:
        pytest.skip(f"{' and '.join(missing)} not installed (examples/cpp/debian_packages.sh installs them)")
    folder = tmp_path_factory.mktemp("cpp")
    roots = (f"-DONNXRUNTIME_ROOT={SDK or ''}", f"-DTORCH_ROOT={Path(torch.__file__).parent}")
    configured = _run("cmake", "-S", ROOT / "examples/cpp", "-B", folder, *roots)
    absent = re.search(
        r'provided\s+by\s+"(\w+)"|Could NOT find (OpenSSL)|(ONNX Runtime) was not found',
        configured.out + configured.err,
    )
    if absent and SDK is None:
        name = next(filter(None, absent.groups()))
        pytest.skip(f"no {name} for C++ (examples/cpp/debian_packages.sh FOLDER, then LITEMONO_ONNXRUNTIME=FOLDER)")
    assert configured.code == 0, configured
    make = _run("cmake", "--build", folder)
    assert make.code == 0 and "warning" not in make.out + make.err, make
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """weights/, and images/ of several kinds and sizes."""
    root = tmp_path_factory.mktemp("world")
    write_weights(root / "weights")
    (root / "images").mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 40, 3), np.uint8))
    smooth = picture.resize((300, 90), Image.Resampling.BICUBIC)
    smooth.save(root / "images" / "large.jpg", quality=95)
    note = Image.Exif()
    note[0x112] = TURNED
    smooth.transpose(Image.Transpose.ROTATE_90).save(root / "images" / "turned.jpg", exif=note)
    if int(PIL.__version__.split(".")[0]) >= 13:  # earlier releases resize tall images in another order
        smooth.resize((70, 200)).save(root / "images" / "tall.png")
    picture.convert("L").save(root / "images" / "small_grey.png")
    picture.convert("RGBA").resize((64, 32)).save(root / "images" / "alpha.png")
    Image.fromarray(np.linspace(0, 65535, 90 * 70).reshape(70, 90).astype(np.uint16)).save(root / "images" / "deep.png")
    return root


@pytest.fixture
def exported(world, tmp_path, capsys):
    """Exports the weights to tmp_path with these flags; returns the file."""

    def run(*flags: object, name: str = "net.onnx") -> Path:
        path = tmp_path / name
        outcome = invoke(
            export, capsys, "--load_weights", world / "weights", "--model", "lite-mono-tiny", "--output", path, *flags
        )
        assert outcome.code == 0, outcome
        return path

    return run


def _run(*command: object) -> Outcome:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_as_predicted(world: Path, results: Path) -> None:
    """Numbers at the network's size within 1e-4 of the largest; 16-bit depth and colours of the image's size."""
    predictor = litemono.load("lite-mono-tiny", weights=world / "weights")
    for path in sorted((world / "images").iterdir()):
        depth = predictor.predict(path)
        image = litemono.api.as_rgb(path)
        at_network_size = predictor._trained.disparity(predictor._trained.at_network_size(image)[None]).numpy()
        found = np.load(results / f"{path.stem}_disp.npy")
        assert found.shape == (1, 1, 32, 64) and found.dtype == np.float32
        assert np.abs(found[0] - at_network_size).max() < 1e-4 * at_network_size.max(), path.name
        metres = np.asarray(Image.open(results / f"{path.stem}_depth.png")).astype(float) / 256
        assert np.abs(metres - depth.depth).max() <= 0.5 / 256 + 1e-4 * depth.depth.max(), path.name
        colours = np.asarray(Image.open(results / f"{path.stem}_disp.png")).astype(int)
        # OpenCV's magma has other roundings, and a value at the edge of a shade may get the next one.
        assert np.abs(colours - np.asarray(depth.picture)).max() <= 5, path.name


def test_onnx_runtime_from_cpp_computes_what_predict_computes(built, world, exported, tmp_path):
    model = exported()
    flags = ("--input", world / "images", "--output", tmp_path / "results", "--save_npy")
    outcome = _run(built / "depth_onnx", "--model", model, *flags, "--threads", 1, "--repeat", 2)
    assert outcome.code == 0 and outcome.err == "", outcome
    assert re.match(r"(\d) of \1 images; medians: resize \d+\.\d+ ms, network \d+\.\d+ ms, ", outcome.out)
    assert_as_predicted(world, tmp_path / "results")


def test_float_input_and_depth_as_output_give_the_same(built, world, exported, tmp_path):
    model = exported("--input", "float", "--output_kind", "depth", "--batch", 1)
    flags = ("--input", world / "images", "--output", tmp_path / "results", "--save_npy")
    outcome = _run(built / "depth_onnx", "--model", model, *flags)
    assert outcome.code == 0, outcome
    assert_as_predicted(world, tmp_path / "results")


def test_aotinductor_from_cpp_computes_what_predict_computes(built, world, exported, tmp_path):
    model = exported("--format", "aoti", name="net.aoti.pt2")
    flags = ("--input", world / "images", "--output", tmp_path / "results", "--save_npy")
    outcome = _run(built / "depth_aoti", "--model", model, *flags, "--threads", 1)
    assert outcome.code == 0 and outcome.err == "", outcome
    assert_as_predicted(world, tmp_path / "results")
    refused = _run(built / "depth_aoti", "--model", changed(model), *flags)
    assert_refused(refused, "changed.pt2", "changed after its export")


def changed(model: Path) -> Path:
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    path = model.with_name(f"changed{model.suffix}")
    path.write_bytes(content)
    return path


def test_a_model_that_cannot_be_used_is_refused(built, world, exported, tmp_path):
    model, images = exported(), ("--input", world / "images", "--output", tmp_path / "results")
    pairs = exported("--batch", 2, name="pairs.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "text.pt2").write_text("hello")
    for program, file, *said in (
        ("depth_onnx", tmp_path / "nothing.onnx", "there is no such file"),
        ("depth_onnx", tmp_path / "text.onnx", "cannot read it"),
        ("depth_onnx", changed(model), "changed after its export"),
        ("depth_onnx", pairs, "2 images at a time", "without --batch"),
        ("depth_aoti", tmp_path / "nothing.pt2", "there is no such file"),
        ("depth_aoti", tmp_path / "text.pt2", "not written by `litemono export --format aoti`"),
    ):
        assert_refused(_run(built / program, "--model", file, *images), file.name, *said)
    assert not (tmp_path / "results").exists()


def test_broken_images_are_named_and_the_others_computed(built, world, exported, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(world / "images", folder)
    for name in ("large.jpg", "alpha.png"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) * 3 // 4])
    (folder / "empty.png").touch()
    outcome = _run(built / "depth_onnx", "--model", exported(), "--input", folder, "--output", tmp_path / "results")
    assert outcome.code == 2 and len(outcome.err.splitlines()) == 4, outcome
    assert all(f"{name}: not a complete image" in outcome.err for name in ("large.jpg", "alpha.png", "empty.png"))
    assert len(snapshot(tmp_path / "results")) == 2 * (len(snapshot(folder)) - 3)
    alone = _run(built / "depth_onnx", "--model", tmp_path / "net.onnx", "--input", folder / "large.jpg")
    assert_refused(alone, "large.jpg", "not a complete image")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--input", "images"], ["--model and --input are needed"]),
        (["--model", "net.onnx", "--input", "images", "--colour"], ["--colour: no such flag"]),
        (["--model", "net.onnx", "--input", "images", "--threads", "0"], ["--threads 0", "at least 1"]),
        (["--model", "net.onnx", "--input", "images", "more"], ["more: is no flag"]),
    ],
)
def test_wrong_flags_are_refused(built, flags, said):
    for program in PROGRAMS:
        assert_refused(_run(built / program, *flags), *said)


def test_missing_and_empty_folders_are_refused(built, exported, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, said in (("nothing", "no such file or folder"), ("empty", "no images")):
        outcome = _run(built / "depth_onnx", "--model", exported(), "--input", tmp_path / name)
        assert_refused(outcome, f"--input {tmp_path / name}", said)
