"""The networks: one `NetworkSpec` each, from which flags, checks, help texts, weight files and benchmarks are derived.

Neither this module nor `import networks` imports torch, so `--help` and wrong flags answer at once. A new network is one file
with its modules and one entry of `SPECS` (image -> depth) or `REFINERS` (image and another network's depth -> metres).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from networks.errors import NetworkError
from networks.lite_mono_variants import VARIANTS

LARGEST = 2**24  # pixels of an input, 4096x4096: more is a slip, and asks for hundreds of gigabytes

Output = Literal["disparity", "relative", "metric", "mask-and-depth"]


@dataclass(frozen=True)
class InputRule:
    """Sizes in pixels that a network computes at; images of other sizes are resized to the nearest one (any_size.py)."""

    multiple: int
    """Height and width must be multiples of it."""
    smallest: int
    """Least height and width of an image."""

    def fits(self, height: int, width: int) -> bool:
        """Whether the network runs at this size without resizing."""
        return min(height, width) >= self.smallest and height % self.multiple == width % self.multiple == 0

    def nearest(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the nearest size that fits; of two equally near ones the larger."""
        return self._nearest(height), self._nearest(width)

    def _nearest(self, length: int) -> int:
        return max(self.smallest, (length + self.multiple // 2) // self.multiple * self.multiple)

    def check(self, height: int, width: int) -> None:
        """Raises NetworkError for an image size that is too small for the network, or above LARGEST."""
        if min(height, width) < self.smallest:
            raise NetworkError(f"input size {width}x{height}: width and height must be at least {self.smallest}")
        if height * width > LARGEST:
            raise NetworkError(
                f"input size {width}x{height}: more than {LARGEST // 10**6} million pixels; give a smaller one"
            )


@dataclass(frozen=True)
class Normalisation:
    """(image - mean) / std of images in [0, 1]. Networks apply it themselves."""

    mean: float | tuple[float, float, float]
    """One for all channels, or for red, green and blue."""
    std: float | tuple[float, float, float]


@dataclass(frozen=True)
class WeightsFormat:
    """The files of a weights folder.

    A folder is recognised by content, not by the network's name: each file must have exactly the tensor names and shapes of
    its part (identify.py compares them with every network of the registry).
    """

    files: tuple[tuple[str, str], ...]
    """(attribute of the network, file name)."""
    settings: str | None = None
    """JSON file with height, width, use_stereo, attention and metric_head; None: the first file has the first three beside its
    tensors."""


@dataclass(frozen=True)
class NetworkSpec:
    """What callers need to know of a network without building it."""

    name: str
    family: str
    """Module of `networks` with its code."""
    input: InputRule
    normalisation: Normalisation
    output: Output
    """disparity: in (0, 1), from the largest to the smallest depth (Godard et al. 2019); relative: inverse depth up to scale
    and shift; metric: metres; mask-and-depth: logits of both (mask_depth.py)."""
    scales: tuple[int, ...]
    """Outputs: scale s has 1/2^s of the input's height and width."""
    weights: WeightsFormat
    constructor: str
    """Function of the module: constructor(spec, height, width, drop_path) -> torch.nn.Module, with fresh weights. It also
    takes attention=KIND where `attentions` has a choice. Of a refiner: constructor(spec, height, width, predict, alignment)."""
    attentions: tuple[str, ...] = ()
    """Kinds of attention that the network can be made with, the usual one first (attention.py); empty: no choice."""

    recomputes: bool = False
    """Its encoder has a switch `recompute`: blocks are computed again in the backward pass, which saves memory."""

    def load_constructor(self) -> Callable[..., Any]:
        """The constructor. Imports torch."""
        return getattr(importlib.import_module(f"networks.{self.family}"), self.constructor)


MONODEPTH2 = Normalisation(mean=0.45, std=0.225)  # Lite-Mono's depth encoder and all pose encoders
HALF = Normalisation(mean=0.5, std=0.5)  # DPT
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))  # MiDaS
ENCODER_AND_DECODER = WeightsFormat((("encoder", "encoder.pth"), ("decoder", "depth.pth")))

ONE_FILE = WeightsFormat((("published", "model.pt"),), settings="network.json")
"""DPT, MiDaS and refiners. model.pt is a plain state dict in the published names, so their own code loads it."""

VIT_ATTENTIONS = ("softmax", "performer", "memory-compressed-2", "memory-compressed-3")


def _one_file(
    name: str,
    family: str,
    normalisation: Normalisation,
    constructor: str,
    output: Output = "relative",
    multiple: int = 32,
    **more: Any,
) -> NetworkSpec:
    """A network with one output, at the size of its input, and one file of weights."""
    return NetworkSpec(
        name=name,
        family=family,
        input=InputRule(multiple, smallest=32),
        normalisation=normalisation,
        output=output,
        scales=(0,),
        weights=ONE_FILE,
        constructor=constructor,
        **more,
    )


SPECS = {
    spec.name: spec
    for spec in (
        *(
            NetworkSpec(
                name=name,
                family="lite_mono",
                input=InputRule(multiple=32, smallest=32),
                normalisation=MONODEPTH2,
                output="disparity",
                scales=(0, 1, 2),
                weights=ENCODER_AND_DECODER,
                constructor="create_lite_mono",
            )
            for name in VARIANTS
        ),
        *(
            _one_file(name, "dpt", HALF, "create_dpt", attentions=VIT_ATTENTIONS, recomputes=True)
            for name in ("dpt-hybrid", "dpt-large", "dpt-tiny")
        ),
        _one_file("midas-v21", "midas", IMAGENET, "create_midas_v21"),
        _one_file("midas-small", "midas", IMAGENET, "create_midas_small"),
    )
}

REFINERS = {
    name: _one_file(name, "refine", IMAGENET, constructor, "metric", multiple)
    for name, multiple, constructor in (
        ("unet-resnet18", 32, "create_unet_resnet18"),
        ("affine", 1, "create_affine"),
        ("affine-grid", 1, "create_affine_grid"),
    )
}

MASK_NETWORKS = {
    name: _one_file(name, "mask_depth", IMAGENET, constructor, "mask-and-depth", multiple)
    for name, multiple, constructor in (("cnn", 4, "create_cnn"), ("unet-resnet18", 32, "create_unet_resnet18"))
}
"""Background and picture -> mask and depth. constructor(spec, height, width)."""


def names(output: Output | None = None) -> list[str]:
    """Names of the depth networks: all, or those that predict `output`."""
    return [name for name, spec in SPECS.items() if output in (None, spec.output)]


def get(name: str) -> NetworkSpec:
    """The entry of a network. Raises NetworkError for a name that is not in the registry."""
    if name in REFINERS:
        raise NetworkError(
            f"{name} refines the depth of another network (litemono refine), so it is none alone; use litemono predict with "
            "--frozen_depth"
        )
    if name not in SPECS:
        raise NetworkError(f"there is no depth network {repr(name)[:80]}; choose from {', '.join(SPECS)}")
    return SPECS[name]
