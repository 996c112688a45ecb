"""Supervised depth: a network trained on ground truth, in metres or up to scale and shift."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import record_function

import networks
from litemono.data.augment_depth import DepthViews, plain_views, training_views
from litemono.data.depth_data import open_depth_data
from litemono.data.depth_samples import DepthBatch, MixedSamples, Target
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.losses.registry import LOSSES, loss_function
from litemono.metrics import NINE
from litemono.tasks.common import advice, depth_data, parameter_groups
from litemono.tasks.supervised.metrics import SCALE_FREE, full_size, means, metric_errors, relative_errors
from litemono.tasks.supervised.model import SupervisedModel, first_convolution, norms_of, robust_scale_and_shift
from litemono.tasks.supervised.settings import FinetuneConfig
from litemono.utils.colormap import magma
from litemono.utils.errors import require
from networks import weights
from networks.depth_net import DepthNet
from networks.metric_head import METRIC_HEADS, MetricHead

PICTURES = 4  # samples of a batch that are shown


class Shown(NamedTuple):
    """What pictures are made of."""

    image: Tensor  # (B, 3, H, W) in [0, 1]
    disparity: Tensor  # (B, H, W) predicted inverse depth
    truth: Tensor  # (B, H, W) true inverse depth, 0 = unknown


class SupervisedDepth:
    """The task of litemono.finetune."""

    best = {
        "loss": Best("best_loss"),
        "abs_rel": Best("best_abs_rel"),
        "silog": Best("best_silog"),
        "d1": Best("best_d1", higher=True),
    }

    def __init__(self, config: FinetuneConfig) -> None:
        self.config = config
        self.loss = loss_function(config.loss.loss)
        self.terms = LOSSES[config.loss.loss].prediction
        self.target: Target = "metres" if self.terms == "metric" else "inverse"
        self.description = f"{config.model.model} {config.model.width}x{config.model.height}, {config.loss.loss}"
        self.train: MixedSamples | None = None

    def data(self, processes: Processes) -> TaskData:
        d, m, seed = self.config.data, self.config.model, self.config.run.seed
        self.train = open_depth_data(d, "train", self.target, (m.height, m.width), seed)
        val = open_depth_data(d, "val", self.target, (m.height, m.width), seed)
        data, epoch = depth_data(self.train, val, d, self.config, processes)
        self.description += f"; {epoch}" if len(d.names) > 1 else ""
        return data

    def build(self, device: torch.device, precision: Precision) -> SupervisedModel:
        m, loss = self.config.model, self.config.loss
        attention = m.attention or self.stored_attention()
        net = networks.create(m.model, height=m.height, width=m.width, drop_path=m.drop_path, attention=attention)
        for head in net.decoder.heads[1:]:  # only full size is compared with the truth
            head.requires_grad_(False)
        if m.grad_checkpoint:
            net.encoder.recompute = True
        head = METRIC_HEADS[m.metric_head] if m.metric_head else self.stored_head()
        model = SupervisedModel(net, self.terms, loss.min_depth, loss.max_depth, head).train().to(device)
        model.freeze(frozen_parts(net, m.freeze))
        if device.type == "cpu" and precision not in HALF:
            to_channels_last(model)
        return model

    def stored_attention(self) -> str | None:
        """Of --load_weights, which may have been made with another than softmax."""
        m = self.config.model
        if m.load_weights is None or not networks.registry.get(m.model).attentions:
            return None
        return weights.stored_attention(m.load_weights, m.model)

    def stored_head(self) -> MetricHead | None:
        m = self.config.model
        return None if m.load_weights is None else weights.stored_metric_head(m.load_weights)

    def initialise(self, model: SupervisedModel) -> None:
        """--mypretrain or --load_weights, then --estimate_scale_shift."""
        m = self.config.model
        if m.load_weights is not None:
            absent = weights.load_available(m.load_weights, model.depth, None)
            if absent:
                print(
                    f"--load_weights {m.load_weights}: has no {absent[0]}; it starts from random weights",
                    file=sys.stderr,
                )
        elif m.mypretrain is not None:
            ignored = weights.load_imagenet_encoder(model.depth, m.mypretrain)
            print(f"{m.mypretrain}: encoder loaded; not used: {', '.join(ignored) or 'nothing'}", file=sys.stderr)
        if m.estimate_scale_shift is not None:
            model.set_head(self.estimated_head(model, m.estimate_scale_shift))

    @torch.no_grad()
    def estimated_head(self, model: SupervisedModel, images: int) -> MetricHead:
        """Median over training images of the robust fits of prediction to truth. UserError where no image has one."""
        assert self.train is not None, "data() comes first"
        device, fits = model.scale.device, []
        least_shift = 0.5 / self.config.loss.max_depth  # nothing is predicted further away than twice that
        model.eval()
        for index in np.linspace(0, len(self.train) - 1, min(images, len(self.train))).astype(int):
            views = plain_views(self.train.batch([(0, int(index))]), device)
            valid = self.valid(views.target)
            inverse_depth = torch.where(valid, 1 / torch.where(valid, views.target, 1), 0)
            fits.append(torch.cat(robust_scale_and_shift(model.raw(views.image), inverse_depth, valid, least_shift)))
        model.train()
        scale, shift = torch.stack(fits).nanmedian(0).values.tolist()
        require(
            math.isfinite(scale) and scale > 0,
            f"--estimate_scale_shift {images}: the predictions for these images are constant or have no ground truth; give more "
            "images, --load_weights, or --metric_head instead",
        )
        print(f"--estimate_scale_shift: depth = 1 / max({scale:.6g} r + {shift:.6g}, 1e-8) metres", file=sys.stderr)
        return MetricHead(scale, shift)

    def parameter_groups(self, model: SupervisedModel) -> list[ParameterGroup]:
        """Encoder and decoder, each with its own learning rate."""
        encoder, decoder = parameter_groups(
            {"encoder": model.depth.encoder, "decoder": model.depth.decoder}, self.config
        )
        if self.config.model.decay_encoder_only:
            decoder.settings["weight_decay"] = 0.0
        return [encoder, decoder]

    def forward(self, model: SupervisedModel, batch: DepthBatch) -> Forward:
        m, device = self.config.model, model.scale.device
        with record_function("augmentation"), torch.autocast(device.type, enabled=False):
            views = training_views(batch, device, self.config.data.augment, (m.height, m.width))
        return self.compare(model, views)

    def compare(self, model: SupervisedModel, views: DepthViews) -> Forward:
        """The loss of a batch, and of each data set's part of it where there are several."""
        with record_function("depth network"):
            prediction = model(views.image)
        with record_function("objective"), torch.autocast(views.image.device.type, enabled=False):
            valid = self.valid(views.target)
            loss = self.compared(prediction, views.target, valid)
            without_truth = (~valid.flatten(1).any(1)).sum().float()
            parts = {self.config.loss.loss: loss.detach(), "images_without_truth": without_truth}
            with torch.no_grad():
                for place, name in self.mixed:
                    mine = (views.source == place)[:, None, None]
                    parts[name] = self.compared(prediction, views.target, valid & mine)
            shown = Shown(views.image, self.inverse(prediction.detach()), self.inverse_truth(views.target))
        return Forward(loss, parts, shown)

    def compared(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """The loss, in metres or in inverse depth."""
        options = {} if self.terms == "metric" else {"alpha": self.config.loss.gradient_weight}
        return self.loss(prediction, target, valid, **options)

    @property
    def mixed(self) -> list[tuple[int, str]]:
        """Place and name of each data set, where there are several."""
        names = self.config.data.names
        return list(enumerate(names)) if len(names) > 1 else []

    def validate(self, model: SupervisedModel, batch: DepthBatch) -> Validated:
        """Loss of the batch and the errors of each image, in all and for each data set of several.

        Metric predictions are compared as they are, at the network's size and, of whole images, at full size (full/...);
        relative ones after a fit of scale and shift to each image.
        """
        views = plain_views(batch, model.scale.device)
        result = self.compare(model, views)
        disparity, valid = result.shown.disparity, self.valid(views.target)
        names = NINE if self.terms == "metric" else SCALE_FREE
        if self.terms == "metric":
            errors = metric_errors(1 / disparity, views.target, valid)
        else:
            errors = relative_errors(disparity, views.target, valid)
        size = len(views.target)
        found = {"loss": Mean(result.loss.item() * size, size), **means(errors, names)}
        for place, name in self.mixed:
            mine = [error for error, source in zip(errors, batch.source.tolist(), strict=True) if source == place]
            found |= means(mine, names, f"{name}/")
        if self.terms == "metric" and self.config.data.fit == "stretch":
            pairs = full_size(1 / disparity, batch.truth.to(disparity.device), batch.truth_size)
            full = [metric_errors(depth, truth, self.valid(truth))[0] for depth, truth in pairs]
            found |= means(full, names, "full/")
        return Validated(found, result.shown)

    def inverse(self, prediction: Tensor) -> Tensor:
        """Inverse depth of a prediction in the loss's terms."""
        return 1 / prediction if self.terms == "metric" else prediction

    def inverse_truth(self, target: Tensor) -> Tensor:
        """Inverse depth of a target, 0 where nothing was measured."""
        return torch.where(target > 0, 1 / torch.where(target > 0, target, 1), 0) if self.terms == "metric" else target

    def valid(self, target: Tensor) -> Tensor:
        """Pixels whose truth counts: measured, and in metres between --min_depth and --max_depth."""
        if self.terms == "relative":
            return target > 0
        loss = self.config.loss
        if LOSSES[loss.loss].counts_limits:
            return (target >= loss.min_depth) & (target <= loss.max_depth)
        return (target > loss.min_depth) & (target < loss.max_depth)

    def pictures(self, shown: Shown) -> Iterator[tuple[str, np.ndarray]]:
        """Image, prediction and truth of the first samples; near is bright."""
        for j in range(min(PICTURES, len(shown.image))):
            yield f"image/{j}", shown.image[j].cpu().numpy()
            for name, disparity in (("prediction", shown.disparity[j]), ("truth", shown.truth[j])):
                yield f"{name}/{j}", magma(disparity.float().cpu().numpy()).transpose(2, 0, 1)

    def save(self, model: SupervisedModel, folder: Path) -> None:
        model.depth.metric_head = model.head()
        weights.save_folder(folder, model.depth, None)

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        config = self.config
        return advice(config.data, config.optim, device, precision)


def frozen_parts(net: DepthNet, names: Sequence[str]) -> Iterator[nn.Module]:
    """The modules that --freeze names."""
    if "first-conv" in names:
        yield first_convolution(net.encoder)
    if "encoder-norms" in names:
        yield from norms_of(net.encoder)
    if "decoder-norms" in names:
        yield from norms_of(net.decoder)
