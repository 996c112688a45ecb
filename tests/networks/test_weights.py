"""Weight files: the published formats, read strictly, written whole or not at all."""

from __future__ import annotations

import copy
import errno
import json
import re
import resource
import sys
from pathlib import Path

import processes
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parity_recipes import fill

import networks
from networks import NetworkError, weights

ROOT = Path(__file__).resolve().parents[2]
FILES = ["depth.pth", "encoder.pth", "pose.pth", "pose_encoder.pth"]


def create(name: str = "lite-mono-tiny", height: int = 64, width: int = 96) -> networks.DepthNet:
    return networks.create(name, height=height, width=width)


@pytest.fixture(scope="module")
def nets() -> tuple[networks.DepthNet, networks.PoseNet]:
    depth, pose = create(), networks.create_pose()
    for module in (depth.encoder, depth.decoder, pose.encoder, pose.decoder):
        fill(module)
    return depth, pose


@pytest.fixture
def folder(tmp_path, nets) -> Path:
    weights.save_folder(tmp_path / "weights_3", *nets)
    return tmp_path / "weights_3"


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def edit(path: Path, **changes: object) -> None:
    """Rewrite a .pth with entries changed; None takes an entry out."""
    content = {**load(path), **{name.replace("__", "."): value for name, value in changes.items()}}
    torch.save({name: value for name, value in content.items() if value is not None}, path)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return [*a] == [*b] and all(torch.equal(a[name], b[name]) for name in a)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_saved_files_have_the_published_names_and_entries(parity, tmp_path):
    published = json.loads((parity / "state_dict_keys.json").read_text())["modules"]
    depth = create("lite-mono", 192, 640).to(memory_format=torch.channels_last)
    weights.save_folder(tmp_path / "weights_0", depth, networks.create_pose(), use_stereo=True)
    assert sorted(p.name for p in (tmp_path / "weights_0").iterdir()) == FILES
    encoder = load(tmp_path / "weights_0/encoder.pth")
    assert [*encoder.items()][-3:] == [("height", 192), ("width", 640), ("use_stereo", True)]
    assert [type(encoder[name]) for name in ("height", "width", "use_stereo")] == [int, int, bool]
    parts = {"encoder": published["lite-mono"]["encoder"], "depth": published["lite-mono"]["depth"]}
    parts |= {"pose_encoder": published["pose_encoder"], "pose": published["pose"]}
    for name, expected in parts.items():
        tensors = {k: t for k, t in load(tmp_path / f"weights_0/{name}.pth").items() if isinstance(t, torch.Tensor)}
        assert [[k, [*t.shape], str(t.dtype).removeprefix("torch.")] for k, t in tensors.items()] == expected
        assert all(t.is_contiguous() and not t.requires_grad and type(t) is torch.Tensor for t in tensors.values())


def test_what_was_saved_is_loaded_to_the_last_bit(folder, nets):
    depth = weights.load_depth(folder, "lite-mono-tiny")
    assert (depth.name, depth.height, depth.width) == ("lite-mono-tiny", 64, 96)
    assert same(depth, nets[0])
    other, pose = create(), networks.create_pose()
    weights.load_into(folder, other, pose)
    assert same(other, nets[0]) and same(pose, nets[1])
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert all(torch.equal(p, q) for p, q in zip(depth.eval()(image), nets[0].eval()(image), strict=True))


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_every_variant_survives_the_round_trip(tmp_path, name):
    net = create(name)
    weights.save_folder(tmp_path / "w", net, None)
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == FILES[:2]
    assert same(weights.load_depth(tmp_path / "w", name), net)


def test_half_precision_networks_are_saved_in_single(tmp_path, nets):
    weights.save_folder(tmp_path / "w", copy.deepcopy(nets[0]).half(), None)
    assert {t.dtype for t in load(tmp_path / "w/depth.pth").values()} == {torch.float32}


def test_a_second_save_replaces_the_first_whole(folder, nets):
    (folder / "adam.pth").write_bytes(b"state of the first")
    other = create()
    weights.save_folder(folder, other, None)
    assert sorted(p.name for p in folder.iterdir()) == FILES[:2]
    assert same(weights.load_depth(folder, "lite-mono-tiny"), other)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_leftovers_of_a_killed_save_do_not_disturb_the_next(folder, nets):
    for left in (".weights_3.partial", ".weights_3.replaced"):
        (folder.parent / left).mkdir()
        (folder.parent / left / "encoder.pth").write_bytes(b"half")
    weights.save_folder(folder, nets[0], None)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_link_is_replaced_and_what_it_pointed_to_is_kept(folder, nets):
    link = folder.parent / "last"
    link.symlink_to(folder.name)
    weights.save_folder(link, create(), None)
    assert not link.is_symlink() and sorted(p.name for p in link.iterdir()) == FILES[:2]
    assert same(weights.load_depth(folder, "lite-mono-tiny"), nets[0])


def test_a_folder_of_other_things_is_never_replaced(tmp_path, nets):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("years of work")
    for target in ("home", "home/thesis.tex"):
        with pytest.raises(NetworkError, match="something else than weights"):
            weights.save_folder(tmp_path / target, nets[0], None)
    assert (tmp_path / "home/thesis.tex").read_text() == "years of work"


