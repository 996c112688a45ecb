"""prepare pack --jpeg: the same pack in a fifth of the bytes, with slightly other pixels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from packing_helpers import (
    DRIVE,
    DRIVE_ZIP,
    assert_fails,
    run_prepare,
    small_split,
    wait_for_copy,
    write_split,
    zip_drive,
)

from litemono.data.settings import DataConfig
from litemono.data.stores.folder import open_store
from litemono.diagnosis.data import check_split
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.tasks.monodepth.settings import ModelConfig, TrainConfig
from litemono.train import train
from litemono.utils.errors import UserError

HEIGHT, WIDTH = 32, 64
FRAMES = [*range(3, 10), 15, 16, 17]
FRAME_FILE = f"{DRIVE}/image_02.bin"


@pytest.fixture(scope="module")
def sources(kitti_sample, tmp_path_factory) -> Path:
    """zips/ with a real drive, and split/."""
    folder = tmp_path_factory.mktemp("jpeg")
    zip_drive(kitti_sample, folder / "zips", range(20))
    small_split(folder / "split")
    return folder


@pytest.fixture
def pack(sources, capfd):
    def run(output: Path, *flags: object, split: Path | None = None, zips: Path = sources / "zips"):
        where = ("--split", split or sources / "split", "--output", output, "--size", f"{WIDTH}x{HEIGHT}")
        return run_prepare(capfd, "pack", "--from", zips, *where, *flags)

    return run


@pytest.fixture
def jpeg(pack, tmp_path) -> Path:
    assert pack(tmp_path / "jpeg", "--jpeg", 95).returncode == 0
    return tmp_path / "jpeg"


def frames_of(folder: Path) -> np.ndarray:
    store = open_store("kitti", folder, False, HEIGHT, WIDTH)
    return np.stack([store.read(DRIVE, frame, "l") for frame in FRAMES])


def test_frames_are_nearly_those_of_the_lossless_pack_in_fewer_bytes_and_it_is_said(pack, tmp_path):
    said = pack(tmp_path / "jpeg", "--jpeg", 95).stdout
    assert "JPEGs of quality 95, whose pixels differ from a lossless pack's" in " ".join(said.split())
    assert "JPEG" not in pack(tmp_path / "lossless").stdout
    difference = frames_of(tmp_path / "jpeg").astype(int) - frames_of(tmp_path / "lossless")
    assert 0 < np.abs(difference).mean() < 4, "of 255, at the noise of so small an image"
    sizes = [(tmp_path / name / FRAME_FILE).stat().st_size for name in ("jpeg", "lossless")]
    assert sizes[0] < sizes[1] / 1.5, "large images gain more than these, whose headers count"


def test_frames_are_added_to_a_pack_and_their_zip_goes_when_they_are_read_back(pack, sources, jpeg, tmp_path):
    zips = shutil.copytree(sources / "zips", tmp_path / "zips")
    first = write_split(tmp_path / "first", train=(5,))
    assert pack(tmp_path / "grown", "--jpeg", 95, split=first).returncode == 0
    with open(tmp_path / "grown" / FRAME_FILE, "ab") as file:
        file.write(b"half a frame of a run that was killed")
    assert pack(tmp_path / "grown", "--jpeg", 95, "--delete_zips", zips=zips).returncode == 0
    np.testing.assert_array_equal(frames_of(tmp_path / "grown"), frames_of(jpeg))
    assert not (zips / DRIVE_ZIP).exists()


def test_a_pack_of_another_kind_is_not_continued(pack, jpeg, tmp_path):
    assert_fails(pack(jpeg), "was packed with --jpeg 95, not without --jpeg")
    assert_fails(pack(jpeg, "--jpeg", 90), "was packed with --jpeg 95, not with --jpeg 90")
    for quality in (0, 101):
        assert_fails(pack(tmp_path / "none", "--jpeg", quality), f"--jpeg {quality}: must be from 1 to 100")
    assert not (tmp_path / "none").exists()


def test_verify_and_doctor_look_at_the_stored_bytes(jpeg, sources, capfd):
    verify = ("verify", "--data_path", jpeg, "--split", sources / "split")
    whole = run_prepare(capfd, *verify)
    assert whole.returncode == 0 and "all are there and whole" in whole.stdout and "JPEGs of quality 95" in whole.stdout
    assert check_split("kitti", jpeg, str(sources / "split"), False).good
    content = bytearray((jpeg / FRAME_FILE).read_bytes())
    content[300] ^= 0xFF
    (jpeg / FRAME_FILE).write_bytes(content)
    broken = run_prepare(capfd, *verify)
    assert broken.returncode == 1 and "frame 3 (row 0) is damaged" in broken.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-1], "bytes are there; the pack is damaged"),
        (lambda content: b"nonsense" + content[8:], "image_02.bin: frame 3 is damaged"),
    ],
    ids=["truncated", "no JPEG"],
)
def test_damaged_frames_are_named_and_packed_again_when_their_file_is_deleted(jpeg, pack, damage, said):
    whole = frames_of(jpeg)
    (jpeg / FRAME_FILE).write_bytes(damage((jpeg / FRAME_FILE).read_bytes()))
    with pytest.raises(UserError, match=said):
        frames_of(jpeg)
    (jpeg / FRAME_FILE).unlink()
    assert pack(jpeg, "--jpeg", 95).returncode == 0
    np.testing.assert_array_equal(frames_of(jpeg), whole)


@pytest.mark.parametrize("change", [{"jpeg": None}, {"jpeg": 0}, {"jpeg": "95"}])
def test_an_index_that_contradicts_itself_is_refused(jpeg, change):
    index = json.loads((jpeg / "packed.json").read_text())
    (jpeg / "packed.json").write_text(json.dumps(index | change))
    with pytest.raises(UserError, match="not an index of packed frames"):
        frames_of(jpeg)


def test_a_copy_on_the_nodes_disk_is_the_same(jpeg, tmp_path):
    (tmp_path / "disk").mkdir()
    expected, store = frames_of(jpeg), open_store("kitti", jpeg, False, HEIGHT, WIDTH)
    store.stage(str(tmp_path / "disk"))
    store.read(DRIVE, FRAMES[0], "l")
    wait_for_copy(store)
    copy = next((tmp_path / "disk").rglob("*.bin"))
    assert copy.read_bytes() == (jpeg / FRAME_FILE).read_bytes()
    np.testing.assert_array_equal([store.read(DRIVE, frame, "l") for frame in FRAMES], expected)
    store._staging.close()


def test_a_training_reads_it_and_resumes_but_not_on_a_lossless_pack_in_its_place(pack, jpeg, sources, tmp_path, capfd):
    def run(steps: int) -> None:
        config = TrainConfig(
            data=DataConfig(data_path=jpeg, split=str(sources / "split"), num_workers=0),
            model=ModelConfig(model="lite-mono-tiny", height=HEIGHT, width=WIDTH, weights_init="scratch"),
            optim=OptimConfig(batch_size=1, num_epochs=1),
            run=RunConfig(log_dir=tmp_path, model_name="run", device="cpu", max_steps=steps, max_val_steps=1),
        )
        train(config)

    run(1)
    jpeg.rename(tmp_path / "kept")
    assert pack(jpeg).returncode == 0
    with pytest.raises(
        UserError, match="on other samples .*, JPEGs of quality 95', now .*restore the split and the frames"
    ):
        run(2)
    shutil.rmtree(jpeg)
    (tmp_path / "kept").rename(jpeg)
    run(2)
    assert "resumed at step 1" in capfd.readouterr().out
