"""Depth pictures, as users make them."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import matplotlib.cm
import matplotlib.colors
import numpy as np
import pytest
import torch
from parity_recipes import fill
from PIL import Image, ImageOps
from tiny_kitti import assert_refused, invoke, snapshot, write_weights

import networks
from litemono.data.stores import images
from litemono.predict import main
from litemono.trained_depth import at_image_size
from litemono.utils.colormap import magma
from networks import weights


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture
def run(capsys, tiny):
    return lambda *args: invoke(main, capsys, "--load_weights", tiny, "--model", "lite-mono-tiny", *args)


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (90, 50)) -> Path:
    """Soft random colours; size: width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def expected_disparity(tiny):
    """path -> (1, 1, 32, 64), computed step by step."""
    net = weights.load_depth(tiny, "lite-mono-tiny").eval()

    def compute(path: Path) -> torch.Tensor:
        image = np.array(Image.open(path).convert("RGB").resize((64, 32), Image.LANCZOS))
        with torch.no_grad():
            return 0.01 + 9.99 * net(torch.tensor(image).permute(2, 0, 1)[None] / 255)[0]

    return compute


def test_one_image_becomes_one_depth_picture(tiny, tmp_path, command, expected_disparity):
    photo = picture(tmp_path / "my street.png")
    out = tmp_path / "new" / "depth"
    args = ["--load_weights", tiny, "--model", "lite-mono-tiny", "--input", photo, "--output", out, "--save_npy"]
    done = command("litemono.predict", *args)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "1 depth picture in" in done.stdout
    assert snapshot(out) == {"my street_disp.jpeg", "my street_disp.npy"}
    disparity = np.load(out / "my street_disp.npy")
    assert disparity.shape == (1, 1, 32, 64) and disparity.dtype == np.float32
    np.testing.assert_allclose(disparity, expected_disparity(photo), rtol=1e-5)  # float32 network
    with Image.open(out / "my street_disp.jpeg") as image:
        assert image.format == "JPEG" and image.size == (90, 50)


def test_colours_are_the_published_ones():
    disparity = torch.from_numpy(np.random.default_rng(0).uniform(0.01, 10, (12, 20)).astype(np.float32))
    full = torch.nn.functional.interpolate(disparity[None, None], (37, 61), mode="bilinear", align_corners=False)[0, 0]
    norm = matplotlib.colors.Normalize(vmin=full.min().item(), vmax=np.percentile(full.numpy(), 95))
    mapped = matplotlib.cm.ScalarMappable(norm=norm, cmap="magma").to_rgba(full.numpy())[:, :, :3]
    difference = magma(at_image_size(disparity, 37, 61)).astype(int) - (mapped * 255).astype(np.uint8)
    assert np.abs(difference).max() <= 1  # rounding of the colour table
    flat = magma(at_image_size(torch.ones(4, 4), 8, 8))
    assert (flat == flat[0, 0]).all()


def test_a_folder_is_done_in_batches_and_earlier_results_are_left_alone(run, tmp_path, expected_disparity):
    names = ["a.jpg", "b.JPEG", "c10.png", "c9.png", "d.bmp"]
    for seed, name in enumerate(names):
        picture(tmp_path / "in" / name, seed, size=(60 + seed, 40 - seed))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / ".hidden.png").write_text("no image")
    (tmp_path / "in" / "deeper").mkdir()
    outcome = run("--input", tmp_path / "in", "--batch_size", 2, "--save_npy")
    assert outcome.code == 0, outcome
    assert "5 depth pictures" in outcome.out
    made = {f"{Path(name).stem}_disp.{kind}" for name in names for kind in ("jpeg", "npy")}
    assert snapshot(tmp_path / "in") == made | {*names, "notes.txt", ".hidden.png", "deeper"}
    for seed, name in enumerate(names):
        stem = tmp_path / "in" / f"{Path(name).stem}_disp"
        assert Image.open(f"{stem}.jpeg").size == (60 + seed, 40 - seed)
        # a batch of two may sum in another order than one image
        np.testing.assert_allclose(np.load(f"{stem}.npy"), expected_disparity(tmp_path / "in" / name), rtol=1e-5)
    before = snapshot(tmp_path / "in")
    assert "5 depth pictures" in run("--input", tmp_path / "in").out
    assert snapshot(tmp_path / "in") == before


