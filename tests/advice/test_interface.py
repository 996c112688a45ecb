"""Advice of errors that the Python interface raises, and that a command meets where files change while it runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from advice import world
from tiny_kitti import DRIVE, invoke, write_weights

import litemono
import networks
from litemono import export, prepare
from litemono.data.datasets import registry
from litemono.data.stores.packed import PackedStore
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import LossConfig
from litemono.utils.errors import UserError
from networks.errors import NetworkError
from networks.mask_depth import create_mask_network
from networks.refine import create_refiner
from networks.save_weights import save_folder


@pytest.fixture
def hub(tmp_path, capsys) -> Path:
    weights = write_weights(tmp_path / "weights")
    command = ("--load_weights", weights, "--model", "lite-mono-tiny", "--hub", tmp_path / "hub")
    assert invoke(export.main, capsys, *command).code == 0
    return tmp_path / "hub"


def test_a_repository_that_is_downloaded_beforehand_needs_no_internet(hub, monkeypatch):
    def fetch(name: str, **_: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(UserError, match="download it where there is internet: hf download me/depth"):
        litemono.load(weights="me/depth")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(hub))
    assert litemono.load(weights="me/depth").name == "lite-mono-tiny"


def test_a_repository_is_whole_when_all_its_files_are_downloaded(hub, tmp_path):
    (tmp_path / "part").mkdir()
    shutil.copy(hub / "model.safetensors", tmp_path / "part")
    with pytest.raises(UserError, match="download the whole repository again"):
        litemono.load(weights=tmp_path / "part")
    shutil.copytree(hub, tmp_path / "part", dirs_exist_ok=True)
    assert litemono.load(weights=tmp_path / "part").name == "lite-mono-tiny"


def test_a_model_without_pose_network_takes_the_frames_that_are_named():
    depth = networks.create("lite-mono-tiny", height=32, width=64)
    with pytest.raises(UserError, match="without one: --frame_ids 0 --use_stereo"):
        DepthPoseModel(depth, None, LossConfig())
    DepthPoseModel(depth, None, LossConfig(frame_ids=(0,), use_stereo=True))


def test_a_network_without_a_choice_of_attention():
    with pytest.raises(NetworkError, match="it has no choice; leave it out"):
        networks.create("lite-mono-tiny", height=32, width=64, attention="fused")
    networks.create("lite-mono-tiny", height=32, width=64)


@pytest.mark.parametrize(
    ("create", "name"),
    [
        (networks.create, "vgg"),
        (create_mask_network, "lite-mono"),
        (create_refiner, "lite-mono"),
        (lambda name, **_: networks.create_pose(int(name)), "101"),
    ],
)
def test_a_network_has_one_of_the_printed_names(create, name):
    with pytest.raises(NetworkError, match="; choose from ") as refused:
        create(name, height=48, width=64)
    create(str(refused.value).partition("choose from ")[2].split(", ")[0], height=48, width=64)


def test_weights_are_saved_into_another_folder_than_that_of_other_files(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").touch()
    depth = networks.create("lite-mono-tiny", height=32, width=64)
    with pytest.raises(NetworkError, match="holds something else than weights; choose another folder"):
        save_folder(tmp_path / "photos", depth, None)
    save_folder(tmp_path / "weights", depth, None)


def test_a_refiner_by_its_name_is_no_depth_network():
    with pytest.raises(NetworkError, match=r"use litemono predict with --frozen_depth"):
        networks.create("affine", height=32, width=64)
    # litemono predict with --frozen_depth: "predict refiner" of world_cases.py


@pytest.mark.parametrize("dataset", ["kitti", "kitti_depth"])
def test_a_frame_that_is_not_packed_is_added_by_the_printed_command(dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").mkdir()
    world.write_kitti(tmp_path / "w")
    for name, frames in (("some", [2, 3]), ("more", [6])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in frames))
    flags = f"--dataset {dataset} --test_split none --size {world.SIZE} --num_workers 1"
    source = "w/kitti" if dataset == "kitti" else "w/annotated"
    assert invoke(prepare.main, capsys, *f"pack --from {source} --split some --output pack {flags}".split()).code == 0

    def read() -> np.ndarray:
        store = PackedStore(registry.get(dataset), Path("pack"))
        if dataset == "kitti":
            return store.read(DRIVE, 6, "l")
        pictures = store.packed_pictures("depth", DRIVE, "l")
        assert pictures is not None
        return pictures.read(6)

    with pytest.raises(UserError, match="pack the split that needs it into the same folder") as refused:
        read()
    printed = re.search(r"litemono.prepare (pack --from ZIPS_OR_FOLDER --split SPLIT --output \S+)", str(refused.value))
    command = printed[1] if printed else "pack --from ZIPS_OR_FOLDER --split SPLIT --output pack"
    words = shlex.split(command.replace("ZIPS_OR_FOLDER", source).replace("SPLIT", "more"))
    assert invoke(prepare.main, capsys, *words, *flags.split()).code == 0
    assert read().shape[:2] == (48, 96)
