"""Small data, packs, weights and a run, for advice that only data leads to."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import films
import numpy as np
import pytest
import tiny_kitti
import torch
from composites import write_small
from depth_data import picture, save_png, write_nyu, write_pairs, write_redweb
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import networks
from evaluate.__main__ import main as evaluate
from export_gt.__main__ import main as export_gt
from litemono import prepare, train
from litemono.data.kitti.paths import annotation_names
from networks import mask_depth_weights
from networks.alignment import Alignment
from networks.mask_depth import create_mask_network
from networks.refine import create_refiner
from networks.save_weights import save_folder

FRAMES = range(10)
SIZE = f"{tiny_kitti.WIDTH}x{tiny_kitti.HEIGHT}"
RUN = (
    "--data_path w/kitti --split w/kitti --num_workers 0 --model lite-mono-tiny --height 32 --width 64 --weights_init scratch "
    "--batch_size 2 --max_steps 1 --device cpu --log_dir w/runs --model_name run"
)
RUN_HERE = RUN.replace("w/runs", "own/runs")
TEST_IMAGES = "--data_path w/kitti --split w/test_split --gt_path w/gt.npz --num_workers 1 --device cpu"
"""Flags of `evaluate`."""


def write(root: Path, capsys: pytest.CaptureFixture) -> Path:
    """All in root/w. Relative paths in flags start at root."""
    world = root / "w"
    world.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_kitti(world)
        write_videos(world)
        write_maps(world)
        write_pairs_of_others(world)
        write_small(world / "composites")
        for kind in ("bg", "fgbg"):
            shutil.copytree(world / "composites" / kind, world / "no_truth" / kind)
        write_weights(world)
        write_unreadable(world)
        for main, line in MADE_BY_COMMANDS:
            run(main, capsys, line)
        write_from_made(world)
        run(evaluate, capsys, f"--load_weights w/evaluated/run --all_epochs {TEST_IMAGES}")
    return world


MADE_BY_COMMANDS = (
    (
        prepare.main,
        f"pack --from w/kitti --split w/kitti --test_split none --size {SIZE} --output w/pack --num_workers 1",
    ),
    (prepare.main, "pack --dataset pairs --from w/pairs --size 64x48 --output w/pairs_pack --num_workers 1"),
    (prepare.main, "pack-composites --from w/composites --size 48x32 --output w/composites_pack --num_workers 1"),
    (export_gt, "--data_path w/kitti --split w/test_split --output w/gt.npz"),
    (train.main, RUN),
)


def run(main: Callable[[], None], capsys: pytest.CaptureFixture, line: str) -> None:
    done = tiny_kitti.invoke(main, capsys, *line.split())
    assert done.code == 0, done.err


def write_unreadable(world: Path) -> None:
    """Nothing; files that are no weights, image or film; a film without a frame; sound."""
    (world / "empty").mkdir()
    picture(0, 48, 96).save(world / "image.png")
    (world / "broken.png").write_bytes((world / "image.png").read_bytes()[:200])
    for suffix in ("pth", "mp4", "onnx"):
        (world / f"junk.{suffix}").write_text("neither weights nor a film")
    film = films.write_film(world / "broken.avi", "mjpeg", 3, films.noise)
    content = film.read_bytes()
    for start in (found.start() for found in re.finditer(b"\xff\xd8\xff", content)):
        content = content[: start + 700] + b"\xff" * 800 + content[start + 1500 :]
    film.write_bytes(content)
    with wave.open(str(world / "sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2000))
    (world / "films").mkdir()
    shutil.copy(world / "sound.mp4", world / "films")
    (world / "loop").symlink_to("loop")


def write_from_made(world: Path) -> None:
    """Copies in which something differs from what a command made."""
    for name, file in (("pack", "packed.json"), ("pairs_pack", "pictures.json")):
        shutil.copytree(world / name, world / f"broken_{name}")
        (world / f"broken_{name}" / file).write_text("{")
    for name in ("changed_runs", "lost_runs", "evaluated"):
        shutil.copytree(world / "runs", world / name, copy_function=link_large)
    config = world / "changed_runs/run/config.json"
    config.write_text(config.read_text().replace('"drop_path": 0.2', '"drop_path": 0.1'))
    (world / "lost_runs/run/config.json").write_text("{")
    for path in (world / "lost_runs/run/checkpoints").iterdir():
        path.unlink()  # it may be a link
        path.write_bytes(b"nothing")
    (world / "made_gt").mkdir()
    shutil.copy(world / "gt.npz", world / "made_gt")
    (world / "other_gt").mkdir()
    with np.load(world / "gt.npz") as truth:
        lines = [f"{line}0" for line in truth["lines"]]
        (world / "other_gt/junk.npz").write_text("no ground truth")
        np.savez(world / "other_gt/gt.npz", **{**truth, "lines": lines})
        np.savez(
            world / "blank.npz", **{name: np.zeros_like(v) if v.dtype.kind == "f" else v for name, v in truth.items()}
        )


def link_large(source: str, target: str) -> None:
    """Copy a file; link one as large as weights."""
    if Path(source).stat().st_size > 1_000_000:
        Path(target).symlink_to(Path(source).absolute())
    else:
        shutil.copy(source, target)


def write_kitti(world: Path) -> None:
    """A drive with scans and calibration; lists of frames that are there, and in w/lacking one that is not."""
    tiny_kitti.write_world(world / "kitti", list(FRAMES))
    for folder, train_frames in (("kitti", range(1, 9)), ("lacking", [1, 2, 3, 4, 20])):
        (world / folder).mkdir(exist_ok=True)
        for which, frames in (("train", train_frames), ("val", range(4, 7))):
            lines = [f"{tiny_kitti.DRIVE} {frame} l\n" for frame in frames]
            (world / folder / f"{which}_files.txt").write_text("".join(lines))
    shutil.copytree(world / "kitti/split", world / "test_split")
    (world / "longer_split").mkdir()
    lines = (world / "test_split/test_files.txt").read_text().splitlines()
    (world / "longer_split/test_files.txt").write_text("\n".join([*lines, f"{tiny_kitti.DRIVE} 20 l"]))
    (world / "uncalibrated" / tiny_kitti.DAY).mkdir(parents=True)
    drive = Path(tiny_kitti.DRIVE)
    (world / "uncalibrated" / drive).symlink_to(world / "kitti" / drive)
    shutil.copytree(world / "kitti", world / "annotated")
    for frame in FRAMES:
        name = annotation_names(tiny_kitti.DRIVE, frame, "l")[0]
        save_png(world / "annotated" / name, np.full((tiny_kitti.HEIGHT, tiny_kitti.WIDTH), 2560))
    for folder, other in (
        ("two_drives", "2011_09_26/2011_09_26_drive_0005_sync"),
        ("unknown_drive", "2099_01_01/2099_01_01_drive_0001_sync"),
    ):
        (world / folder).mkdir()
        (world / folder / "train_files.txt").write_text(f"{other} 1 l\n{drive if folder[0] == 't' else other} 2 l\n")


def write_videos(world: Path) -> None:
    for folder, names, count in (
        ("frames/street", "{:06d}.png", 9),
        ("words/street", "{}.png", 9),
        ("short/street", "{}.png", 4),
    ):
        (world / folder).mkdir(parents=True)
        for number in range(count):
            name = names.format(number if folder[0] != "w" else "abcdefghi"[number])
            picture(number, 32, 64).save(world / folder / name)
    for folder in ("street", "road"):
        shutil.copytree(world / "frames/street", world / "half_stated" / folder)
    (world / "half_stated/road/intrinsics.txt").write_text("50 50 32 16")
    for folder, last in (("video_list", 4), ("short_list", 3)):
        (world / folder).mkdir()
        for which in ("train", "val"):
            (world / folder / f"{which}_files.txt").write_text("".join(f"street {n} l\n" for n in range(1, last)))


def write_pairs_of_others(world: Path) -> None:
    """Pictures with depth and what another network gave them; a list with one that is not there; NYU with one scene and two."""
    write_pairs(world / "pairs", height=48, width=64)
    write_pairs(world / "pairs_npy", height=48, width=64, suffix=".npy")
    write_pairs(world / "pairs_small", count=4, height=40, width=64)
    write_redweb(world / "redweb")
    write_nyu(world / "nyu")
    shutil.copytree(world / "nyu/kitchen_0028b", world / "nyu_scene/kitchen_0028b")
    for folder in ("frozen/images", "inverse/images", "object_masks/images"):
        (world / folder).mkdir(parents=True)
    (world / "given").mkdir()
    note = PngInfo()
    note.add_text("depth_factor", "1000")
    for path in (world / "pairs/depth").iterdir():
        depth = np.asarray(Image.open(path)).astype(np.float64)
        given = np.where(depth > 0, 0.5 * depth, 9000).round().astype(np.uint16)
        Image.fromarray(given).save(world / "frozen/images" / path.name, pnginfo=note)
        np.save(world / "given" / f"{path.stem}.npy", given.astype(np.float32) / 1000)
        save_png(world / "object_masks/images" / path.name, np.where(depth > 0, 255, 0), bits=8)
        np.save(world / "inverse/images" / f"{path.stem}.npy", 5000 / given.astype(np.float32))
    for folder, lines in (
        ("pairs_list", [". 1 l", ". 99 l"]),
        ("nyu_list", ["kitchen_0028b 1 l", "kitchen_0028b 5 l", "kitchen_0028b 45 l"]),
    ):
        (world / folder).mkdir()
        for which in ("train", "val"):
            (world / folder / f"{which}_files.txt").write_text("".join(f"{line}\n" for line in lines))


def write_maps(world: Path) -> None:
    """Ground truth, and predictions of its images: depths, disparities, one of both missing, truth without a pixel."""
    for number in range(3):
        truth = np.random.default_rng(number).uniform(2, 60, (48, 96)).astype(np.float32)
        maps = {"truth": truth, "depths": 1.2 * truth, "disparities": 1 / truth, "blank": 0 * truth}
        for folder, values in maps.items():
            (world / folder).mkdir(exist_ok=True)
            np.save(world / folder / f"{number}.npy", values)
        save_png(world / f"truth_png/{number}.png", 256 * truth)
    (world / "few").mkdir()
    shutil.copy(world / "depths/0.npy", world / "few/0.npy")
    for folder in ("sintel/depth/alley_1", "sintel_depths/alley_1"):
        (world / folder).mkdir(parents=True)
    np.save(world / "sintel_depths/alley_1/frame_0001.npy", truth)
    head = b"PIEH" + np.array(truth.shape[::-1], "<i4").tobytes()
    (world / "sintel/depth/alley_1/frame_0001.dpt").write_bytes(head + truth.astype("<f4").tobytes())
    shutil.copytree(world / "sintel", world / "sintel_whole")
    (world / "sintel_whole/occlusions/alley_1").mkdir(parents=True)
    Image.new("L", truth.shape[::-1]).save(world / "sintel_whole/occlusions/alley_1/frame_0001.png")
    (world / "archive").mkdir()
    np.savez(world / "archive/depths.npz", **{str(n): np.load(world / f"depths/{n}.npy") for n in range(3)})
    write_tum(world, truth)


def write_tum(world: Path, truth: np.ndarray) -> None:
    """A sequence of one image, and a prediction of it."""
    save_png(world / "tum/depth/1.0.png", 5000 * truth / 10)
    (world / "tum/rgb").mkdir()
    picture(0, *truth.shape).save(world / "tum/rgb/1.0.png")
    for kind in ("rgb", "depth"):
        (world / f"tum/{kind}.txt").write_text(f"1.0 {kind}/1.0.png\n")
    (world / "tum_depths/rgb").mkdir(parents=True)
    np.save(world / "tum_depths/rgb/1.0.npy", truth)


def write_weights(world: Path) -> None:
    tiny_kitti.write_weights(world / "weights")
    torch.manual_seed(0)
    mask_depth_weights.save(world / "masks", create_mask_network("cnn", height=32, width=48))
    for folder, settings in (("masks_damaged", '{"data": {"data_path": 5}}'), ("masks_of_run", None)):
        shutil.copytree(world / "masks", world / folder)
        run = {"data": {"data_path": "w/composites", "val_share": 0.3, "split_seed": 5}}
        (world / folder / "config.json").write_text(settings or json.dumps(run))
    save_folder(
        world / "refiner",
        create_refiner("affine", height=48, width=64, alignment=Alignment(False, 2.0, 0.0, 20.0, 80.0)),
        None,
    )
    net = networks.create("lite-mono-tiny", height=32, width=64)
    torch.save({"model": net.encoder.state_dict()}, world / "backbone.pth")
    (world / "damaged").mkdir()
    for path in (world / "weights").iterdir():
        (world / "damaged" / path.name).symlink_to(path)
    (world / "damaged/config.json").write_text("{")
