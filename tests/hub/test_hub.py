"""litemono export --hub: a folder in Hugging Face's layout, read back by litemono.load."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import yaml
from parity_recipes import fill
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_kitti import assert_refused, invoke, snapshot, write_weights

import litemono
import networks
from litemono.export import main
from litemono.predict import main as predict
from litemono.utils.errors import UserError
from networks import weights

pytestmark = pytest.mark.usefixtures("one_thread")
METRICS = {
    name: 0.1 + number / 10 for number, name in enumerate(("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3"))
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """models/last of a run with settings and a result of evaluate."""
    root = tmp_path_factory.mktemp("secret") / "home" / "jane" / "run"
    folder = write_weights(root / "models" / "last")
    settings = {
        "model": {"model": "lite-mono-tiny", "load_weights": "/home/jane/other"},
        "loss": {"loss": "silog-bts", "min_depth": 1.0, "max_depth": 80.0},
        "data": {"data_path": "/home/jane/kitti", "dataset": "kitti", "split": "/home/jane/lists/mine"},
        "optim": {"batch_size": 12, "lr": [1e-4, 5e-6], "num_epochs": 30},
        "run": {"seed": 3, "log_dir": "/home/jane/runs"},
    }
    (root / "config.json").write_text(json.dumps(settings))
    result = {
        "split": "eigen", "data": "kitti", "evaluated": 697, "metrics": METRICS,
        "protocol": {"name": "eigen", "alignment": "none", "cap": 80.0, "post_process": False},
        "intervals": {"drives": {"abs_rel": [0.08, 0.12]}},
    }  # fmt: skip
    (folder / "eval_eigen.json").write_text(json.dumps(result))
    (folder / "eval_damaged.json").write_text('{"metrics": {"abs_rel": "many"}')
    return folder


@pytest.fixture
def export(capsys):
    return lambda *args: invoke(main, capsys, *args)


def test_the_folder_predicts_what_the_weights_predict(export, capsys, run_folder, tmp_path):
    hub = tmp_path / "hub"
    outcome = export("--load_weights", run_folder, "--hub", hub)
    assert outcome.code == 0 and "read back, tensors are equal" in outcome.out, outcome
    assert snapshot(hub) == {"model.safetensors", "config.json", "README.md"}
    image = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    found, expected = litemono.load(weights=hub), litemono.load(weights=run_folder)
    assert (found.name, found.size, found.kind) == ("lite-mono-tiny", (32, 64), "metric")
    np.testing.assert_array_equal(found.predict(image).disparity, expected.predict(image).disparity)
    assert found.predict(image).depth_range == (1.0, 80.0)
    Image.fromarray(image).save(tmp_path / "a.png")
    done = invoke(predict, capsys, "--load_weights", hub, "--input", tmp_path / "a.png", "--output", tmp_path / "out")
    assert done.code == 0 and snapshot(tmp_path / "out") == {"a_disp.jpeg"}
    assert export("--load_weights", run_folder, "--hub", hub).code == 0  # its own folder may be replaced


def test_the_card_says_training_and_results_and_nothing_private(export, run_folder, tmp_path):
    assert export("--load_weights", run_folder, "--hub", tmp_path / "hub").code == 0
    text = (tmp_path / "hub" / "README.md").read_text()
    header = yaml.safe_load(text.split("---")[1])
    assert (header["library_name"], header["pipeline_tag"]) == ("litemono", "depth-estimation")
    values = header["model-index"][0]["results"][0]["metrics"]
    assert {entry["type"]: entry["value"] for entry in values} == {
        name: round(value, 4) for name, value in METRICS.items()
    }
    for expected in (
        "| dataset | kitti |", "| split | mine |", "| lr | 0.0001, 5e-06 |", "| num_epochs | 30 |", "| loss: loss | silog-bts |",
        "697 images", "alignment none", "cap 80.0", "| abs_rel | 0.100 | 0.080 to 0.120 |", "bootstrap over drives",
        "inverse depth in 1/metres",
    ):  # fmt: skip
        assert expected in text, expected
    for name in snapshot(tmp_path / "hub"):
        assert b"jane" not in (tmp_path / "hub" / name).read_bytes()


def test_weights_from_elsewhere_say_that_nothing_is_known(export, tmp_path):
    folder = write_weights(tmp_path / "weights")
    assert export("--load_weights", folder, "--model", "lite-mono-tiny", "--hub", tmp_path / "hub").code == 0
    text = (tmp_path / "hub" / "README.md").read_text()
    assert "Not recorded: the weights come from elsewhere" in text and "Not evaluated" in text
    assert litemono.load(weights=tmp_path / "hub").kind == "up-to-scale"


def test_a_network_of_relative_depth_comes_back_with_its_attention_and_metric_head(export, tmp_path):
    net = networks.create("dpt-tiny", height=64, width=96, attention="performer").eval()
    fill(net.encoder)
    fill(net.decoder)
    net.metric_head = networks.metric_head.METRIC_HEADS["kitti"]
    weights.save_folder(tmp_path / "dpt", net, None)
    assert export("--load_weights", tmp_path / "dpt", "--hub", tmp_path / "hub").code == 0
    found, expected = (litemono.load(weights=tmp_path / name) for name in ("hub", "dpt"))
    assert found.kind == "metric" and found._trained.net.attention == "performer"
    image = np.zeros((64, 96, 3), np.uint8)
    np.testing.assert_array_equal(found.predict(image).disparity, expected.predict(image).disparity)


# ---------------------------------------------------------------- bad input


def test_folders_of_others_are_left_alone(export, run_folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    (tmp_path / "file").write_text("x")
    before = snapshot(tmp_path)
    for place in ("mine", "file"):
        assert_refused(export("--load_weights", run_folder, "--hub", tmp_path / place), "holds something else")
    assert_refused(export("--load_weights", run_folder, "--hub", tmp_path / "file" / "hub"), "cannot be written")
    both = ("--hub", tmp_path / "hub", "--output", tmp_path / "a.onnx")
    assert_refused(export("--load_weights", run_folder, *both), "--hub and --output", "give one")
    assert_refused(export("--load_weights", tmp_path / "nowhere", "--hub", tmp_path / "hub"), "no such folder")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda hub: _change(hub, lambda config: config.update(library_name="timm")), "download the whole repository"),
        (lambda hub: (hub / "config.json").write_text("{"), "config.json is damaged"),
        (lambda hub: (hub / "config.json").unlink(), "download the whole repository"),
        (lambda hub: (hub / "model.safetensors").write_bytes(b"cut"), "cut short, damaged"),
        (lambda hub: _change(hub, lambda config: config["network"].pop("height")), "config.json is damaged"),
        (lambda hub: _change(hub, lambda config: config["network"].update(network="vgg")), "config.json is damaged"),
        (lambda hub: _rename_tensor(hub / "model.safetensors"), "does not fit lite-mono-tiny: tensors missing"),
        (
            lambda hub: _change(hub, lambda config: config["network"].update(height=math.inf)),
            "config.json is damaged .*cannot convert float infinity",
        ),
        (
            lambda hub: _change(hub, lambda config: config["network"].update(attention="a" * 5000)),
            "^--attention a{100}: lite-mono-tiny cannot have it",
        ),
    ],
)
def test_damaged_folders_are_refused_in_a_sentence(export, run_folder, tmp_path, damage, words):
    hub = tmp_path / "hub"
    assert export("--load_weights", run_folder, "--hub", hub).code == 0
    damage(hub)
    with pytest.raises(UserError, match=words) as refused:
        litemono.load(weights=hub)
    if "export it again" in str(refused.value):
        assert export("--load_weights", run_folder, "--hub", hub).code == 0
        assert litemono.load(weights=hub).name == "lite-mono-tiny"


def _change(hub, change):
    config = json.loads((hub / "config.json").read_text())
    change(config)
    (hub / "config.json").write_text(json.dumps(config))


def _rename_tensor(path):
    content = load_file(path)
    content["another.name"] = content.pop(next(iter(content)))
    save_file(content, path)


def test_another_model_than_that_of_the_folder_is_refused(export, run_folder, tmp_path):
    assert export("--load_weights", run_folder, "--hub", tmp_path / "hub").code == 0
    with pytest.raises(UserError, match="model=lite-mono-tiny"):
        litemono.load("lite-mono", weights=tmp_path / "hub")


def test_a_repository_is_downloaded_or_said_to_be_out_of_reach(export, run_folder, tmp_path, monkeypatch):
    assert export("--load_weights", run_folder, "--hub", tmp_path / "hub").code == 0
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        if name == "jane/nothing":
            raise OSError("404 Client Error.\nand a long story")
        return str(tmp_path / "hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert litemono.load(weights="jane/street").name == "lite-mono-tiny"
    assert asked == [("jane/street", ["model.safetensors", "config.json", "README.md"])]
    with pytest.raises(UserError, match=r"^weights=jane/nothing: there is no such folder, and .*404 Client Error\.\)"):
        litemono.load(weights="jane/nothing")


def test_nan_is_not_published(export, tmp_path):
    folder = write_weights(tmp_path / "weights")
    content = torch.load(folder / "depth.pth", weights_only=True)
    torch.save({name: torch.full_like(value, float("nan")) for name, value in content.items()}, folder / "depth.pth")
    outcome = export("--load_weights", folder, "--model", "lite-mono-tiny", "--hub", tmp_path / "hub")
    assert_refused(outcome, "so nothing was kept; NaN in it?")
    assert snapshot(tmp_path) == {"weights", *(f"weights/{name}" for name in snapshot(folder))}
