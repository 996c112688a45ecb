"""ImageNet starting points of both encoders, and how they get to machines without internet."""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from parity_recipes import fill
from safetensors.torch import save_file

import networks
from networks import NetworkError, weights

ROOT = Path(__file__).resolve().parents[2]


def create(name: str = "lite-mono-tiny") -> networks.DepthNet:
    return networks.create(name, height=64, width=96)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return [*a] == [*b] and all(torch.equal(a[name], b[name]) for name in a)


# --- ImageNet backbone of the depth encoder --------------------------------------------------------------------------


def backbone(path: Path, name: str = "lite-mono-tiny", drop: tuple[str, ...] = (), **changes: object) -> Path:
    """A file as the published pretraining leaves it: the arguments as an argparse.Namespace, the classifier included."""
    net = create(name)
    fill(net.encoder)
    model = {key: t for key, t in net.encoder.state_dict().items() if key not in drop}
    for key, size in {"norm.weight": 128, "norm.bias": 128, "head.weight": (1000, 128), "head.bias": 1000}.items():
        model[key] = torch.ones(size)
    args = argparse.Namespace(lr=6e-4, model=name, input_size=224, clip_grad=None, opt_betas=[0.9, 0.999])
    content = {"model": {**model, **changes}, "optimizer": {"state": {}}, "epoch": 299, "scaler": {}, "args": args}
    torch.save(content, path)
    return path


@pytest.mark.parametrize("name", networks.names("disparity"))
def test_an_imagenet_backbone_fills_the_encoder_and_reports_what_it_ignored(tmp_path, name, recwarn):
    net = create(name)
    decoder = copy.deepcopy(net.decoder)
    ignored = weights.load_imagenet_encoder(net, backbone(tmp_path / "pretrain.pth", name))
    assert ignored == ["norm.weight", "norm.bias", "head.weight", "head.bias"]
    expected = create(name)
    fill(expected.encoder)
    assert same(net.encoder, expected.encoder) and same(net.decoder, decoder)
    assert not recwarn.list


def test_what_a_backbone_lacks_keeps_its_value_with_a_warning(tmp_path):
    net = create()
    before = net.encoder.state_dict()["stages.0.0.gamma"].clone()
    with pytest.warns(UserWarning, match=r"pretrain\.pth lacks 1 \(stages\.0\.0\.gamma\)"):
        weights.load_imagenet_encoder(net, backbone(tmp_path / "pretrain.pth", drop=("stages.0.0.gamma",)))
    assert torch.equal(net.encoder.state_dict()["stages.0.0.gamma"], before)


@pytest.mark.parametrize(
    "stored, wanted",
    [("lite-mono-small", "lite-mono"), ("lite-mono", "lite-mono-small"), ("lite-mono-8m", "lite-mono")],
)
def test_a_backbone_of_another_variant_is_recognised(tmp_path, stored, wanted):
    net = create(wanted)
    before = copy.deepcopy(net)
    with pytest.raises(NetworkError, match=f"this is a {stored} backbone: --model {stored}"):
        weights.load_imagenet_encoder(net, backbone(tmp_path / "pretrain.pth", stored))
    assert same(net, before)


def test_backbones_that_do_not_fit_are_explained(tmp_path):
    weights.save_folder(tmp_path / "w", create("lite-mono-8m"), None)
    with pytest.raises(NetworkError, match=rf"encoder\.pth has no 'model' entry.*--load_weights {tmp_path}/w, with"):
        weights.load_imagenet_encoder(create(), tmp_path / "w/encoder.pth")
    misshapen = backbone(tmp_path / "a.pth", **{"stages.0.0.gamma": torch.ones(5)})
    with pytest.raises(NetworkError, match=r"another shape in 1 \(stages\.0\.0\.gamma is \(5,\), not \(32,\)\)"):
        weights.load_imagenet_encoder(create(), misshapen)
    torch.save({"model": {"x": torch.ones(1)}}, tmp_path / "b.pth")
    with pytest.raises(NetworkError, match="none of its names is in the encoder"):
        weights.load_imagenet_encoder(create(), tmp_path / "b.pth")
    with pytest.raises(NetworkError, match=r"c\.pth: there is no such file"):
        weights.load_imagenet_encoder(create(), tmp_path / "c.pth")


def test_a_trained_encoder_of_the_same_network_is_a_start_too(tmp_path):
    trained, net = create(), create()
    weights.save_folder(tmp_path / "w", trained, None)
    assert weights.load_imagenet_encoder(net, tmp_path / "w/encoder.pth") == []
    assert same(net.encoder, trained.encoder)


# --- ImageNet weights of the pose encoder ----------------------------------------------------------------------------


def resnet_state(layers: int = 18, counters: bool = True) -> dict[str, torch.Tensor]:
    """What torchvision and timm publish: three input channels; torchvision's files have no batch counters."""
    state = networks.create_pose(layers).encoder.encoder.state_dict()
    state = {name: tensor.clone() for name, tensor in state.items() if counters or "num_batches" not in name}
    state["conv1.weight"] = torch.randn(64, 3, 7, 7)
    return state