def test_two_images_never_share_a_result(run, tmp_path):
    picture(tmp_path / "in" / "a.jpg")
    picture(tmp_path / "in" / "a.png", seed=1)
    out = tmp_path / "out"
    assert_refused(run("--input", tmp_path / "in", "--output", out), "a.jpg", "a.png", "--ext png")
    assert not out.exists()
    assert run("--input", tmp_path / "in", "--output", out, "--ext", "png").code == 0
    assert snapshot(out) == {"a_disp.jpeg"}


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colour_modes_are_seen_as_rgb(run, tmp_path, mode):
    photo = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.open(picture(tmp_path / "rgb.png")).convert(mode).save(photo)
    assert run("--input", photo, "--output", tmp_path / "out").code == 0
    assert snapshot(tmp_path / "out") == {"a_disp.jpeg"}


def test_photographs_are_seen_upright(run, tmp_path):
    photo = picture(tmp_path / "phone.jpg")
    upright = Image.open(photo)
    exif = upright.getexif()
    exif[0x0112] = 6  # taken with the camera turned by 90 degrees
    upright.save(tmp_path / "turned.jpg", exif=exif)
    assert run("--input", tmp_path / "turned.jpg").code == 0
    assert Image.open(tmp_path / "turned_disp.jpeg").size == (50, 90)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_pillows(orientation):
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    image.getexif()[0x0112] = orientation
    assert np.array_equal(images.to_rgb(image), ImageOps.exif_transpose(image))


def test_a_photograph_with_an_odd_note_is_seen_upright_too(run, tmp_path):
    photo = Image.open(picture(tmp_path / "phone.jpg"))
    tags = ((0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x011A, 2, 4, b"72\0\0"))  # the resolution in letters
    note = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHI", *t[:3]) + t[3] for t in tags)
    photo.save(tmp_path / "odd.jpg", exif=b"Exif\0\0" + note + bytes(4))
    with pytest.raises(TypeError):
        ImageOps.exif_transpose(Image.open(tmp_path / "odd.jpg"))
    assert run("--input", tmp_path / "odd.jpg").code == 0
    assert Image.open(tmp_path / "odd_disp.jpeg").size == (50, 90)


def test_a_run_folder_tells_the_model(capsys, tiny, tmp_path):
    folder = write_weights(tmp_path / "run" / "models" / "weights_0")
    settings = {"model": {"model": "lite-mono-tiny"}, "loss": {}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(settings))
    photo = picture(tmp_path / "a.png")
    assert invoke(main, capsys, "--load_weights", folder, "--input", photo).code == 0
    assert_refused(invoke(main, capsys, "--load_weights", tiny, "--input", photo), "--model lite-mono-tiny")


def test_sixteen_bits_of_grey_are_seen_as_eight(run, tmp_path):
    grey = np.array(Image.open(picture(tmp_path / "colour.png")).convert("L"))
    Image.fromarray(grey).save(tmp_path / "eight.png")
    Image.fromarray(grey.astype(np.uint16) * 256 + 77).save(tmp_path / "sixteen.png")
    for name in ("eight", "sixteen"):
        assert run("--input", tmp_path / f"{name}.png", "--save_npy").code == 0
    assert np.array_equal(np.load(tmp_path / "eight_disp.npy"), np.load(tmp_path / "sixteen_disp.npy"))


