"""evaluate --split odom_09, as users run it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from evo.tools import file_interface
from parity_recipes import fill
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot

import networks
from evaluate.__main__ import main
from evaluate.odometry.trajectory import align, chained, motions_of, snippet_ates, trajectory_errors, write_poses
from litemono.data.splits import SPLITS, read_split
from litemono.utils.commit import typed_command
from networks import weights

FRAMES = 7


def true_poses() -> np.ndarray:
    """A curve, in metres."""
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for i, angle in enumerate(np.linspace(0, 0.6, FRAMES)):
        poses[i, :3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        poses[i, :3, 3] = 10 * (1 - np.cos(angle)), 0.1 * i * i, 10 * np.sin(angle)
    return poses


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Seven frames of "sequence 09" and a folder with a pose network."""
    root = tmp_path_factory.mktemp("odometry")
    images, poses = root / "data" / "sequences" / "09" / "image_2", root / "data" / "poses"
    images.mkdir(parents=True)
    poses.mkdir()
    for frame in range(FRAMES):
        pixels = np.random.default_rng(frame).integers(0, 256, (48, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{frame:06d}.png")
    write_poses(poses / "09.txt", true_poses())
    net, pose = networks.create("lite-mono-tiny", height=32, width=64), networks.create_pose(18)
    fill(net.encoder), fill(net.decoder), fill(pose.encoder), fill(pose.decoder)
    weights.save_folder(root / "models" / "last", net, pose)
    return root


@pytest.fixture
def run(ready, capsys):
    def evaluate(*flags, split="odom_09", data_path=ready / "data"):
        given = () if data_path is None else ("--data_path", data_path)
        return invoke(main, capsys, "--split", split, *given, *flags)

    return evaluate


def test_the_command_agrees_with_an_independent_computation(run, ready):
    made_by = {"litemono": "0.2.0", "commit": "a" * 40, "diff": "", "command": "python -m litemono.submit --lr 1"}
    (ready / "attempts.jsonl").write_text(json.dumps({**made_by, "attempt": 1}) + "\n")
    outcome = run("--load_weights", ready / "models" / "last", "--batch_size", "4")
    assert outcome.code == 0, outcome
    found = json.loads((ready / "models" / "last" / "odom_09.json").read_text())
    assert found["training"] == [made_by] and found["code"]["command"] == typed_command()
    pose, motions = weights.load_pose(ready / "models" / "last").eval(), []
    files = sorted((ready / "data" / "sequences" / "09" / "image_2").iterdir())
    images = [torch.tensor(np.asarray(Image.open(file).resize((64, 32), Image.LANCZOS))) for file in files]
    for first, second in zip(images, images[1:], strict=False):
        with torch.no_grad():
            axisangle, translation = pose(*(image.permute(2, 0, 1)[None] / 255 for image in (first, second)))
        angle = float(axisangle.norm())
        x, y, z = (axisangle[0] / angle).double().numpy()
        K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        T = np.eye(4)
        T[:3, :3] = np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K
        T[:3, 3] = translation[0]
        motions.append(T)
    truth, poses = true_poses(), chained(np.stack(motions))
    snippets, fit = snippet_ates(np.stack(motions), motions_of(truth)), align(poses, truth)
    assert found["ate_5_frames"] == pytest.approx(snippets.mean(), rel=1e-4)  # float32 in batches of other sizes
    errors = trajectory_errors(fit.applied(poses), truth)
    kept = [found[name] for name in ("ate", "rpe_translation", "rpe_rotation")]
    assert kept == pytest.approx(list(errors), rel=1e-3)
    assert f"{found['ate']:.3f}" in outcome.out and found["frames"] == FRAMES
    written = file_interface.read_kitti_poses_file(ready / "models" / "last" / "odom_09.txt")
    assert np.stack(written.poses_se3) == pytest.approx(poses, abs=1e-5)


def test_a_trajectory_of_another_program_is_judged_up_to_its_scale(run, ready, tmp_path):
    scaled = true_poses()
    scaled[:, :3, 3] /= 25
    write_poses(tmp_path / "mine.txt", scaled)
    outcome = run("--pred", tmp_path / "mine.txt", split="odom_9")
    assert outcome.code == 0, outcome
    found = json.loads((tmp_path / "mine_odom_09.json").read_text())
    assert found["scale"] == pytest.approx(25) and found["ate"] < 1e-6 and found["ate_5_frames"] < 1e-6
    assert snapshot(tmp_path) == {"mine.txt", "mine_odom_09.json"}


def test_a_camera_that_stands_has_no_scale(run, tmp_path):
    write_poses(tmp_path / "still.txt", np.tile(np.eye(4), (FRAMES, 1, 1)))
    outcome = run("--pred", tmp_path / "still.txt")
    assert outcome.code == 0 and "no similarity" in outcome.out
    assert json.loads((tmp_path / "still_odom_09.json").read_text())["ate"] is None


@pytest.mark.parametrize("sequence", ["09", "10"])
def test_the_published_lists_are_all_frames_but_the_last(sequence):
    lines = read_split(SPLITS / "odom" / f"test_files_{sequence}.txt")
    assert [line.frame for line in lines] == list(range(len(lines))) and {line.side for line in lines} == {"l"}


def test_what_is_missing_or_does_not_fit_is_refused(run, ready, tmp_path):
    before = snapshot(ready)
    folder = ready / "models" / "last"
    depth_only = tmp_path / "depth_only"
    weights.save_folder(depth_only, networks.create("lite-mono-tiny", height=32, width=64), None)
    assert_refused(run("--load_weights", depth_only), "pose_encoder.pth", "pose.pth")
    assert_refused(run("--load_weights", folder, split="odom_11"), "odom_11", "00 to 10")
    assert_refused(run("--load_weights", folder, split="odom_08"), "poses/08.txt", "no such file")
    assert_refused(run("--load_weights", folder, data_path=None), "--data_path KITTI_ODOMETRY")
    assert_refused(run("--load_weights", folder, "--protocol", "bts"), "--protocol does not go with --split odom_09")
    assert_refused(run("--load_weights", folder, "--corruptions", "fog"), "--corruptions does not go")
    assert_refused(run(), "either --load_weights", "--pred")
    write_poses(tmp_path / "short.txt", true_poses()[:3])
    assert_refused(run("--pred", tmp_path / "short.txt"), "3 poses", "has 7")
    write_poses(tmp_path / "long.txt", np.concatenate([true_poses(), true_poses()]))
    outcome = run("--load_weights", folder, "--gt_path", tmp_path / "long.txt")
    assert_refused(outcome, "long.txt: 7 of 13 test images are missing")
    assert snapshot(ready) == before