@pytest.mark.parametrize("suffix, counters", [(".pth", False), (".pth", True), (".safetensors", True)])
def test_resnet_files_fill_the_pose_encoder_with_the_first_layer_shared(tmp_path, suffix, counters):
    state = resnet_state(counters=counters)
    file = tmp_path / f"resnet{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, file)
    pose = networks.create_pose()
    weights.load_pose_imagenet(pose, file)
    resnet = pose.encoder.encoder
    assert torch.equal(resnet.conv1.weight[:, :3], state["conv1.weight"] / 2)
    assert torch.equal(resnet.conv1.weight[:, 3:], state["conv1.weight"] / 2)
    assert torch.equal(resnet.fc.weight, state["fc.weight"])
    assert torch.equal(resnet.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    # The same image twice gives what the three-channel layer gives for it once.
    image = torch.rand(1, 3, 32, 32)
    once = torch.nn.functional.conv2d(image, state["conv1.weight"], stride=2, padding=3)
    torch.testing.assert_close(resnet.conv1(torch.cat([image, image], dim=1)), once, atol=1e-4, rtol=1e-4)


def test_a_resnet_of_another_depth_is_refused(tmp_path):
    torch.save(resnet_state(34), tmp_path / "resnet34.pth")
    with pytest.raises(NetworkError, match=r"resnet34\.pth is not an ImageNet ResNet-18: tensors unknown"):
        weights.load_pose_imagenet(networks.create_pose(18), tmp_path / "resnet34.pth")


def test_without_a_source_the_weights_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    state = resnet_state(34)
    torch.save(state, tmp_path / "weights/resnet34.tv_in1k.pth")
    pose = networks.create_pose(34)
    weights.load_pose_imagenet(pose, None)
    assert torch.equal(pose.encoder.encoder.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])


WITHOUT_THE_NETWORK = """
import socket, sys, torch
def refuse(*a, **k): raise AssertionError("training tried to use the network")
socket.create_connection = socket.getaddrinfo = refuse
import networks
from networks import weights
pose = networks.create_pose(18)
try:
    weights.load_pose_imagenet(pose, None)
except networks.NetworkError as error:
    print(error)
else:
    print("loaded", pose.encoder.encoder.bn1.bias.sum().item())
"""


def fresh_process(script: str, tmp_path: Path, **env: str) -> str:
    """Run with an own, empty Hugging Face cache (its place is read once, at import)."""
    env = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        **env,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_timms_cache_is_used_without_the_network(tmp_path):
    repository = tmp_path / "hf/hub/models--timm--resnet18.tv_in1k"
    (repository / "snapshots/abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    save_file({**resnet_state(), "bn1.bias": torch.full((64,), 2.0)}, repository / "snapshots/abc/model.safetensors")
    assert fresh_process(WITHOUT_THE_NETWORK, tmp_path) == "loaded 128.0\n"


def test_absent_weights_name_both_ways_out_without_trying_the_network(tmp_path):
    said = fresh_process(WITHOUT_THE_NETWORK, tmp_path)
    assert "compute nodes have no internet" in said
    assert "python -m litemono.prepare weights" in said and "--weights_init scratch" in said
    assert "weights/resnet18.tv_in1k.safetensors" in said


FETCH = """
import networks
from networks import weights
for layers in LAYERS:
    try:
        print("fetched", weights.fetch_pose_imagenet(layers, "weights"))
    except networks.NetworkError as error:
        print(error)
"""


@pytest.fixture
def hub(tmp_path):
    """A stand-in for the Hugging Face hub on this machine; hub.files maps a path to its bytes, hub.downloads tells."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            content = self.files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", '"0123"')
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def do_GET(self):
            self.downloads.append(self.path)
            self.do_HEAD()
            self.wfile.write(self.files.get(self.path, b""))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Hub.files, Hub.downloads = {}, []
    Hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    yield Hub
    server.shutdown()
    thread.join(60)
    server.server_close()


HUB_PATH = "/timm/resnet{}.tv_in1k/resolve/main/model.safetensors"


def test_fetching_downloads_once_to_where_training_looks(tmp_path, hub):
    save_file({**resnet_state(), "bn1.bias": torch.full((64,), 2.0)}, tmp_path / "original")
    original = (tmp_path / "original").read_bytes()
    hub.files = {HUB_PATH.format(18): original}
    script = FETCH.replace("LAYERS", "(18, 18)") + WITHOUT_THE_NETWORK
    said = fresh_process(script, tmp_path, HF_ENDPOINT=hub.endpoint)
    assert said == 2 * "fetched weights/resnet18.tv_in1k.safetensors\n" + "loaded 128.0\n"
    assert hub.downloads.count(HUB_PATH.format(18)) == 1
    fetched = tmp_path / "weights/resnet18.tv_in1k.safetensors"
    assert fetched.read_bytes() == original
    assert [*fetched.parent.iterdir()] == [fetched]


def test_a_failed_fetch_says_why_and_leaves_nothing(tmp_path, hub):
    hub.files = {HUB_PATH.format(34): b"<html>log in to the hotel's network</html>"}
    said = fresh_process(FETCH.replace("LAYERS", "(18, 34)"), tmp_path, HF_ENDPOINT=hub.endpoint).splitlines()
    for layers, line in zip((18, 34), said, strict=True):
        assert line.startswith(f"cannot download timm/resnet{layers}.tv_in1k")
    offline = fresh_process(FETCH.replace("LAYERS", "(18,)"), tmp_path, HF_HUB_OFFLINE="1")
    assert "run this where there is internet" in offline and "weights/resnet18.tv_in1k.safetensors" in offline
    assert not (tmp_path / "weights").exists()


def test_without_internet_the_file_is_copied_to_where_the_message_says(tmp_path, monkeypatch):
    def fetch(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    (tmp_path / "file").touch()
    with pytest.raises(NetworkError, match="file: cannot be written .*; choose another folder"):
        weights.fetch_pose_imagenet(18, tmp_path / "file")
    with pytest.raises(NetworkError, match=r"or copy model\.safetensors of that repository to ") as refused:
        weights.fetch_pose_imagenet(18, tmp_path / "weights")
    target = Path(str(refused.value).rpartition(" to ")[2])
    target.parent.mkdir()
    save_file(resnet_state(), target)
    assert weights.fetch_pose_imagenet(18, tmp_path / "weights") == target