@pytest.mark.parametrize("through", ["link", "copy"])
def test_weights_keep_their_settings_wherever_they_lie(capsys, tiny, tmp_path, through):
    folder = write_weights(tmp_path / "run" / "models" / "weights_0")
    settings = {"model": {"model": "lite-mono-tiny"}, "loss": {"min_depth": 1.0, "max_depth": 20.0}}
    place = folder if through == "copy" else tmp_path / "run"
    (place / "config.json").write_text(json.dumps(settings))
    photo, other = picture(tmp_path / "a.png"), tmp_path / "elsewhere"
    shutil.copytree(folder, other) if through == "copy" else other.symlink_to(folder)
    assert invoke(main, capsys, "--load_weights", other, "--input", photo, "--save_npy").code == 0
    assert np.load(tmp_path / "a_disp.npy").min() >= 1 / 20 and np.load(tmp_path / "a_disp.npy").max() <= 1


def test_depth_as_a_png_of_16_bits_says_its_factor(run, tmp_path):
    picture(tmp_path / "in" / "a.png")
    outcome = run("--input", tmp_path / "in", "--depth_png", "--depth_factor", 500, "--save_npy")
    assert outcome.code == 0 and "NAME_depth.png: 16 bits, depth in the network's unknown unit times 500" in outcome.out
    with Image.open(tmp_path / "in" / "a_depth.png") as image:
        assert image.mode.startswith("I;16") and image.text == {"depth_factor": "500"}
        numbers = np.asarray(image).astype(int)
    disparity = at_image_size(torch.from_numpy(np.load(tmp_path / "in" / "a_disp.npy"))[0, 0], 50, 90)
    assert np.abs(numbers - np.clip(500 / disparity, 1, 65535)).max() <= 0.51  # rounded to whole numbers
    assert "1 depth picture in" in run("--input", tmp_path / "in").out  # a_depth.png is no image to predict from
    assert_refused(run("--input", tmp_path / "in", "--depth_png", "--depth_factor", 0), "--depth_factor 0")


# ---------------------------------------------------------------- bad input


def test_weights_that_predict_nothing_and_images_beyond_a_picture_are_refused(run, capsys, tmp_path):
    photo = picture(tmp_path / "a.png")
    nan = write_weights(tmp_path / "nan")
    content = torch.load(nan / "depth.pth", weights_only=True)
    torch.save({name: torch.full_like(value, float("nan")) for name, value in content.items()}, nan / "depth.pth")
    flags = ("--model", "lite-mono-tiny", "--input", photo)
    assert_refused(invoke(main, capsys, "--load_weights", nan, *flags), "not finite")
    Image.new("RGB", (70000, 2)).save(tmp_path / "wide.png")
    assert_refused(run("--input", tmp_path / "wide.png"), "wide.png: 70000x2 pixels", "65500")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tiff")
    assert_refused(run("--input", tmp_path / "float.tiff"), "floating-point numbers", "8 bits")
    assert_refused(run("--input", photo, "--load_weights", nan / "encoder.pth"), "is a file, not the folder")
    assert not list(tmp_path.glob("*_disp*"))


def test_a_prediction_comes_back_at_the_size_asked_for(run, tmp_path):
    photo = picture(tmp_path / "a.png", size=(130, 61))
    out = tmp_path / "out"
    assert run("--input", photo, "--height", 45, "--width", 99, "--save_npy", "--output", out).code == 0
    disparity = np.load(out / "a_disp.npy")
    assert disparity.shape == (1, 1, 45, 99) and np.isfinite(disparity).all()
    assert Image.open(out / "a_disp.jpeg").size == (130, 61)


