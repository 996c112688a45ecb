"""litemono.load(...).predict(image): any image in, one typed result out."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from conftest import ROOT
from parity_recipes import fill
from PIL import Image
from tiny_kitti import snapshot, write_weights

import litemono
import networks
from litemono.utils.errors import UserError
from networks import weights

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(scope="module")
def network(tiny):
    return litemono.load("lite-mono-tiny", weights=tiny, device="cpu")


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    """90x50 pixels of soft colours."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("photo") / "street.png"
    Image.fromarray(coarse).resize((90, 50), Image.Resampling.BICUBIC).save(path)
    return path


def pixels(photo: Path) -> np.ndarray:
    return np.asarray(Image.open(photo))


def tensor(photo: Path) -> torch.Tensor:
    return torch.from_numpy(pixels(photo).copy()).permute(2, 0, 1)


FORMS = {
    "path": lambda photo: photo,
    "text": str,
    "PIL": Image.open,
    "PIL, transparent": lambda photo: Image.open(photo).convert("RGBA"),
    "bytes": pixels,
    "floats": lambda photo: pixels(photo) / 255,
    "not contiguous": lambda photo: np.asfortranarray(pixels(photo)),
    "with alpha": lambda photo: np.asarray(Image.open(photo).convert("RGBA")),
    "tensor of bytes": tensor,
    "tensor": lambda photo: tensor(photo) / 255,
    "tensor that needs a gradient": lambda photo: (tensor(photo) / 255).requires_grad_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_has_the_same_depth_in_every_form(network, photo, form):
    expected = network.predict(photo)
    assert expected.disparity.shape == (50, 90) and expected.disparity.dtype == np.float32
    np.testing.assert_array_equal(network.predict(FORMS[form](photo)).disparity, expected.disparity)


def test_several_images_of_any_size_come_back_in_order(network, photo):
    image = Image.open(photo)
    sizes = [(90, 50), (31, 47), (640, 192), (1, 1)]
    results = network.predict([image.resize(size) for size in sizes], batch_size=3)
    assert [result.picture.size for result in results] == sizes
    for size, result in zip(sizes, results, strict=True):
        alone = network.predict(image.resize(size))
        np.testing.assert_allclose(result.disparity, alone.disparity, rtol=1e-5)  # a batch may sum in another order


@pytest.mark.parametrize(
    "several", [lambda p: np.stack([p, p]), lambda p: torch.from_numpy(np.stack([p, p])).permute(0, 3, 1, 2)]
)
def test_an_array_of_four_dimensions_is_several_images(network, photo, several):
    first, second = network.predict(several(pixels(photo)))
    np.testing.assert_array_equal(first.disparity, network.predict([photo, photo])[1].disparity)
    np.testing.assert_array_equal(first.disparity, second.disparity)
    assert network.predict([]) == []


def test_grey_is_a_colour(network, photo):
    grey = Image.open(photo).convert("L")
    expected = network.predict(grey.convert("RGB")).disparity
    np.testing.assert_array_equal(network.predict(np.asarray(grey)).disparity, expected)
    np.testing.assert_array_equal(network.predict(torch.from_numpy(np.array(grey))[None]).disparity, expected)


def test_it_is_what_the_command_writes(network, tiny, photo, tmp_path, command):
    done = command("litemono.predict", "--load_weights", tiny, "--model", "lite-mono-tiny", "--input", photo,
                   "--output", tmp_path, "--save_npy")  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = network.predict(photo)
    saved = result.save(tmp_path / "mine.jpeg")
    assert saved.read_bytes() == (tmp_path / "street_disp.jpeg").read_bytes()
    at_network_size = torch.from_numpy(np.load(tmp_path / "street_disp.npy"))
    full = torch.nn.functional.interpolate(at_network_size, (50, 90), mode="bilinear")[0, 0]
    np.testing.assert_allclose(result.disparity, full, rtol=1e-4)  # other threads sum in another order


def test_a_result_is_saved_as_picture_or_numbers(network, photo, tmp_path):
    result = network.predict(photo)
    result.save(tmp_path / "new" / "depth.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "new/depth.npy"), result.disparity)
    result.save(str(tmp_path / "depth.PNG"))
    np.testing.assert_array_equal(pixels(tmp_path / "depth.PNG"), np.asarray(result.picture))
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=r"depth.tiff: a depth map is saved as \.png, \.jpg or \.npy"):
        result.save(tmp_path / "depth.tiff")
    with pytest.raises(UserError, match="cannot be written"):
        result.save(tmp_path / "depth.PNG" / "depth.png")
    wide = dataclasses.replace(result, disparity=np.ones((1, 65501), np.float32))
    with pytest.raises(UserError, match="save it as .png"):
        wide.save(tmp_path / "wide.jpg")
    assert snapshot(tmp_path) == before
    assert pixels(wide.save(tmp_path / "wide.png")).shape[:2] == (1, 65501)


def test_predicting_writes_nothing(tiny, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = snapshot(tiny.parent), snapshot(photo.parent)
    litemono.load("lite-mono-tiny", weights=tiny).predict([photo, photo])
    assert (snapshot(tiny.parent), snapshot(photo.parent)) == before and not snapshot(tmp_path)


# ---------------------------------------------------------------- what the numbers mean


def test_training_from_video_gives_depth_up_to_scale(network, photo):
    result = network.predict(photo)
    assert (result.kind, result.depth_range) == ("up-to-scale", (0.1, 100.0))
    np.testing.assert_array_equal(result.depth, 1 / result.disparity)
    assert result.depth.min() >= 0.1 and result.depth.max() <= 100
    brightness = np.asarray(result.picture).sum(2, dtype=int).ravel()
    assert brightness[result.disparity.argmax()] > brightness[result.disparity.argmin()]


def test_training_with_ground_truth_gives_metres(tiny, photo, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in tiny.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    settings = {
        "model": {"model": "lite-mono-tiny"},
        "loss": {"loss": "silog-bts", "min_depth": 1.0, "max_depth": 80.0},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    trained = litemono.load(weights=folder)
    result = trained.predict(photo)
    assert trained.name == "lite-mono-tiny" and (result.kind, result.depth_range) == ("metric", (1.0, 80.0))
    assert 1 <= result.depth.min() <= result.depth.max() <= 80


def test_the_output_of_the_registry_names_what_is_predicted(photo, tmp_path):
    """Every network of the registry is one of these three kinds."""
    assert {networks.registry.get(name).output for name in networks.names()} <= {"disparity", "relative", "metric"}
    net = networks.create("dpt-tiny", height=64, width=96).eval()
    fill(net.encoder)
    fill(net.decoder)
    weights.save_folder(tmp_path / "dpt", net, None)
    relative = litemono.load(weights=tmp_path / "dpt").predict(photo)
    assert (relative.kind, relative.depth_range) == ("relative", None) and relative.disparity.min() >= 0
    with pytest.raises(UserError, match="use its disparity, or fit scale and shift"):
        _ = relative.depth
    assert relative.disparity.shape == (50, 90)
    assert relative.picture.size == (90, 50)


def test_a_network_of_metres_gives_metres(tiny, photo):
    trained = litemono.load("lite-mono-tiny", weights=tiny)
    net = trained._trained.net
    sigmoid = net(torch.zeros(1, 3, 32, 64))[0]
    net.spec = dataclasses.replace(net.spec, output="metric")
    result = trained.predict(np.zeros((32, 64, 3), np.uint8))
    assert (result.kind, result.depth_range) == ("metric", None)
    np.testing.assert_allclose(result.depth, sigmoid[0, 0].detach(), rtol=1e-5)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("no_such.png", "no_such.png: there is no such file"),
        (ROOT, "give a list of its files"),
        (ROOT / "README.md", "README.md: not a complete image"),
        (None, "this is a NoneType"),
        (np.zeros((3, 32, 64), np.uint8), r"shape \(3, 32, 64\) is no image: an array is \(H, W\)"),
        (np.zeros((0, 5, 3), np.uint8), "is no image"),
        (np.zeros((4, 4, 3), np.int64), "pixels of type int64"),
        (np.full((4, 4, 3), 255.0), "pixels from 255 to 255: floating-point pixels lie in"),
        (np.full((4, 4, 3), np.nan), "pixels from nan"),
        (torch.zeros(32, 64, 3), r"a tensor is \(3, H, W\)"),
        (torch.zeros(1, 1, 3, 32, 64), r"a tensor is \(3, H, W\)"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(network, image, words):
    with pytest.raises(UserError, match=words):
        network.predict(image)


def test_pixels_of_other_types_are_given_as_the_message_says(network):
    numbers = np.arange(32 * 64 * 3, dtype=np.int64).reshape(32, 64, 3) % 256
    with pytest.raises(UserError, match=r"pixels of type int64: give uint8, or floating-point numbers in \[0, 1\]"):
        network.predict(numbers)
    given = network.predict(numbers.astype(np.uint8)).disparity
    np.testing.assert_array_equal(network.predict(numbers / 255).disparity, given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weights": "nowhere"}, "^weights=nowhere: there is no such folder"),
        ({"model": "lite-mono"}, "model=lite-mono-tiny"),
        ({"model": "lite-mono-huge"}, "there is no depth network 'lite-mono-huge'"),
        ({"height": 16}, "at least 32"),
        ({"device": "tpu"}, "device='tpu'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_argument_to_change(tiny, arguments, words):
    with pytest.raises(UserError, match=words):
        litemono.load(**{"model": "lite-mono-tiny", "weights": tiny, **arguments})


def test_a_batch_of_nothing_is_refused(network, photo):
    with pytest.raises(UserError, match="batch_size is 0"):
        network.predict(photo, batch_size=0)


def test_weights_of_a_diverged_training_are_refused(tiny, photo, tmp_path):
    diverged = litemono.load("lite-mono-tiny", weights=tiny)
    for tensor in diverged._trained.net.parameters():
        tensor.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        diverged.predict(photo)


def test_importing_the_package_needs_no_torch():
    code = "import sys, litemono; assert 'torch' not in sys.modules; litemono.load; assert 'torch' in sys.modules"
    done = processes.run([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = litemono.lode
