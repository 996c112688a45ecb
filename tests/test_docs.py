"""What the documentation shows is run, in a copy of the checkout with the shown files in their places."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from tiny_kitti import write_weights

SECTIONS = {
    "A network": ["networks/plain.py", "networks/registry.py"],
    "A data set": ["litemono/data/datasets/robot.py", "litemono/data/datasets/registry.py"],
    "A task": ["litemono/tasks/mean_colour.py", "train_mean_colour.py"],
}
SIZE = ["--height", "32", "--width", "64", "--batch_size", "2"]
TWO_STEPS = [
    *SIZE,
    "--num_epochs",
    "1",
    "--max_steps",
    "2",
    "--device",
    "cpu",
    "--num_workers",
    "0",
    "--log_every",
    "1",
]


def blocks(section: str) -> dict[str, str]:
    """File -> code of a section of docs/extending.md; the file is named in the first line of the code."""
    text = (ROOT / "docs/extending.md").read_text()
    part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", part, re.DOTALL))


def insert(path: Path, before: str, text: str) -> None:
    """Put `text` into a file, in front of the line `before`, which must be there once."""
    source = path.read_text()
    assert source.count(before) == 1, f"{path.name} has changed; so must docs/extending.md"
    path.write_text(source.replace(before, text + before))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the code, extended as the document says."""
    root = tmp_path_factory.mktemp("extended")
    for package in ("litemono", "networks"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "splits").mkdir()
    (module, network), (_, entry) = blocks("A network").items()
    (root / module).write_text(network)
    insert(root / "networks/registry.py", "        *(\n            NetworkSpec(", entry)
    (module, dataset), (registry, line) = blocks("A data set").items()
    (root / module).write_text(dataset)
    imported, assigned = line.strip().split("\n\n")
    before = assigned.replace(", ROBOT", "")
    insert(root / registry, before, f"{imported}\n{assigned}\n")
    (root / registry).write_text((root / registry).read_text().replace(f"{before}\n", ""))
    for module, code in blocks("A task").items():
        (root / module).write_text(code)
    return root


@pytest.fixture(scope="module")
def robot_data(tmp_path_factory) -> Path:
    """Six frames with depth, and the lists."""
    root = tmp_path_factory.mktemp("robot_data")
    (root / "run_3").mkdir()
    rng = np.random.default_rng(0)
    for frame in range(6):
        pixels = rng.integers(0, 256, (40, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "run_3" / f"rgb_{frame:06d}.png")
        depth = rng.integers(2_000, 60_000, (40, 80), dtype=np.uint16)
        Image.fromarray(depth).save(root / "run_3" / f"depth_{frame:06d}.png")
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text("".join(f"run_3 {frame} l\n" for frame in range(1, 5)))
    return root


def python(checkout: Path, *words: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=checkout, env=environment, capture_output=True, text=True, timeout=300
    )


def status(run: Path) -> tuple[str, int]:
    told = json.loads((run / "status.json").read_text())
    return told["state"], told["step"]


@pytest.mark.parametrize(("section", "files"), SECTIONS.items())
def test_each_example_is_short(section, files):
    shown = blocks(section)
    assert [*shown] == files
    for file, code in shown.items():
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) < 40, f"{file}: {len(lines)} lines"


def test_the_network_trains_and_its_weights_are_read_back(checkout, street, tmp_path):
    done = python(
        checkout, "-m", "litemono.train", "--model", "plain", "--scales", 0, "--weights_init", "scratch", *TWO_STEPS,
        "--data_path", street, "--split", street, "--log_dir", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert status(tmp_path / "plain") == ("finished", 2)
    picture = next(street.rglob("*.png"))
    weights = tmp_path / "plain/models/last"
    done = python(
        checkout, "-m", "litemono.predict", "--load_weights", weights, "--input", picture, "--output", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{picture.stem}_disp.jpeg").is_file()


@pytest.mark.parametrize("training", [["train", "--scales", "0", "--weights_init", "scratch"], ["finetune"]])
def test_the_data_set_trains_with_and_without_its_depth(checkout, robot_data, tmp_path, training):
    command, *flags = training
    done = python(
        checkout, "-m", f"litemono.{command}", *flags, *TWO_STEPS, "--model", "plain", "--dataset", "robot",
        "--data_path", robot_data, "--log_dir", tmp_path, "--model_name", "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert status(tmp_path / "run") == ("finished", 2)


def test_an_absent_frame_of_the_data_set_is_named(checkout, robot_data, tmp_path):
    data = Path(shutil.copytree(robot_data, tmp_path / "data"))
    (data / "run_3/rgb_000002.png").unlink()
    done = python(checkout, "-m", "litemono.train", "--dataset", "robot", "--data_path", data, "--model", "plain",
                  "--scales", 0, "--weights_init", "scratch", "--log_dir", tmp_path)  # fmt: skip
    assert done.returncode == 2 and f"no {data}/run_3/rgb_000002.png" in done.stderr


def test_the_task_trains_and_the_same_command_resumes_it(checkout):
    run = checkout / "runs/mean_colour"
    done = python(checkout, "train_mean_colour.py")
    assert done.returncode == 0, done.stderr
    assert status(run) == ("finished", 2)
    weight = torch.load(run / "models/last/net.pth", weights_only=True)["1.weight"]
    assert weight.abs().max() > 0  # it began at 0
    done = python(checkout, "train_mean_colour.py")
    assert done.returncode == 0 and "already finished" in done.stdout

    script = checkout / "train_mean_colour.py"
    script.write_text(script.read_text().replace("max_steps=2", "max_steps=3"))
    done = python(checkout, "train_mean_colour.py")
    assert "resumed at step 2" in done.stdout and status(run) == ("finished", 3), done.stderr


def test_the_python_example_runs_in_the_order_of_the_page(tmp_path, monkeypatch):
    weights = write_weights(tmp_path / "runs/mytrain/models/last")
    (weights / "config.json").write_text(json.dumps({"model": {"model": "lite-mono-tiny"}, "loss": {}}))
    photo = np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "street.jpg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert Image.open("street_depth.png").size == (90, 50)
    assert [np.load(f"depth_{number}.npy").shape for number in range(4)] == [(50, 90)] * 4


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]  # mkdocs checks those of docs/


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_links_are_there(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text())
    folder = (ROOT / document).parent
    assert links or document != "README.md"
    assert all((folder / link).exists() for link in links), links
