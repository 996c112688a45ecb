"""Refinement as its user meets it: frozen depth and masks from files, exact resume, jobs, and messages about bad files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tiny_kitti import assert_refused, invoke
from trainings import assert_same_training, complete, kill_at_step, scalars

from litemono import submit
from litemono.prepare import main as prepare_main
from litemono.refine import main
from litemono.synthetic.writer import write_world
from litemono.tasks.refine.metrics import ERRORS
from networks.refiner_weights import load_refiner

pytestmark = pytest.mark.usefixtures("one_thread")


def write_frozen(world: Path, folder: Path, inverse: bool = False) -> Path:
    """Depth that is too small, too small by more on the left, and wrong by some noise; 16-bit PNGs times 256."""
    rng = np.random.default_rng(0)
    for path in sorted(world.glob("2000_01_01/*/proj_depth/groundtruth/image_02/*.png")):
        truth = np.asarray(Image.open(path)) / 256
        truth = np.where(truth > 0, truth, 80)
        frozen = truth * np.linspace(0.3, 0.7, truth.shape[1]) + 2 + rng.normal(0, 0.1, truth.shape)
        target = folder / path.relative_to(world).parents[3] / "image_02/data" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if inverse:
            np.save(target.with_suffix(".npy"), (5 / frozen - 0.02).astype(np.float32))
        else:
            Image.fromarray((frozen * 256).round().astype(np.uint16)).save(target)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A rendered street: 2 x 6 training and 6 validation frames, with frozen depth in frozen/."""
    folder = tmp_path_factory.mktemp("refine") / "world"
    write_world(folder, height=64, width=128, drives=4, frames_per_drive=8, seed=0, num_workers=2, left_only=True)
    write_frozen(folder, folder / "frozen")
    return folder


def flags(world: Path, log_dir: Path, *more: object) -> list[str]:
    """12 samples of 64x32, 2 epochs of 3 steps."""
    text = (
        f"--data_path {world} --dataset street --frozen_depth {world}/frozen --object_masks {world}/masks --num_workers 0 "
        f"--weights_init scratch --height 32 --width 64 --batch_size 4 --num_epochs 2 --log_dir {log_dir} --model_name run "
        "--device cpu --log_every 1 --images_every 3 --checkpoint_minutes 0"
    )
    return [*text.split(), *map(str, more)]


@pytest.fixture(scope="module")
def uninterrupted(world, tmp_path_factory) -> Path:
    log_dir = tmp_path_factory.mktemp("runs")
    complete(main, flags(world, log_dir))
    return log_dir / "run"


def validation(run: Path) -> dict[str, float]:
    return json.loads((run / "models/last/validation.json").read_text())["validation"]


def test_a_run_leaves_weights_and_the_errors_of_what_it_started_from(uninterrupted):
    found = validation(uninterrupted)
    for row in ("", "affine/", "input/"):
        for group in ("", "objects/"):
            assert {f"{row}{group}{name}" for name in ERRORS} <= found.keys()
    assert found["affine/rmse"] < found["input/rmse"]
    assert [step for step, _ in scalars(uninterrupted / "val", "objects/rmse")] == [3, 6]
    for name in ("weights_0", "best_loss", "best_abs_rel", "best_rmse", "best_objects_rmse"):
        assert load_refiner(uninterrupted / "models" / name).name == "unet-resnet18"


def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(world, tmp_path, uninterrupted):
    kill_at_step(2, "litemono.refine", flags(world, tmp_path), tmp_path / "run")
    complete(main, flags(world, tmp_path))
    assert_same_training(uninterrupted, tmp_path / "run")


def test_it_beats_the_best_scale_and_shift_on_depth_that_is_wrong_elsewhere_in_another_way(world, tmp_path, capsys):
    more = ("--model", "affine-grid", "--num_epochs", 12, "--lr", 0.05, "--augment", "none")
    outcome = invoke(main, capsys, *flags(world, tmp_path, *more))
    assert outcome.code == 0, outcome.err
    found = validation(tmp_path / "run")
    assert found["abs_rel"] < 0.5 * found["affine/abs_rel"]
    for row in ("refined", "given, best scale and shift", "given as it is", "Validation, objects"):
        assert row in outcome.out


def test_inverse_depth_in_npy_files_is_brought_to_metres(world, tmp_path, capsys):
    frozen = write_frozen(world, tmp_path / "frozen", inverse=True)
    more = ("--frozen_depth", frozen, "--frozen_is", "inverse", "--model", "affine", "--max_steps", 1)
    outcome = invoke(main, capsys, *flags(world, tmp_path, *more))
    assert outcome.code == 0, outcome.err
    assert "1 / depth =" in outcome.err
    found = validation(tmp_path / "run")
    assert found["affine/abs_rel"] < 0.4 and "input/abs_rel" not in found


