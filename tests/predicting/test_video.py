"""Films, cameras and patterns in; films, points and numbers out; an interrupted run continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from films import FRAMES, SIZE, noise, pixels, read_film, write_film
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot, write_weights

import litemono
from litemono.predict import main
from litemono.predicting import camera, resume
from litemono.predicting.pipeline import Pipeline

av = pytest.importorskip("av")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture
def run(capsys, tiny):
    flags = ("--load_weights", tiny, "--model", "lite-mono-tiny", "--device", "cpu", "--backend", "torch")
    return lambda *more: invoke(main, capsys, *flags, *more)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "drive.mp4")


def test_a_film_becomes_a_film_of_input_and_depth_side_by_side(run, film, tiny, tmp_path):
    outcome = run("--input", film, "--output", tmp_path)
    assert outcome.code == 0 and "drive_disp.mp4: 12 frames; by torch" in outcome.out
    assert snapshot(tmp_path) == {"drive_disp.mp4"}
    shown, times = read_film(tmp_path / "drive_disp.mp4")
    assert times == pytest.approx([index / 10 for index in range(FRAMES)])
    network = litemono.load("lite-mono-tiny", weights=tiny)
    for index, picture in enumerate(shown):
        assert picture.shape == (64, 192, 3)
        # encoded two times, with colours at half the size
        assert np.abs(picture[:, :96] - pixels(index)).mean() < 6
        depth = np.asarray(network.predict(pixels(index)).picture).astype(int)
        assert np.abs(picture[:, 96:] - depth).mean() < 25


def test_films_keep_the_times_of_their_input(run, tmp_path):
    with av.open(str(tmp_path / "uneven.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = SIZE
        for index, pts in enumerate((0, 3, 4, 12)):
            frame = av.VideoFrame.from_ndarray(pixels(index), "rgb24")
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert run("--input", tmp_path / "uneven.mp4", "--video", "depth").code == 0
    shown, times = read_film(tmp_path / "uneven_disp.mp4")
    assert times == pytest.approx([0, 3 / 30, 4 / 30, 12 / 30], abs=1e-4) and shown[0].shape == (64, 96, 3)


def test_a_phones_film_is_seen_upright(run, film, tmp_path):
    """Its frames lie on their side, and the track's matrix says so."""
    content = bytearray(film.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # by 90 degrees, clockwise
    content[matrix : matrix + 36] = np.array(turned, ">i4").tobytes()
    (tmp_path / "phone.mp4").write_bytes(content)
    assert run("--input", tmp_path / "phone.mp4", "--max_frames", 1).code == 0
    shown = read_film(tmp_path / "phone_disp.mp4")[0][0]
    assert shown.shape == (96, 128, 3)
    assert np.abs(shown[:, :64] - np.rot90(pixels(0), -1)).mean() < 6


def test_a_pattern_of_images_becomes_a_film_points_and_numbers(run, tiny, tmp_path):
    for index in range(3):
        Image.fromarray(pixels(index)[:63, :95]).save(tmp_path / f"{index}.png")
    out = tmp_path / "out"
    flags = ("--output", out, "--video", "depth", "--fps", 5, "--save_npy", "--ply", "--intrinsics", "50,60,40,30")
    assert run("--input", tmp_path / "*.png", *flags).code == 0
    name = f"{tmp_path.name}_disp.mp4"
    made = {f"{index}{end}" for index in range(3) for end in ("_disp.npy", "_points.ply")}
    assert snapshot(out) == {name, *made}
    shown, times = read_film(out / name)
    assert times == pytest.approx([0, 0.2, 0.4]) and shown[0].shape == (62, 94, 3)  # H.264 has even sizes

    header, points = (out / "1_points.ply").read_bytes().split(b"end_header\n")
    assert b"element vertex 5985" in header and b"unknown unit" in header
    points = np.frombuffer(points, [("xyz", "<f4", 3), ("rgb", "u1", 3)]).reshape(63, 95)
    depth = litemono.load("lite-mono-tiny", weights=tiny).predict(tmp_path / "1.png").depth
    np.testing.assert_array_equal(points["rgb"], pixels(1)[:63, :95])
    np.testing.assert_allclose(points["xyz"][..., 2], depth, rtol=1e-5)
    np.testing.assert_allclose(points["xyz"][20, 70], depth[20, 70] * np.array([30 / 50, -10 / 60, 1]), rtol=1e-5)


def test_without_a_film_each_frame_has_its_files(run, film, tmp_path):
    assert run("--input", film, "--output", tmp_path, "--video", "none", "--max_frames", 2, "--depth_png").code == 0
    assert snapshot(tmp_path / "drive") == {
        f"00000{index}{end}" for index in (0, 1) for end in ("_disp.jpeg", "_depth.png")
    }


CLOSE_EARLY = """
import sys
from pathlib import Path
from litemono.predicting.video import Video
for _ in range(200):
    frames = Video(Path(sys.argv[1])).frames(0)
    next(frames).read(), next(frames).read()
    frames.close()
"""


def test_a_film_that_is_closed_early_does_not_hang(tmp_path):
    """A decoder's threads are at work when it is closed. In a process of its own, which a hang cannot keep."""
    film = write_film(tmp_path / "noise.mp4", frames=24, picture=noise)
    subprocess.run([sys.executable, "-c", CLOSE_EARLY, film], cwd=ROOT, check=True, timeout=120)


# ---------------------------------------------------------------- interruptions


@pytest.mark.parametrize("flags", [(), ("--smooth", 0.8), ("--video", "none")])
def test_an_interrupted_run_continues_where_it_was(run, film, tmp_path, monkeypatch, flags):
    monkeypatch.setattr(resume, "EVERY", 4)
    command = ("--input", film, "--save_npy", *flags)
    assert run(*command, "--output", tmp_path / "whole").code == 0
    predict, calls = Pipeline._predict, []

    def interrupted(self, batch):
        calls.append(batch)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return predict(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "_predict", interrupted)
        stopped = run(*command, "--output", tmp_path / "parts", "--num_workers", 1)
    assert stopped.code == 130 and "the same command continues after frame" in stopped.err
    record = json.loads((tmp_path / "parts" / "drive_disp.partial" / "progress.json").read_text())
    assert record["done"] in (4, 8)
    assert not (tmp_path / "parts" / "drive_disp.mp4").exists()
    outcome = run(*command, "--output", tmp_path / "parts")
    assert outcome.code == 0 and f"continues after frame {record['done']} of an earlier run" in outcome.out
    assert "12 " in outcome.out.splitlines()[-1]
    assert snapshot(tmp_path / "parts") == snapshot(tmp_path / "whole")
    for index in range(FRAMES):
        first, second = (np.load(tmp_path / end / f"drive/{index:06}_disp.npy") for end in ("whole", "parts"))
        np.testing.assert_allclose(first, second, rtol=1e-6)  # the state of --smooth passes through text
    if "none" not in flags:
        (shown, times), (again, same) = (read_film(tmp_path / end / "drive_disp.mp4") for end in ("whole", "parts"))
        assert times == same and len(shown) == FRAMES
        assert max(np.abs(a - b).mean() for a, b in zip(shown, again, strict=True)) < 4  # a new part is encoded anew


def test_other_settings_begin_anew(run, film, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "EVERY", 2)
    partial = tmp_path / "drive_disp.partial"
    partial.mkdir()
    record = resume.Progress("another digest", done=6, written=6, parts=3)
    resume.save(partial, record)
    (partial / "000000.mp4").write_bytes(b"of another network")
    outcome = run("--input", film, "--output", tmp_path)
    assert outcome.code == 0 and "continues" not in outcome.out
    assert len(read_film(tmp_path / "drive_disp.mp4")[0]) == FRAMES and snapshot(tmp_path) == {"drive_disp.mp4"}
    partial.mkdir()
    (partial / "thesis.tex").write_text("all of it")
    assert_refused(run("--input", film, "--output", tmp_path), "drive_disp.partial: holds thesis.tex", "take it away")
    (partial / "thesis.tex").unlink()
    assert run("--input", film, "--output", tmp_path).code == 0


def test_memory_does_not_grow_with_the_film(run, tmp_path, monkeypatch):
    """Frames that were read and are not yet written."""
    film = write_film(tmp_path / "long.mp4", frames=200)
    read, alive, most = Pipeline._read, [], []
    monkeypatch.setattr(Pipeline, "_read", lambda self, frame: alive.append(frame.index) or read(self, frame))

    from litemono.predicting.outputs import FrameFiles

    write = FrameFiles.write

    def written(self, prediction):
        most.append(len(alive))
        alive.remove(prediction.picture.frame.index)
        return write(self, prediction)

    monkeypatch.setattr(FrameFiles, "write", written)
    assert run("--input", film, "--num_workers", 2).code == 0
    assert len(most) == 200 and max(most) <= 20


# ---------------------------------------------------------------- broken input


def test_broken_frames_are_counted_and_passed_over(run, tmp_path):
    film = write_film(tmp_path / "scratched.avi", "mjpeg", picture=noise)
    content = bytearray(film.read_bytes())
    starts = [index for index in range(len(content) - 2) if content[index : index + 3] == b"\xff\xd8\xff"]
    assert len(starts) == FRAMES
    for start in (starts[3], starts[7]):
        content[start + 700 : start + 1500] = b"\xff" * 800
    film.write_bytes(content)
    outcome = run("--input", film)
    assert outcome.code == 0 and "2 of 12 frames of" in outcome.out and "were passed over" in outcome.out
    _, times = read_film(tmp_path / "scratched_disp.mp4")
    assert times == pytest.approx([index / 10 for index in range(FRAMES) if index not in (3, 7)], abs=1e-3)


def test_a_film_that_ends_early_keeps_what_is_there(run, tmp_path):
    film = write_film(tmp_path / "cut.mp4", frames=40, picture=noise, movflags="faststart")
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    outcome = run("--input", film)
    assert_refused(outcome, "cut.mp4: ends after", "of its 40 frames", "not complete")
    assert 1 < len(read_film(tmp_path / "cut_disp.mp4")[0]) < 40


def test_what_is_no_film_is_refused_in_a_sentence(run, film, tmp_path, monkeypatch):
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:500])  # without its table of contents
    (tmp_path / "empty.mov").touch()
    (tmp_path / "text.avi").write_text("no film")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    before = snapshot(tmp_path)
    for name in ("cut.mp4", "empty.mov", "text.avi"):
        assert_refused(run("--input", tmp_path / name), f"{name}: cannot be read as a video", "is the file complete?")
    assert_refused(run("--input", tmp_path / "sound.mp4"), "sound.mp4: has no pictures")
    assert_refused(run("--input", tmp_path / "*.mp4"), "matches 2 files with a video among them")
    assert_refused(run("--input", tmp_path / "*.jpg"), "no file matches this pattern")
    monkeypatch.setitem(sys.modules, "av", None)
    assert_refused(run("--input", film), "videos need PyAV; pip install 'litemono[video]'")
    assert snapshot(tmp_path) == before


