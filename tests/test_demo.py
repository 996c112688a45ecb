"""The demo: the whole story on a very small world."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image
from tiny_kitti import assert_refused, invoke

from litemono.demo import main
from litemono.demos import DEMOS

TINY = ("--drives=3", "--frames_per_drive=4", "--height=32", "--width=96", "--num_epochs=1", "--batch_size=2",
        "--model=lite-mono-tiny", "--num_workers=1")  # fmt: skip


def test_the_story_runs_from_rendering_to_pictures(tmp_path, command):
    tiny = tmp_path / "demo"
    done = command("litemono.demo", "--output", tiny, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    for module in ("litemono.train", "export_gt", "evaluate", "litemono.predict"):
        assert f"$ python -m {module} " in done.stdout
    for name in ("trained here", "untrained", "one depth", "the best", "flat road"):
        assert name in done.stdout
    untrained = json.loads((tiny / "untrained" / "eval_street.json").read_text())["metrics"]["abs_rel"]
    assert f"{untrained:.3f}" in done.stdout
    assert Image.open(tiny / "demo.png").width > 600
    assert len(list((tiny / "pictures").glob("*_disp.jpeg"))) == 4


def test_a_command_that_fails_ends_the_demo_with_its_message_and_status(tmp_path, command):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/runs").touch()
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY)
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
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_demo_and_the_command_that_it_runs(tmp_path, signum):
    output = tmp_path / "demo"
    log = output / "runs/street/log.txt"
    flags = [*TINY, "--num_epochs=10000"]
    words = [sys.executable, "-m", "litemono.demo", f"--output={output}", *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    demo = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        until = time.monotonic() + 120
        while (
            demo.poll() is None
            and time.monotonic() < until
            and "epoch 2/" not in (log.read_text() if log.exists() else "")
        ):
            time.sleep(0.1)
        demo.send_signal(signum)  # to the demo alone, as `kill` does
        out, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode == 128 + signum, out
    assert "the same command resumes" in out and "Interrupted: the same command continues from here." in out
    assert not processes_with(str(output)), "a process that the demo started is still running"