@pytest.mark.parametrize(
    "more", [("--dry_run", "--sweep", "object_weight=0.2,0.8", "loss=l1,silog"), ("--cluster", "debug")]
)
def test_submit_and_sweep_take_the_command_and_its_flags(world, tmp_path, monkeypatch, capsys, more):
    monkeypatch.setattr("litemono.jobs.slurm.available", lambda: False)
    arguments = ("refine", *flags(world, tmp_path, "--max_steps", 1, "--model", "affine", *more))
    outcome = invoke(submit.main, capsys, *arguments)
    assert outcome.code == 0, outcome.err
    assert ("object_weight=0.2_loss=l1" if "--sweep" in more else "given, best scale and shift") in outcome.out


def copied(world: Path, folder: Path, kind: str) -> tuple[Path, Path]:
    """A copy of a world's frozen depth or masks, and its first training file."""
    for path in sorted((world / kind).rglob("*.png")):
        target = folder / path.relative_to(world / kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder, next(path for path in sorted(folder.rglob("*.png")) if path.stem == f"{1:010d}")


def grey(values: np.ndarray, path: Path) -> None:
    Image.fromarray(values).save(path)


def with_factor(path: Path) -> None:
    note = PngInfo()
    note.add_text("depth_factor", "1000")
    Image.open(path).copy().save(path, pnginfo=note)


BAD_FROZEN = {
    "missing": (lambda path: path.unlink(), "1 of 12 images have no frozen depth; first:"),
    "another size": (lambda path: grey(np.ones((40, 128), np.uint16), path), "128x40 pixels, its image has 128x64"),
    "constant": (lambda path: grey(np.full((64, 128), 512, np.uint16), path), "all pixels are 2; a constant depth"),
    "another factor": (with_factor, "says that its factor is 1000; give --frozen_factor 1000"),
    "damaged": (lambda path: path.write_bytes(path.read_bytes()[:90]), "not a complete image"),
    "colours": (lambda path: grey(np.ones((64, 128, 3), np.uint8), path), "has several channels"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_FROZEN)
def test_bad_frozen_depth_is_refused_in_one_sentence(world, tmp_path, capsys, bad):
    folder, first = copied(world, tmp_path / "frozen", "frozen")
    damage, says = BAD_FROZEN[bad]
    damage(first)
    outcome = invoke(main, capsys, *flags(world, tmp_path, "--frozen_depth", folder))
    assert_refused(outcome, says, first.name)
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.arange(64 * 128).reshape(64, 128) % 9, "this one has 0, 1, 2, 3, 4, 5 and 3 more"),
        (np.ones((32, 64)), "64x32 pixels, its image has 128x64"),
    ],
)
def test_bad_masks_are_refused_in_one_sentence(world, tmp_path, capsys, values, says):
    folder, first = copied(world, tmp_path / "masks", "masks")
    grey(values.astype(np.uint8), first)
    assert_refused(invoke(main, capsys, *flags(world, tmp_path, "--object_masks", folder)), says, first.name)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--frozen_is", "inverse"), "is it --frozen_is depth"),
        (("--object_weight", 1.5), "--object_weight 1.5: must be from 0 to 1"),
        (("--frozen_depth", "no/such"), "--frozen_depth no/such: no such folder"),
        (("--frozen_factor", 0), "--frozen_factor 0.0: must be positive"),
        (("--dataset", "frames"), "has no depth pictures"),
        (("--model", "affine", "--predict", "depth"), "affine only scales and shifts"),
        (("--min_depth", 90), "--min_depth 90.0 --max_depth 80.0"),
        (("--load_weights", "no/such"), "--load_weights no/such: no such folder"),
        (("--weights_init", "no/such.pth"), "no/such.pth"),
    ],
)
def test_wrong_flags_are_refused_in_one_sentence(world, tmp_path, capsys, more, says):
    assert_refused(invoke(main, capsys, *flags(world, tmp_path, *more)), says)


def test_what_needs_masks_or_frozen_depth_says_so(world, tmp_path, capsys):
    for flag, more, says in (
        ("--object_masks", ("--object_weight", 0.8), "there are no masks; give --object_masks"),
        ("--frozen_depth", (), "has no frozen depth packed; give --frozen_depth"),
    ):
        given = flags(world, tmp_path, *more)
        place = given.index(flag)
        assert_refused(invoke(main, capsys, *given[:place], *given[place + 2 :]), says)


def test_weights_of_a_run_start_another_with_their_scale_and_shift(world, tmp_path, uninterrupted, capsys):
    more = ("--load_weights", uninterrupted / "models/last", "--max_steps", 1, "--lr", 1e-9)
    outcome = invoke(main, capsys, *flags(world, tmp_path, *more))
    assert outcome.code == 0, outcome.err
    before, after = (load_refiner(run / "models/last") for run in (uninterrupted, tmp_path / "run"))
    assert before.alignment == after.alignment
    outcome = invoke(main, capsys, *flags(world, tmp_path / "other", *more, "--predict", "depth"))
    assert_refused(outcome, "was trained with --predict residual, not depth")