def test_wrong_flags_are_refused_and_leave_nothing_behind(run, tmp_path):
    photo = picture(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    before = snapshot(tmp_path)
    out = ["--output", tmp_path / "out"]
    assert_refused(run("--input", tmp_path / "nowhere", *out), "--input", "nowhere")
    assert_refused(run("--input", tmp_path / "empty", *out), "no images", ".jpg")
    assert_refused(run("--input", tmp_path, "--ext", "jpg", *out), "no images", "(.jpg)")
    assert_refused(run("--input", photo, "--model", "lite-mono", *out), "--model lite-mono-tiny")
    assert_refused(run("--input", photo, "--load_weights", tmp_path / "empty", *out), "encoder.pth")
    assert_refused(run("--input", photo, "--width", 16, *out), "at least 32")
    assert_refused(run("--input", photo, "--width", 99968, "--height", 99968, *out), "more than 16 million pixels")
    assert_refused(run("--input", photo, "--batch_size", 0, *out), "--batch_size 0")
    assert_refused(run("--input", photo, "--depth_factor", 1000, *out), "--depth_factor: belongs to --depth_png")
    assert_refused(run("--input", photo, "--frozen_factor", 1000, *out), "--frozen_factor: belongs to --frozen_depth")
    assert_refused(run("--input", photo, "--fps", 5, *out), "--fps: is for a film that is made of images")
    assert_refused(run("--input", photo, "--output", photo), "a.png", "cannot be written")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"not an image at all", None])
def test_unreadable_images_of_a_folder_are_passed_over_and_named(run, tmp_path, content):
    for seed, name in enumerate(["a.png", "b.png", "c.png"]):
        picture(tmp_path / "in" / name, seed)
    bad = tmp_path / "in" / "b.png"
    bad.write_bytes(bad.read_bytes()[:300] if content is None else content)
    outcome = run("--input", tmp_path / "in", "--output", tmp_path / "out", "--batch_size", 1)
    assert outcome.code == 2 and "2 depth pictures in" in outcome.out
    assert "1 of 3 images" in outcome.err and f"{bad}: not a complete image" in outcome.err
    assert snapshot(tmp_path / "out") == {"a_disp.jpeg", "c_disp.jpeg"}


def test_a_folder_without_one_readable_image_leaves_nothing(run, tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / "in" / name).write_bytes(b"not an image at all")
    outcome = run("--input", tmp_path / "in", "--output", tmp_path / "out")
    assert outcome.code == 2 and outcome.out == "" and "2 of 2 images" in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_ends_the_command_with_one_sentence(tiny, tmp_path, command):
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    args = ["--load_weights", tiny, "--model", "lite-mono-tiny", "--input", tmp_path / "x.jpg"]
    done = command("litemono.predict", *args)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "x.jpg" in done.stderr
    assert snapshot(tmp_path) == {"x.jpg"}


def test_a_place_that_may_not_be_looked_at_ends_the_command_with_one_sentence(run, tmp_path, monkeypatch):
    """As below somebody else's folder, where Path.is_file raises before Python 3.14."""

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.is_file", forbidden)
    assert_refused(run("--input", tmp_path / "a.png"), "Permission denied", str(tmp_path))


def test_a_published_file_of_a_network_of_relative_depth_is_recognised(capsys, tmp_path):
    """Its inverse depth is at least 0 and has no unit, so it is not brought to a range of depths."""
    net = networks.create("dpt-tiny", height=64, width=96).eval()
    fill(net.encoder)
    fill(net.decoder)
    torch.save(net.published.state_dict(), tmp_path / "dpt_tiny-midas.pt")
    photo = picture(tmp_path / "a.png", size=(96, 64))
    flags = ("--load_weights", tmp_path / "dpt_tiny-midas.pt", "--input", photo, "--save_npy")
    assert_refused(invoke(main, capsys, *flags), "does not say its input size; give --height and --width")
    size = ("--height", 64, "--width", 96)
    assert_refused(invoke(main, capsys, *flags, *size, "--depth_png"), "--depth_png", "relative inverse depth")
    assert invoke(main, capsys, *flags, *size).code == 0
    image = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        relative = net(image)[0].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "a_disp.npy"), relative, atol=1e-4)
    assert invoke(main, capsys, *flags, *size, "--depth_png", "--metric_head", "0.5,0.05").code == 0
    metres = 1 / (0.5 * relative[0, 0] + 0.05)
    np.testing.assert_allclose(np.asarray(Image.open(tmp_path / "a_depth.png")) / 256, metres, atol=0.01)
    assert_refused(invoke(main, capsys, *flags, "--metric_head", "metres"), "--metric_head metres", "kitti or nyu")