def test_flags_that_cannot_work_are_refused_before_any_work(run, film, tmp_path):
    before = snapshot(tmp_path)
    start = ("--input", film, "--output", tmp_path / "out")
    assert_refused(run(*start, "--ply"), "--ply and --intrinsics", "give both")
    assert_refused(run(*start, "--ply", "--intrinsics", "calib"), "--intrinsics calib: points need numbers")
    assert_refused(run(*start, "--ply", "--intrinsics", "1,2"), "--intrinsics 1,2")
    assert_refused(run(*start, "--smooth", 1), "--smooth 1: must be at least 0 and below 1")
    assert_refused(run(*start, "--fps", 0), "--fps 0")
    assert_refused(run(*start, "--max_frames", 0), "--max_frames 0")
    assert_refused(run("--input", film, "--output", film / "out"), "cannot be written", "is a file", "--output")
    assert snapshot(tmp_path) == before


def test_a_folder_without_permission_is_refused(run, film, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may write everywhere
    assert_refused(run("--input", film, "--output", tmp_path / "out"), "cannot be written (no permission)", "--output")
    assert not snapshot(tmp_path)


# ---------------------------------------------------------------- cameras


def test_a_camera_films_until_it_is_interrupted(run, tmp_path, monkeypatch):
    class FakeCapture:
        def __init__(self, index):
            self.read_so_far = 0

        def isOpened(self):  # noqa: N802  # OpenCV's name
            return True

        def get(self, what):
            return 0.0

        def read(self):
            self.read_so_far += 1
            if self.read_so_far == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return True, pixels(self.read_so_far - 1)[:, :, ::-1]

        def release(self):
            pass

    monkeypatch.setattr("cv2.VideoCapture", FakeCapture)
    before = signal.getsignal(signal.SIGINT)
    outcome = run("--input", 0, "--output", tmp_path)
    assert outcome.code == 0 and "camera0_disp.mp4: 5 frames" in outcome.out, outcome
    shown, _ = read_film(tmp_path / "camera0_disp.mp4")
    assert len(shown) == 5 and np.abs(shown[4][:, :96] - pixels(4)).mean() < 6
    assert signal.getsignal(signal.SIGINT) is before


def test_a_camera_that_is_not_there_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(run("--input", 77), "--input 77: there is no such camera", "./77")
    assert camera.Path.cwd() == tmp_path and not snapshot(tmp_path)
