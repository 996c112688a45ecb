"""Lite-Mono's encoders in timm: as classifiers, as features, trained by a script on timm's parts, and then for depth."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import timm
import torch
from conftest import ROOT
from PIL import Image

import networks
from networks import timm_models, weights
from networks.errors import NetworkError
from networks.lite_mono_variants import VARIANTS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", timm_models.NAMES)
def test_features_are_those_of_the_depth_encoder(name):
    depth = networks.create(timm_models.NAMES[name], height=64, width=96).eval()
    features = timm.create_model(name, features_only=True).eval()
    features.model.load_state_dict(depth.encoder.state_dict())
    assert features.feature_info.channels() == list(VARIANTS[timm_models.NAMES[name]].widths)
    assert features.feature_info.reduction() == [4, 8, 16]
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    config = timm.create_model(name).default_cfg
    mean, std = (torch.tensor(config[part])[:, None, None] for part in ("mean", "std"))
    with torch.no_grad():
        for ours, theirs in zip(features((image - mean) / std), depth.encoder(image), strict=True):
            torch.testing.assert_close(ours, theirs)
        last = timm.create_model(name, features_only=True, out_indices=(2,)).eval()(image)
    assert [tuple(one.shape) for one in last] == [(1, features.feature_info.channels()[-1], 4, 6)]


def test_a_classifier_classifies_and_may_change_its_classes():
    net = timm.create_model("lite_mono_tiny", num_classes=5, drop_path_rate=0.1)
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
    net.reset_classifier(3)
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 3) and net.get_classifier().out_features == 3
    with pytest.raises(ValueError, match="3 channels and average pooling"):
        timm.create_model("lite_mono_tiny", in_chans=1)


SCRIPT = """
    # Written for this test with the parts that timm's train script is made of; that script is not in timm's wheels.
    import argparse
    import torch
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.models import create_model, resume_checkpoint
    from timm.optim import create_optimizer_v2
    from timm.utils import CheckpointSaver

    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--model")
    parser.add_argument("--output")
    parser.add_argument("--resume", default="")
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = create_model(args.model, num_classes=2)
    config = resolve_data_config({"input_size": (3, 64, 64)}, model=model)
    dataset = create_dataset("", root=args.data, split="train", is_training=True)
    loader = create_loader(dataset, config["input_size"], 4, is_training=True, mean=config["mean"], std=config["std"],
                           num_workers=0, device=torch.device("cpu"), use_prefetcher=False)
    optimizer = create_optimizer_v2(model, "adamw", lr=1e-3, weight_decay=0.05)
    start = resume_checkpoint(model, args.resume, optimizer) if args.resume else 0
    saver = CheckpointSaver(model, optimizer, args=args, checkpoint_dir=args.output)
    for epoch in range(start or 0, args.epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        saver.save_checkpoint(epoch, metric=epoch)
        print("epoch", epoch)
"""


def test_a_training_on_timms_parts_resumes_and_begins_a_depth_training(tmp_path):
    for number in range(8):
        path = tmp_path / "images" / "train" / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "out").mkdir()

    def train(*flags):
        command = [sys.executable, "-m", "networks.timm_train", tmp_path / "train.py", tmp_path / "images"]
        flags = ("--model", "lite_mono_tiny", "--output", tmp_path / "out", *flags)
        return subprocess.run([*map(str, (*command, *flags))], cwd=ROOT, capture_output=True, text=True, timeout=300)

    first = train("--epochs", 1)
    assert first.returncode == 0 and "epoch 0" in first.stdout, first.stderr
    last = tmp_path / "out" / "last.pth.tar"
    second = train("--epochs", 2, "--resume", last)
    assert second.returncode == 0 and "epoch 1" in second.stdout and "epoch 0" not in second.stdout, second.stderr

    depth = networks.create("lite-mono-tiny", height=64, width=96)
    unused = ["norm.weight", "norm.bias", "head.weight", "head.bias"]
    assert weights.load_imagenet_encoder(depth, last) == unused
    stored = torch.load(last, map_location="cpu", weights_only=False)["state_dict"]
    for name, tensor in depth.encoder.state_dict().items():
        torch.testing.assert_close(tensor, stored[name])
    with pytest.raises(NetworkError, match="this is a lite-mono-tiny backbone: --model lite-mono-tiny"):
        weights.load_imagenet_encoder(networks.create("lite-mono", height=64, width=96), last)


def test_a_missing_script_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "networks.timm_train", "no_train.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "no_train.py: there is no such file" in done.stderr and "slurm/pretrain_imagenet.sh" in done.stderr
