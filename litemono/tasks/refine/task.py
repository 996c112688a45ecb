"""Refinement: depth in metres from an image and the depth that a frozen network gave it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

from litemono.data.augment_depth import augmented
from litemono.data.refine_samples import RefineBatch, RefineSamples, open_refine_data
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.losses.object_weighted import object_weights
from litemono.losses.registry import object_weighted
from litemono.losses.scale_shift import scale_and_shift
from litemono.tasks.common import advice, frame_data, parameter_groups
from litemono.tasks.refine.metrics import AFFINE, INPUT, OBJECTS, means
from litemono.tasks.refine.settings import RefineConfig
from litemono.utils.errors import UserError, require
from networks import weights
from networks.alignment import Alignment
from networks.imagenet import load_unet_imagenet
from networks.refine import LEAST_DEPTH, RefineNet, create_refiner
from networks.refiner_weights import load_refiner, load_refiner_into
from networks.unet import UNetResNet18

PICTURES = 4  # samples of a batch that are shown
WORST = 0.5  # relative error that is shown in the brightest colour


class Shown(NamedTuple):
    """What pictures are made of; depth in metres."""

    image: Tensor  # (B, 3, H, W) in [0, 1]
    given: Tensor  # (B, H, W) after the global scale and shift
    prediction: Tensor  # (B, H, W)
    truth: Tensor  # (B, H, W), 0 = not measured


class Refine:
    """The task of litemono.refine."""

    best = {
        "loss": Best("best_loss"),
        "abs_rel": Best("best_abs_rel"),
        "rmse": Best("best_rmse"),
        f"{OBJECTS}rmse": Best("best_objects_rmse"),
    }

    def __init__(self, config: RefineConfig) -> None:
        self.config = config
        m, loss = config.model, config.loss
        self.loss = object_weighted(loss.loss)
        self.description = f"{m.model} {m.width}x{m.height}, {m.predict}, {loss.loss}"

    @cached_property
    def train(self) -> RefineSamples:
        return self.samples("train")

    def samples(self, which: str) -> RefineSamples:
        m = self.config.model
        return open_refine_data(self.config.data, which, (m.height, m.width), self.config.run.seed)  # type: ignore[arg-type]

    def data(self, processes: Processes) -> TaskData:
        require(
            self.train.masks is not None or self.config.loss.object_weight == 0.5,
            f"--object_weight {self.config.loss.object_weight}: weighs objects, and there are no masks; give --object_masks",
        )
        return frame_data(self.train, self.samples("val"), self.config.data, self.config, processes)

    def build(self, device: torch.device, precision: Precision) -> RefineNet:
        m = self.config.model
        unfitted = Alignment(inverse=self.config.data.frozen_is == "inverse", farthest=self.config.loss.max_depth)
        net = create_refiner(m.model, height=m.height, width=m.width, predict=m.predict, alignment=unfitted)
        if device.type == "cpu" and precision not in HALF:
            to_channels_last(net)
        return net.train().to(device)

    def initialise(self, net: RefineNet) -> None:
        """--load_weights with its scale and shift; else --weights_init with the scale and shift that fit the training images."""
        m = self.config.model
        if m.load_weights is not None:
            start = load_refiner(m.load_weights)
            for name, there, wanted in (("model", start.name, m.model), ("predict", start.predict, m.predict)):
                require(
                    there == wanted, f"--load_weights {m.load_weights}: was trained with --{name} {there}, not {wanted}"
                )
            net.align(start.alignment)
            load_refiner_into(m.load_weights, net)
            return
        if isinstance(net.published, UNetResNet18) and m.weights_init != "scratch":
            source = None if m.weights_init == "pretrained" else Path(m.weights_init)
            load_unet_imagenet(net.published, source)
        net.align(self.fitted_alignment(net.inverse))

    def fitted_alignment(self, inverse: bool) -> Alignment:
        """Scale and shift with the least squared error over --align_images training images, from the given depth to metres.

        Fitted in inverse depth where the given depth is inverse.
        """
        places = np.linspace(0, len(self.train) - 1, min(self.config.loss.align_images, len(self.train))).astype(int)
        given, truth = [], []
        for place in places:
            batch = self.train.batch([(0, int(place))])
            valid = self.valid(batch.target)
            given.append(batch.given[valid])
            truth.append(batch.target[valid])
        depth = torch.cat(truth)
        require(len(depth), f"none of {len(places)} training images has ground truth; give --min_depth and --max_depth")
        pixels, wanted = torch.cat(given).double()[None, None], depth.double()[None, None]
        fit = scale_and_shift(pixels, 1 / wanted if inverse else wanted, torch.ones_like(pixels, dtype=torch.bool))
        scale, shift = (number.item() for number in fit)
        if not scale > 0:
            other = "depth" if inverse else "inverse"
            raise UserError(
                f"--frozen_depth: its best scale over {len(places)} images is {scale:.3g}, so it does not grow with the true "
                f"{'inverse depth' if inverse else 'depth'}; is it --frozen_is {other}, or of other images?"
            )
        unit = depth.double().median().item()
        print(
            f"global scale and shift: {'1 / depth' if inverse else 'depth'} = {scale:.6g} x given + {shift:.6g}",
            file=sys.stderr,
        )
        return Alignment(inverse, scale, shift, unit, self.config.loss.max_depth)

    def parameter_groups(self, net: RefineNet) -> list[ParameterGroup]:
        """All parameters, without weight decay where they are scales and shifts."""
        groups = parameter_groups({"refiner": net}, self.config)
        if not isinstance(net.published, UNetResNet18):
            groups[0].settings["weight_decay"] = 0.0  # it would pull the scale to 0
        return groups

    def forward(self, net: RefineNet, batch: RefineBatch) -> Forward:
        m, device = self.config.model, net.scale.device
        with record_function("augmentation"), torch.autocast(device.type, enabled=False):
            batch = batch.on(device)
            maps = torch.stack([batch.target, batch.given, batch.objects.float()], dim=1)
            size = (m.height, m.width)
            image, maps = augmented(batch.image, maps, batch.numbers, self.config.data.augment, size)
            target, given, objects = maps.unbind(1)
        return self.compare(net, image, target, given, objects > 0)

    def compare(self, net: RefineNet, image: Tensor, target: Tensor, given: Tensor, objects: Tensor) -> Forward:
        """The loss of views (B, H, W), and what they show."""
        with record_function("refiner"):
            prediction = net(image, given[:, None])[:, 0]
        with record_function("objective"), torch.autocast(image.device.type, enabled=False):
            valid = self.valid(target)
            weights = None if self.train.masks is None else object_weights(objects, self.config.loss.object_weight)
            loss = self.loss(prediction.float(), target, valid, weights)
            without_truth = (~valid.flatten(1).any(1)).sum().float()
            aligned = net.metres(net.aligned(given)).detach()
        shown = Shown(image, aligned, prediction.detach().float(), target)
        return Forward(loss, {self.config.loss.loss: loss.detach(), "images_without_truth": without_truth}, shown)

    def valid(self, target: Tensor) -> Tensor:
        """Pixels whose truth counts: measured, and within --min_depth and --max_depth."""
        return (target >= self.config.loss.min_depth) & (target <= self.config.loss.max_depth)

    def validate(self, net: RefineNet, batch: RefineBatch) -> Validated:
        """Loss of the batch; errors of each image, of its objects, of the aligned depth and of the given depth as it is."""
        batch = batch.on(net.scale.device)
        result = self.compare(net, batch.image.float() / 255, batch.target, batch.given, batch.objects)
        rows = {"": result.shown.prediction, AFFINE: result.shown.given}
        if not net.inverse:
            rows[INPUT] = batch.given.clamp(min=LEAST_DEPTH)
        objects = None if self.train.masks is None else batch.objects
        size = len(batch.target)
        found = {"loss": Mean(result.loss.item() * size, size)}
        return Validated(found | means(rows, batch.target, self.valid(batch.target), objects), result.shown)

    def pictures(self, shown: Shown) -> Iterator[tuple[str, np.ndarray]]:
        """One strip for each of the first samples: image, aligned input, prediction, truth, relative error."""
        for j in range(min(PICTURES, len(shown.image))):
            yield (
                f"image_input_prediction_truth_error/{j}",
                strip(*(tensor[j].float().cpu().numpy() for tensor in shown)),
            )

    def save(self, net: RefineNet, folder: Path) -> None:
        weights.save_folder(folder, net, None)

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        return advice(self.config.data, self.config.optim, device, precision)


def strip(image: np.ndarray, given: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(3, H, 5 W) in [0, 1]: image, inverse depth of the three on one scale, |prediction - truth| / truth up to WORST."""
    measured = truth > 0
    nearest = np.percentile(truth[measured], 5) if measured.any() else 1.0
    error = np.where(measured, np.abs(prediction - truth) / np.where(measured, truth, 1), 0) / WORST
    inverse = [nearest / np.where(depth > 0, depth, np.inf) for depth in (given, prediction, truth)]
    shaded = [
        matplotlib.colormaps["magma"](np.clip(map, 0, 1))[..., :3].transpose(2, 0, 1) for map in (*inverse, error)
    ]
    return np.concatenate([image, *shaded], axis=2).astype(np.float32)