def check_and_mend(capsys, pack, verifying, packing):
    """`verify` finds a changed byte of packed maps, and its advice mends the pack."""
    done = invoke(prepare_main, capsys, *verifying)
    assert done.code == 0 and "22 a packed frozen map, 22 a packed mask map" in done.out, done.out
    path = sorted(pack.rglob("image_02.frozen.bin"))[0]
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = invoke(prepare_main, capsys, *verifying)
    assert done.code == 1 and "0 files or frames missing, 1 damaged" in done.out, done.out
    assert re.search(r"frozen.bin: frame \d+ is damaged; delete this file and pack again: .*prepare maps", done.out)
    path.unlink()
    assert_refused(invoke(prepare_main, capsys, *verifying), "0 of", "python -m litemono.prepare maps again")
    assert invoke(prepare_main, capsys, *packing).code == 0
    assert path.read_bytes() == good


def test_packed_depth_and_masks_train_the_same_bits_and_a_second_packing_adds_nothing(world, tmp_path, capsys):
    pack = tmp_path / "pack"
    place = ("--dataset", "street", "--split", world / "street")
    done = invoke(prepare_main, capsys, "pack", "--from", world, *place, "--output", pack, "--size", "64x32")
    assert done.code == 0, done.err
    assert_refused(invoke(prepare_main, capsys, "maps", "--data_path", pack), "give --frozen_depth, --object_masks")
    refused = invoke(prepare_main, capsys, "maps", "--data_path", pack, "--frozen_depth", world)
    assert_refused(refused, "has several channels")
    assert not [*pack.rglob("*.frozen.bin")]
    packing = ("maps", "--data_path", pack, "--frozen_depth", world / "frozen", "--object_masks", world / "masks")
    for _ in range(2):
        done = invoke(prepare_main, capsys, *packing)
        assert done.code == 0 and "22 frozen depths packed" in done.out, done.err
    sizes = {path.stat().st_size for path in pack.rglob("image_02.frozen.bin")}
    assert sizes == {6 * 64 * 128 * 2, 4 * 64 * 128 * 2}
    check_and_mend(capsys, pack, ("verify", "--data_path", pack, *place), packing)
    runs = []
    for name, data in (("folder", flags(world, tmp_path / "folder")), ("pack", None)):
        if data is None:
            data = [text for text in flags(world, tmp_path / "pack_run") if not text.startswith(f"{world}/")]
            data = [text for text in data if text not in ("--frozen_depth", "--object_masks")]
            data[data.index("--data_path") + 1] = str(pack)
            data += ["--split", str(world / "street")]
        done = invoke(main, capsys, *data, "--max_steps", 2, "--model", "affine", "--augment", "dpt")
        assert done.code == 0, done.err
        runs.append(validation((tmp_path / "folder" if name == "folder" else tmp_path / "pack_run") / "run"))
    assert runs[0] == runs[1] and runs[0]["objects/mae"] > 0
    pack_with_notes(world, pack, tmp_path / "noted", capsys)
    refused = invoke(main, capsys, *data, "--max_steps", 2, "--model", "affine", "--model_name", "noted")
    assert_refused(refused, "frozen depth of frame", "says that its factor is 200; give --frozen_factor 200")
    pack_of_two_kinds(pack, tmp_path / "noted", capsys)


def pack_with_notes(world, pack, folder, capsys):
    """The pack's frozen depth anew, from files that state a factor, as `predict --depth_png` writes them."""
    note = PngInfo()
    note.add_text("depth_factor", "200")
    for path in (world / "frozen").rglob("*.png"):
        noted = folder / path.relative_to(world / "frozen")
        noted.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.save(noted, pnginfo=note)
    for path in pack.rglob("*.frozen.bin"):
        path.unlink()
    done = invoke(prepare_main, capsys, "maps", "--data_path", pack, "--frozen_depth", folder)
    assert done.code == 0, done.err


def pack_of_two_kinds(pack, folder, capsys):
    """Metres in place of one PNG are refused, and taken where all are metres."""
    for path in pack.rglob("*.frozen.bin"):
        path.unlink()
    maps = sorted(folder.rglob("*.png"))
    to_metres(maps[::2])
    refused = invoke(prepare_main, capsys, "maps", "--data_path", pack, "--frozen_depth", folder)
    assert_refused(refused, "others of this camera have", "; give all of one kind")
    to_metres(maps[1::2])
    done = invoke(prepare_main, capsys, "maps", "--data_path", pack, "--frozen_depth", folder)
    assert done.code == 0, done.err


def to_metres(maps):
    for path in maps:
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).astype(np.float32) / 200)
        path.unlink()
