"""The demo: the whole story on a very small world."""

import json

import pytest
from PIL import Image

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


def test_a_command_that_fails_ends_the_demo_with_its_own_words_and_status(tmp_path, command):
    done = command("litemono.demo", "--output", tmp_path / "demo", *TINY, "--lr", "-1", "1")
    assert done.returncode == 2
    assert "--lr" in done.stderr and "Traceback" not in done.stderr


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
