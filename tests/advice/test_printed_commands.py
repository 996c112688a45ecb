"""Commands that messages print are run, and files that they name are removed, until what was refused works."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import torch
from composites import FEWEST, SIZE, write_small
from depth_data import write_pairs
from PIL import Image
from tiny_kitti import Outcome, assert_refused, invoke, write_weights, write_world

from litemono.data.packing import output_folder
from networks import mask_depth_weights
from networks.mask_depth import create_mask_network


def run(capsys, module: str, *arguments: object) -> Outcome:
    return invoke(importlib.import_module(module).main, capsys, *map(str, arguments))


def test_two_images_of_one_name_are_told_apart_by_ext(tmp_path, capsys):
    for ending in ("jpg", "png"):
        Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / f"a.{ending}")
    weights = write_weights(tmp_path / "weights")
    command = (
        "litemono.predict",
        "--load_weights",
        weights,
        "--input",
        tmp_path,
        "--model",
        "lite-mono-tiny",
        "--device",
        "cpu",
    )
    refused = run(capsys, *command)
    assert_refused(refused, "choose one kind: --ext png")
    assert run(capsys, *command, *refused.err.rstrip().rpartition(": ")[2].split()).code == 0


def test_weights_of_another_network_name_the_model_that_reads_them(tmp_path, capsys):
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / "a.png")
    weights = write_weights(tmp_path / "weights")
    command = ("litemono.predict", "--load_weights", weights, "--input", tmp_path / "a.png", "--device", "cpu")
    refused = run(capsys, *command, "--model", "lite-mono")
    assert_refused(refused, "--model lite-mono-tiny")
    assert run(capsys, *command, *re.search(r"--model lite-mono-tiny", refused.err)[0].split()).code == 0


def test_a_card_by_number_ends_at_a_device_that_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / "a.png")
    weights = write_weights(tmp_path / "weights")
    command = (
        "litemono.predict",
        "--load_weights",
        weights,
        "--input",
        tmp_path / "a.png",
        "--model",
        "lite-mono-tiny",
    )
    assert_refused(run(capsys, *command, "--device", "cuda:1"), "CUDA_VISIBLE_DEVICES=1, and give --device cuda")
    assert_refused(run(capsys, *command, "--device", "cuda"), "use --device cpu")
    assert run(capsys, *command, "--device", "cpu").code == 0


def printed_command(message: str) -> tuple[str, list[str]]:
    """Module and arguments of the first `python -m MODULE ARGUMENTS` in a message; it ends at the sentence or a bracket."""
    found = re.search(r"python -m ([\w.]+\w)((?: [^\s();,]+)*)", message.partition("error: ")[2])
    assert found, message
    return found[1], shlex.split(found[2])


def main_of(module: str) -> str:
    """export_gt and evaluate are packages."""
    return module if "." in module and module != "litemono.synthetic" else f"{module}.__main__"


def test_ground_truth_is_made_by_the_printed_command(tmp_path, capsys):
    world = tmp_path / "world"
    split = write_world(world, [2, 4])
    np.save(tmp_path / "pred.npy", np.full((2, 48, 96), 0.1, np.float32))
    command = ("evaluate.__main__", "--pred", tmp_path / "pred.npy", "--data_path", world, "--split", split)
    refused = run(capsys, *command, "--num_workers", 1)
    assert_refused(refused, "there is no such ground-truth file; make it: ")
    module, arguments = printed_command(refused.err)
    assert run(capsys, main_of(module), *arguments, "--num_workers", 1).code == 0
    assert run(capsys, *command, "--num_workers", 1).code == 0


def test_composites_are_rendered_by_the_printed_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused = run(capsys, "litemono.segment", "--data_path", "composites", "--device", "cpu")
    assert_refused(refused, "or render some (python -m litemono.synthetic composites --output composites)")
    module, arguments = printed_command(refused.err)
    assert run(capsys, main_of(module), *arguments, *FEWEST).code == 0
    done = run(capsys, "litemono.segment_apply", "--data_path", "composites", "--load_weights", "missing")
    assert "--data_path" not in done.err and "--load_weights missing: no such folder" in done.err


def test_a_damaged_pack_of_composites_is_packed_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "rooms")
    flags = ("--from", "rooms", "--size", f"{SIZE[1]}x{SIZE[0]}", "--output", "pack", "--num_workers", 1)
    assert run(capsys, "litemono.prepare", "pack-composites", *flags).code == 0
    index = next(path for path in Path("pack").iterdir() if path.suffix == ".json")
    index.write_text("{")
    refused = run(capsys, "litemono.prepare", "verify", "--data_path", "pack")
    assert_refused(refused, "remove the pack's folder and pack again: ")
    module, words = printed_command(refused.err)
    shutil.rmtree("pack")
    assert run(capsys, module, *words, *flags).code == 0
    assert run(capsys, "litemono.prepare", "verify", "--data_path", "pack").code == 0


def test_a_damaged_index_of_pictures_is_packed_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs")
    flags = ("--dataset", "pairs", "--size", "64x40", "--num_workers", 1)
    assert run(capsys, "litemono.prepare", "pack", *flags, "--from", "pairs", "--output", "pack").code == 0
    (tmp_path / "pack/pictures.json").write_text("{")
    check = ("litemono.prepare", "verify", "--dataset", "pairs", "--data_path", "pack")
    refused = run(capsys, *check)
    assert_refused(refused, "pack/pictures.json: not an index", "delete it and pack into this folder again")
    (tmp_path / "pack/pictures.json").unlink()
    module, words = printed_command(refused.err)
    mine = {"FOLDER": "pairs", "DIR": "pack"}
    assert run(capsys, module, *(mine.get(word, word) for word in words), *flags).code == 0
    assert run(capsys, *check).code == 0


def test_a_pack_beside_a_running_one_goes_into_another_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(output_folder, "LOCK_WAIT_S", 0)
    write_pairs(tmp_path / "pairs")
    command = ("litemono.prepare", "pack", "--dataset", "pairs", "--from", tmp_path / "pairs", "--size", "64x40")
    with output_folder.locked(tmp_path / "pack", "pack"):
        refused = run(capsys, *command, "--output", tmp_path / "pack")
        assert_refused(refused, "another pack runs in this folder; wait for it, or choose another --output")
        assert run(capsys, *command, "--output", tmp_path / "another").code == 0
    assert run(capsys, *command, "--output", tmp_path / "pack").code == 0


def test_the_doctor_checks_the_data_that_it_asked_for(tmp_path, capsys):
    write_world(tmp_path, [2, 4])
    for which, frame in (("train", 9), ("val", 2)):
        (tmp_path / f"split/{which}_files.txt").write_text(f"2011_09_26/2011_09_26_drive_0002_sync {frame} l\n")
    asked = run(capsys, "litemono.doctor", "--log_dir", tmp_path)
    assert "not checked: give --data_path" in asked.out
    found = run(
        capsys, "litemono.doctor", "--log_dir", tmp_path, "--data_path", tmp_path, "--split", tmp_path / "split"
    )
    assert found.code == 1 and "not checked" not in found.out
    place = re.search(r"\(python -m (\S+) (verify) lists all\)", found.out)
    assert place, found.out
    done = run(capsys, *place.groups(), "--data_path", tmp_path, "--split", tmp_path / "split", "--num_workers", 1)
    assert done.code == 1 and "5 missing" in done.out, done


def test_pictures_are_trained_by_the_printed_command(tmp_path, capsys):
    write_pairs(tmp_path / "pairs")
    (tmp_path / "junk.pth").write_text("no weights")
    flags = ("--dataset", "pairs", "--data_path", tmp_path / "pairs", "--mypretrain", tmp_path / "junk.pth")
    refused = run(capsys, "litemono.train", *flags, "--device", "cpu")
    assert_refused(refused, "has single images, not videos; train on their depth: ")
    module, words = printed_command(refused.err)
    ended = run(capsys, module, *words, *flags, "--device", "cpu", "--depth_factor", 1000, "--log_dir", tmp_path)
    assert_refused(ended, "junk.pth (10 bytes) is cut short")


def test_weights_of_masks_are_taken_by_the_named_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "rooms")
    mask_depth_weights.save(tmp_path / "masks", create_mask_network("cnn", height=SIZE[0], width=SIZE[1]))
    refused = run(capsys, "litemono.predict", "--load_weights", "masks", "--input", "rooms/bg", "--device", "cpu")
    assert_refused(refused, "use litemono segment-apply")
    flags = ("--load_weights", "masks", "--data_path", "rooms", "--device", "cpu", "--num_workers", 0)
    assert run(capsys, "litemono.segment_apply", *flags).code == 0
