"""`pack` of single pictures (NYU, ReDWeb, pairs): the same numbers as in the files, from folders and zips; verify and doctor."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from depth_data import save_png, write_nyu, write_pairs, write_redweb
from packing_helpers import assert_fails, run_prepare
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from litemono.data.datasets import registry
from litemono.data.depth_data import open_depth_data
from litemono.data.depth_settings import DepthDataConfig, check_depth_data
from litemono.data.packing import picture_pack
from litemono.data.stores.folder import open_originals, open_store
from litemono.diagnosis.data import check_unsplit
from litemono.utils.errors import UserError

WRITE = {"nyu": write_nyu, "redweb": write_redweb, "pairs": lambda root: with_masks(write_pairs(root, suffix=".npy"))}
SIZE = (32, 48)


def with_masks(root: Path) -> Path:
    """Every third picture has a mask of its left half."""
    for path in sorted(root.glob("images/*.jpg"))[::3]:
        save_png(root / f"masks/{path.stem}.png", np.tile(np.arange(64) < 32, (40, 1)) * 255, bits=8)
    return root


@pytest.fixture(params=WRITE)
def name(request) -> str:
    return request.param


@pytest.fixture
def data(name, tmp_path) -> Path:
    return WRITE[name](tmp_path / "data")


def pack(capfd, name: str, source: Path, output: Path, *more: object):
    return run_prepare(capfd, "pack", "--dataset", name, "--from", source, "--output", output, "--size", "48x32", *more)


def verify(capfd, name: str, data: Path, *more: object):
    return run_prepare(capfd, "verify", "--dataset", name, "--data_path", data, *more)


def batches(name: str, root: Path, **flags):
    target = "inverse" if name == "redweb" or flags.get("depth_is") else "metres"
    config = DepthDataConfig(dataset=name, data_path=root, **flags)
    check_depth_data(config)
    for which in ("train", "val"):
        samples = open_depth_data(config, which, target, SIZE, seed=0)
        yield samples.lines, samples.batch([(0, n) for n in range(len(samples))])


def assert_the_same(name: str, one: Path, other: Path, **flags) -> None:
    for (lines, a), (other_lines, b) in zip(batches(name, one, **flags), batches(name, other, **flags), strict=True):
        assert lines == other_lines
        assert all(x.equal(y) for x, y in zip(a, b, strict=True)), "image, depth, and depth at its original size"


def test_a_pack_gives_the_numbers_of_the_folder(name, data, tmp_path, capfd):
    done = pack(capfd, name, data, tmp_path / "pack")
    assert done.returncode == 0, done.stderr
    assert f"finetune --dataset {name} --data_path" in done.stdout
    assert_the_same(name, data, tmp_path / "pack")
    done = verify(capfd, name, tmp_path / "pack")
    assert done.returncode == 0 and "all are there and whole" in done.stdout
    assert ("4 a mask" in done.stdout) == (name == "pairs")
    folder, packed = (open_originals(name, root, False) for root in (data, tmp_path / "pack"))
    for key in packed.index.frames():
        assert packed.stem(*key, "l") == folder.stem(*key, "l"), "by which maps of other programs are found"
    found = check_unsplit(registry.get(name), tmp_path / "pack", None)
    assert found.good and "packed images" in found.text


@pytest.mark.parametrize("several", [True, False])
def test_zips_give_the_same_pack(name, data, tmp_path, capfd, several):
    """One zip with a folder around everything, or a zip for each folder, as they are downloaded."""
    zips, top = tmp_path / "zips", "sync" if name == "nyu" else "downloaded/v1"
    zips.mkdir()
    for path in sorted(data.rglob("*.*")):
        inside = path.relative_to(data)
        with zipfile.ZipFile(zips / f"{inside.parts[0] if several else 'all'}.zip", "a") as archive:
            archive.write(path, inside if several else f"{top}/{inside}")
    source = zips if several else zips / "all.zip"
    for place, output in ((source, tmp_path / "a"), (data, tmp_path / "b")):
        done = pack(capfd, name, place, output)
        assert done.returncode == 0, done.stderr
    files = [
        path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*") if path.suffix in (".bin", ".json")
    ]
    assert len(files) > 2
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_the_mask_decides_where_depth_counts(tmp_path, capfd):
    data = with_masks(write_pairs(tmp_path / "data", suffix=".npy"))
    (lines, batch), _ = batches("pairs", data, fit="native")
    whole = np.load(data / f"depth/pic_{lines[0].frame}.npy")
    first = batch.target[0].numpy()
    np.testing.assert_array_equal(first[:, :32], whole[:, :32])
    assert not first[:, 32:].any() and whole[:, 32:].any()
    save_png(data / "masks/pic_0.png", np.ones((20, 20)), bits=8)
    assert_fails(pack(capfd, "pairs", data, tmp_path / "pack"), "masks/pic_0.png: 20x20 pixels", "its image has 64x40")
    with pytest.raises(UserError, match=r"masks/pic_0.png: 20x20 pixels, its depth has 64x40"):
        list(batches("pairs", data, fit="native"))


def state_factor(paths: Sequence[Path], factor: int) -> None:
    """As `predict --depth_png` does."""
    note = PngInfo()
    note.add_text("depth_factor", str(factor))
    for path in paths:
        with Image.open(path) as image:
            image.load()
        image.save(path, pnginfo=note)


def test_the_factor_that_depth_states_is_compared_after_packing_too(tmp_path, capfd):
    depth = sorted((write_pairs(tmp_path / "data") / "depth").iterdir())
    state_factor(depth[:2], 500)
    done = pack(capfd, "pairs", tmp_path / "data", tmp_path / "pack")
    assert_fails(done, "its note says the factor None, that of others beside it says 500; write all with one factor")
    state_factor(depth, 1000)
    assert pack(capfd, "pairs", tmp_path / "data", tmp_path / "pack").returncode == 0
    for root in ("data", "pack"):
        with pytest.raises(UserError, match="says that its factor is 1000; give --depth_factor 1000"):
            list(batches("pairs", tmp_path / root))
        assert list(batches("pairs", tmp_path / root, depth_factor=(1000.0,)))


def test_a_killed_run_continues_with_the_folders_that_are_missing(tmp_path, capfd, monkeypatch):
    data, output = write_nyu(tmp_path / "data"), tmp_path / "pack"
    with monkeypatch.context() as patch:
        whole = picture_pack._pack_folder

        def killed(root, dataset, folder, *rest):
            if folder != "bathroom_0001":
                raise KeyboardInterrupt
            return whole(root, dataset, folder, *rest)

        patch.setattr(picture_pack, "_pack_folder", killed)
        assert pack(capfd, "nyu", data, output).returncode == 130
    assert list(json.loads((output / "pictures.json").read_text())["folders"]) == ["bathroom_0001"]
    before = (output / "bathroom_0001/images.bin").stat().st_mtime_ns
    assert pack(capfd, "nyu", data, output).returncode == 0
    assert (output / "bathroom_0001/images.bin").stat().st_mtime_ns == before
    assert_the_same("nyu", data, output)
    assert_fails(pack(capfd, "nyu", data, output, "--size", "96x32"), "holds pictures of --dataset nyu at --size 48x32")


def test_damage_is_found_and_packed_again(tmp_path, capfd):
    data, output = write_redweb(tmp_path / "data"), tmp_path / "pack"
    assert pack(capfd, "redweb", data, output).returncode == 0
    file = output / "depth.bin"
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    done = verify(capfd, "redweb", output)
    assert done.returncode == 1 and "depth.bin: frame 0 is damaged; delete this file and pack again" in done.stdout
    file.unlink()
    with pytest.raises(UserError, match="the pack is damaged"):
        list(batches("redweb", output))
    assert pack(capfd, "redweb", data, output).returncode == 0
    assert_the_same("redweb", data, output)


def test_depth_of_8_bits_is_relative_or_refused(tmp_path, capfd):
    data = write_pairs(tmp_path / "data")
    for path in data.glob("depth/*.png"):
        save_png(path, np.random.default_rng(0).integers(1, 256, (40, 64)), bits=8)
    assert pack(capfd, "pairs", data, tmp_path / "pack").returncode == 0
    assert_the_same("pairs", data, tmp_path / "pack", depth_is=("relative",))
    for root in (data, tmp_path / "pack"):
        with pytest.raises(UserError, match="has 8 bits, and metres need 16; .*--depth_is relative"):
            list(batches("pairs", root))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "RDs/scene3.png").write_bytes(b"no picture"), ("scene3.png", "not a complete image")),
        (lambda root: save_png(root / "RDs/scene3.png", np.ones((9, 9)), bits=8), ("scene3.png: 9x9 pixels",)),
        (lambda root: shutil.rmtree(root / "RDs"), ("has no folder RDs",)),
        (
            lambda root: [path.rename(path.with_name(f"x{path.name}")) for path in root.glob("RDs/*")],
            ("none of 10 pictures has depth", "ReDWeb_V1"),
        ),
    ],
)
def test_what_cannot_be_packed_is_refused_in_one_sentence(tmp_path, capfd, damage, words):
    data = write_redweb(tmp_path / "data")
    damage(data)
    assert_fails(pack(capfd, "redweb", data, tmp_path / "pack"), *words)
    assert not list(tmp_path.glob("pack/*.bin")), "nothing half-written"


def test_a_split_chooses_and_names_what_is_not_there(tmp_path, capfd):
    data, split = write_nyu(tmp_path / "data"), tmp_path / "split"
    split.mkdir()
    (split / "train_files.txt").write_text("kitchen_0028b 5 l\nkitchen_0028b 45 l\nbathroom_0001 1 l\n")
    assert pack(capfd, "nyu", data, tmp_path / "pack", "--split", split).returncode == 0
    assert verify(capfd, "nyu", tmp_path / "pack", "--split", split).returncode == 0
    with (split / "train_files.txt").open("a") as file:
        file.write("kitchen_0028b 7 l\n")
    assert_fails(pack(capfd, "nyu", data, tmp_path / "other", "--split", split), "1 of 4 pictures", "--skip_missing")
    assert pack(capfd, "nyu", data, tmp_path / "other", "--split", split, "--skip_missing").returncode == 0
    done = verify(capfd, "nyu", tmp_path / "other", "--split", split)
    assert done.returncode == 1 and "frame 7 l is not packed" in done.stdout
    store = open_store("nyu", tmp_path / "other", False, *SIZE)
    with pytest.raises(UserError, match="frame 1 l is not packed in .*; pack it into the same folder"):
        store.read("kitchen_0028b", 1, "l")
    assert pack(capfd, "nyu", data, tmp_path / "other").returncode == 0
    assert open_store("nyu", tmp_path / "other", False, *SIZE).read("kitchen_0028b", 1, "l").shape == (*SIZE, 3)
