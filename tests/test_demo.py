"""The demo: the whole story on a very small world."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from conftest import ROOT
from PIL import Image
from tiny_kitti import assert_refused, invoke

from litemono.demo import main
from litemono.demos import DEMOS

TINY = ("--drives=3", "--frames_per_drive=4", "--height=32", "--width=96", "--num_epochs=1", "--batch_size=2",
        "--model=lite-mono-tiny", "--num_workers=1")  # fmt: skip


def demo(output: Path, *flags: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "litemono.demo", f"--output={output}", *TINY, *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return processes.start(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The folder of a demo, and how it ended."""
    tiny = tmp_path_factory.mktemp("finished") / "demo"
    return tiny, processes.finish(demo(tiny))


@pytest.fixture
def rendered(finished, tmp_path) -> Path:
    """The folder of a demo that has only rendered its world."""
    shutil.copytree(finished[0] / "world", tmp_path / "demo/world")
    return tmp_path / "demo"


def test_the_story_runs_from_rendering_to_pictures(finished):
    tiny, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    for module in ("litemono.train", "export_gt", "evaluate", "litemono.predict"):
        assert f"$ python -m {module} " in done.stdout
    for name in ("trained here", "untrained", "one depth", "the best", "flat road"):
        assert name in done.stdout
    untrained = json.loads((tiny / "untrained" / "eval_street.json").read_text())["metrics"]["abs_rel"]
    assert f"{untrained:.3f}" in done.stdout
    assert Image.open(tiny / "demo.png").width > 600
    assert len(list((tiny / "pictures").glob("*_disp.jpeg"))) == 4


def test_a_command_that_fails_ends_the_demo_with_its_message_and_status(rendered):
    (rendered / "runs").touch()
    done = processes.finish(demo(rendered))
    assert done.returncode == 2
    assert "demo/runs" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("task", DEMOS)
@pytest.mark.parametrize(
    "flags", [("--batch_size", 0), ("--num_epochs", 0), ("--num_workers", 0), ("--seed", -1), ("--lr", "inf")]
)
def test_what_the_training_would_refuse_is_refused_before_anything_is_rendered(tmp_path, capsys, task, flags):
    flags = (*flags, 1e-4) if flags[0] == "--lr" and task == "monodepth" else flags
    outcome = invoke(main, capsys, "--task", task, "--output", tmp_path / "demo", *flags)
    assert_refused(outcome, flags[0])
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("flags", [("--height=16",), ("--model=lite-mono-huge",)])
def test_what_no_network_has_is_refused_before_anything_is_rendered(tmp_path, command, flags):
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY, *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path, command):
    (tmp_path / "file").write_text("")
    done = command("litemono.demo", "--output", tmp_path / "file")
    assert done.returncode == 2
    assert "--output" in done.stderr and "Traceback" not in done.stderr


def processes_with(word: str) -> list[str]:
    """Command lines of running processes that contain the word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue
        found += [line] if word in line else []
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="asks Linux for its processes")
def test_a_signal_ends_the_demo_and_the_command_that_it_runs_and_the_same_command_continues(rendered):
    log = rendered / "runs/street/log.txt"
    for signum, sign in ((signal.SIGTERM, "epoch 2/"), (signal.SIGINT, "resumed at step")):
        process = demo(rendered, "--num_epochs=10000")
        processes.wait_until(sign, lambda sign=sign: log.exists() and sign in log.read_text(), by=process)
        process.send_signal(signum)  # to the demo alone, as `kill` does
        done = processes.finish(process, 60)
        said = done.stdout + done.stderr
        assert done.returncode == 128 + signum, said
        assert "the same command resumes" in said and "Interrupted: the same command continues from here." in said
        assert not processes_with(str(rendered)), "a process that the demo started is still running"