def test_a_full_disk_leaves_the_old_weights_and_nothing_half_written(folder, nets):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(NetworkError, match="cannot write weights to .*weights_3: File too large"):
            weights.save_folder(folder, create(), None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert same(weights.load_depth(folder, "lite-mono-tiny"), nets[0])


def test_a_file_server_that_fails_while_saving_is_no_bad_place(folder, nets, monkeypatch):
    """A NetworkError ends a job for good."""

    def stale(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("pathlib.Path.rename", stale)
    with pytest.raises(OSError, match="Stale file handle"):
        weights.save_folder(folder, create(), None)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_while_saving_never_destroys_the_last_good_copy(folder, nets, renames):
    """The process dies at its first or second rename; a whole copy of old or new weights is always on disk."""
    script = f"""
import os, pathlib, networks
from networks import weights
rename, calls = pathlib.Path.rename, []
def dying(self, target):
    if len(calls) == {renames}: os._exit(9)
    calls.append(1); return rename(self, target)
pathlib.Path.rename = dying
weights.save_folder({str(folder)!r}, networks.create("lite-mono-tiny", height=64, width=96), None)
"""
    assert processes.run([sys.executable, "-c", script], cwd=ROOT).returncode == 9
    survivors = [p for p in folder.parent.iterdir() if not p.name.endswith(".partial")]
    assert [same(weights.load_depth(p, "lite-mono-tiny"), nets[0]) for p in survivors] == [True]
    weights.save_folder(folder, nets[0], None)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


# --- reading: what is tolerated --------------------------------------------------------------------------------------


def test_entries_of_the_operation_counter_are_tolerated_in_every_file(folder, nets):
    counted = {"total_ops": torch.zeros(1), "total_params": torch.zeros(1)}
    for name in FILES:
        content = load(folder / name)
        inner = {f"{key.rpartition('.')[0]}.{c}": t for key in content if "." in key for c, t in counted.items()}
        torch.save({**counted, "normalize.total_ops": torch.zeros(1), **inner, **content}, folder / name)
    depth, pose = create(), networks.create_pose()
    weights.load_into(folder, depth, pose)
    assert same(depth, nets[0]) and same(pose, nets[1])


# What other programs leave around the same tensors: how they rename a tensor, and what they put the dictionary into.
WRITERS = {
    "DataParallel": (lambda name: f"module.{name}", None),
    "torch.compile": (lambda name: f"_orig_mod.{name}", None),
    "a compiled part": (lambda name: re.sub(r"^(\w+\.\d+)\.", r"\1._orig_mod.", name), None),
    "DistributedDataParallel of a compiled network": (lambda name: f"module._orig_mod.{name}", None),
    "torch.compile of DistributedDataParallel": (lambda name: f"_orig_mod.module.{name}", None),
    "state_dict": (lambda name: name, "state_dict"),
    "model": (lambda name: name, "model"),
    "Lightning-like": (lambda name: f"module.{name}", "state_dict"),
    "Lightning": (lambda name: f"model.{name}", "state_dict"),
    "Lightning, another attribute": (lambda name: f"net.{name}", "state_dict"),
    "a distilled network": (lambda name: f"student.module.{name}", None),
    "model_state_dict": (lambda name: name, "model_state_dict"),
    "ema": (lambda name: name, "ema"),
    "a name of its own": (lambda name: name, "weights_of_the_best_epoch"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_prefixes_and_wrappers_of_other_programs_are_understood(folder, nets, writer):
    rename, wrapper = WRITERS[writer]
    for name in FILES:
        content = load(folder / name)
        sizes = {key: content.pop(key) for key in weights.SIZE_ENTRIES if key in content}
        tensors = {rename(key): tensor for key, tensor in content.items()} | {"total_ops": torch.zeros(1)}
        whole = {wrapper: tensors, "epoch": 3, "optimizer": {"state": {}}} if wrapper else tensors
        torch.save({**whole, **sizes}, folder / name)
    assert weights.stored_size(folder) == (64, 96)
    depth, pose = create(), networks.create_pose()
    weights.load_into(folder, depth, pose)
    assert same(depth, nets[0]) and same(pose, nets[1])


def test_a_prefix_of_some_names_only_is_not_taken_off(folder):
    edit(folder / "depth.pth", module__extra=torch.ones(1))
    with pytest.raises(NetworkError, match=r"unknown 1 \(module\.extra\)"):
        weights.load_depth(folder, "lite-mono-tiny")


def test_another_variant_is_recognised_behind_a_prefix(tmp_path):
    weights.save_folder(tmp_path / "w", create("lite-mono-8m"), None)
    for name in FILES[:2]:
        tensors = {key: value for key, value in load(tmp_path / "w" / name).items() if torch.is_tensor(value)}
        torch.save({f"module.{key}": value for key, value in tensors.items()}, tmp_path / "w" / name)
    with pytest.raises(NetworkError, match="these are lite-mono-8m weights: --model lite-mono-8m"):
        weights.load_depth(tmp_path / "w", "lite-mono-tiny", height=64, width=96)


def test_files_saved_on_a_gpu_load_without_one(folder, nets, monkeypatch):
    content = load(folder / "depth.pth")
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _storage: "cuda:7")
        torch.save(content, folder / "depth.pth")
    with pytest.raises(Exception, match=r"CUDA|cuda"):
        load(folder / "depth.pth")
    assert same(weights.load_depth(folder, "lite-mono-tiny"), nets[0])


def test_files_in_torchs_old_format_load(folder, nets):
    for name in FILES:
        torch.save(load(folder / name), folder / name, _use_new_zipfile_serialization=False)
    assert same(weights.load_depth(folder, "lite-mono-tiny"), nets[0])


def test_another_size_may_be_asked_for(folder):
    assert (weights.load_depth(folder, "lite-mono-tiny", height=320, width=1024)).width == 1024
    only_height = weights.load_depth(folder, "lite-mono-tiny", height=128)
    assert (only_height.height, only_height.width) == (128, 96)


def test_files_that_do_not_say_their_size_need_one(folder):
    edit(folder / "encoder.pth", height=None, width=None, use_stereo=None)
    with pytest.raises(NetworkError, match=r"encoder\.pth does not say its input size; give --height and --width"):
        weights.load_depth(folder, "lite-mono-tiny")
    assert weights.load_depth(folder, "lite-mono-tiny", height=64, width=64).width == 64
    assert weights.stored_size(folder) == (None, None)


# --- reading: what is refused, and how -------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", networks.names("disparity"))
def test_weights_of_another_variant_are_recognised(tmp_path, stored):
    weights.save_folder(tmp_path / "w", create(stored), None)
    wrong = next(name for name in networks.names("disparity") if name != stored)
    with pytest.raises(NetworkError, match=f"encoder.pth: these are {stored} weights: --model {stored}$"):
        weights.load_depth(tmp_path / "w", wrong)


def test_weights_of_another_pose_encoder_are_recognised(folder):
    weights.save_folder(folder, create(), networks.create_pose(34))
    with pytest.raises(NetworkError, match="pose_encoder.pth: these belong to a ResNet-34 pose net: --num_layers 34"):
        weights.load_into(folder, create(), networks.create_pose(18))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"decoder__0__conv__conv__weight": None}, r"missing 1 \(decoder\.0\.conv\.conv\.weight\)"),
        ({"extra__weight": torch.ones(1)}, r"unknown 1 \(extra\.weight\)"),
        (
            {"decoder__8__conv__bias": torch.ones(7)},
            r"another shape in 1 \(decoder\.8\.conv\.bias is \(7,\), not \(1,\)",
        ),
        ({"decoder__8__conv__bias": 0.5}, r"decoder\.8\.conv\.bias is a float, not \(1,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named_and_nothing_is_loaded(folder, nets, changes, message):
    edit(folder / "depth.pth", **changes)
    depth = create()
    before = copy.deepcopy(depth)
    with pytest.raises(NetworkError, match=r"depth\.pth does not fit lite-mono-tiny.*" + message):
        weights.load_into(folder, depth, None)
    assert same(depth, before)


def test_long_lists_of_tensors_are_cut(folder):
    torch.save({"a": torch.ones(1)}, folder / "encoder.pth")
    with pytest.raises(NetworkError, match=r"missing 224 \(.*, \.\.\.\); unknown 1 \(a\)$") as caught:
        weights.load_depth(folder, "lite-mono-tiny", height=64, width=96)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", FILES)
def test_missing_files_are_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        NetworkError, match=f"weights_3 has no {re.escape(name)}; (give the folder of one epoch|needed here are)"
    ):
        weights.load_into(folder, create(), networks.create_pose())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), keep=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_named(folder, name, keep):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(keep * len(whole))])
    try:
        with pytest.raises(NetworkError, match=f"{re.escape(name)} .*cut short, damaged or not a weights file"):
            weights.load_into(folder, create(), networks.create_pose())
    finally:
        (folder / name).write_bytes(whole)


def test_other_files_are_refused_by_name(folder):
    for content in (b"", b"<html>404 not found</html>", bytes(range(256)) * 40):
        (folder / "depth.pth").write_bytes(content)
        with pytest.raises(NetworkError, match=r"depth\.pth .*not a weights file"):
            weights.load_depth(folder, "lite-mono-tiny")
    torch.save(torch.ones(3), folder / "depth.pth")
    with pytest.raises(NetworkError, match="holds a Tensor, not named tensors"):
        weights.load_depth(folder, "lite-mono-tiny")


def test_pickled_objects_are_refused_and_not_run(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"model": Trap()}, folder / "depth.pth")
    with pytest.raises(NetworkError, match="only tensors and plain values are loaded"):
        weights.load_depth(folder, "lite-mono-tiny")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("value, message", [("192", "stored input size is '192'"), (16, "at least 32")])
def test_bad_stored_sizes_are_refused(folder, value, message):
    edit(folder / "encoder.pth", height=value)
    with pytest.raises(NetworkError, match=message):
        weights.load_depth(folder, "lite-mono-tiny")
