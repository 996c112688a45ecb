"""What the documentation shows is run."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from PIL import Image

import networks
from litemono.data.datasets import registry as datasets
from litemono.data.stores.folder import open_store
from networks import registry

pytestmark = pytest.mark.usefixtures("one_thread")


def blocks(section: str) -> list[str]:
    """The Python code of a section of docs/extending.md."""
    text = (ROOT / "docs/extending.md").read_text()
    part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", part, re.DOTALL)


@pytest.mark.parametrize("section", ["A network", "A data set", "A task"])
def test_each_example_is_short(section):
    assert all(len(code.splitlines()) <= 40 for code in blocks(section))


def test_the_network_of_the_docs_trains_and_its_weights_come_back(tmp_path, monkeypatch):
    from litemono.tasks.monodepth_model import DepthPoseModel
    from litemono.tasks.monodepth_settings import LossConfig
    from networks import weights

    module, entry = blocks("A network")
    spec = importlib.util.spec_from_loader("networks.plain", loader=None)
    plain = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "networks.plain", plain)
    exec(module, plain.__dict__)
    monkeypatch.setattr(registry, "SPECS", dict(registry.SPECS))
    exec(entry, {})
    net = networks.create("plain", height=33, width=65)
    assert [tuple(map.shape) for map in net(torch.rand(2, 3, 33, 65))] == [(2, 1, 33, 65)]
    DepthPoseModel(net, networks.create_pose(), LossConfig(scales=(0,)))
    weights.save_folder(tmp_path / "weights", net, None)
    again = weights.load_depth(tmp_path / "weights", "plain")
    assert torch.equal(again.encoder.conv.weight, net.encoder.conv.weight)


def test_the_data_set_of_the_docs_is_read(tmp_path, monkeypatch):
    space: dict = {"__name__": "robot"}
    exec(blocks("A data set")[0], space)
    monkeypatch.setitem(datasets.DATASETS, "robot", space["ROBOT"])
    (tmp_path / "run_3").mkdir()
    Image.new("RGB", (80, 40), (10, 20, 30)).save(tmp_path / "run_3/rgb_000012.png")
    store = open_store("robot", tmp_path, True, 32, 64)
    assert store.has("run_3", 12, "l") and not store.has("run_3", 13, "l")
    assert store.read("run_3", 12, "l").shape == (32, 64, 3)
    assert store.missing("run_3", 13, "l") == f"no {tmp_path}/run_3/rgb_000013.png"


def test_the_task_of_the_docs_learns_and_resumes(tmp_path, capsys):
    task, running = blocks("A task")
    space: dict = {"__name__": "mean", "LOG_DIR": Path(tmp_path)}
    exec(task, space)
    exec(running, space)
    assert space["status"] == 0
    assert json.loads((tmp_path / "mean/status.json").read_text())["state"] == "finished"
    assert 0.5 < torch.load(tmp_path / "mean/models/last/net.pth", weights_only=True)["weight"].item() < 4
    exec(running, space)
    assert "already finished" in capsys.readouterr().out


def test_the_files_that_the_readme_links_are_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links and all((ROOT / link).exists() for link in links), links
