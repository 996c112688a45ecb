"""Depth from Python: `litemono.load("lite-mono", weights=FOLDER).predict(image)`. Nothing is written unless asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image
from torch import Tensor

from litemono.data.stores.images import NOT_AN_IMAGE, read_image, to_rgb, unreadable
from litemono.depth_map import DepthMap, Kind
from litemono.hub.reading import REPOSITORY, fetch
from litemono.inference import load_trained
from litemono.trained_depth import TrainedDepth, fastest_batch, require_finite
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from networks.metric_head import metric_head as head_of

ImageLike = str | Path | Image.Image | np.ndarray | Tensor


class DepthPredictor:
    """A trained depth network on its device. `load` makes it."""

    def __init__(self, trained: TrainedDepth, weights: Path) -> None:
        self._trained, self._weights = trained, weights

    @property
    def name(self) -> str:
        """The network's name, such as "lite-mono"."""
        return self._trained.net.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels that the network computes at."""
        return self._trained.net.height, self._trained.net.width

    @property
    def kind(self) -> Kind:
        """What its disparity is known up to: see DepthMap.kind."""
        return self._trained.kind

    def __repr__(self) -> str:
        height, width = self.size
        return f"<{self.name} {width}x{height} on {self._trained.device}, {self.kind}, from {self._weights}>"

    @overload
    def predict(self, images: str | Path | Image.Image, *, batch_size: int | None = None) -> DepthMap: ...
    @overload
    def predict(
        self, images: list[ImageLike] | tuple[ImageLike, ...], *, batch_size: int | None = None
    ) -> list[DepthMap]: ...
    @overload
    def predict(self, images: np.ndarray | Tensor, *, batch_size: int | None = None) -> DepthMap | list[DepthMap]: ...
    def predict(
        self, images: ImageLike | list[ImageLike] | tuple[ImageLike, ...], *, batch_size: int | None = None
    ) -> DepthMap | list[DepthMap]:
        """Depth of one image, or of several in their order.

        images: a file's path, a PIL image, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W) is one image; a
        list of these, an array (N, H, W, 3) or a tensor (N, 3, H, W) is several. Sizes may differ. Arrays and tensors hold
        RGB as uint8, or as floating-point numbers in [0, 1], which are rounded to 8 bits. All are resized to the network's
        size as in training, and the disparity is resized back.

        batch_size: images in one forward pass; None: 1 on a CPU, which is fastest there, 8 on a GPU. Raises UserError for a
        file that is no image, shapes and numbers that are none of the above, and weights whose predictions are not finite.
        """
        if batch_size is None:
            batch_size = fastest_batch(self._trained.device)
        require(batch_size >= 1, f"batch_size is {batch_size}; it must be at least 1")
        if isinstance(images, list | tuple):
            return list(self._predict(iter(images), batch_size))
        if isinstance(images, np.ndarray | Tensor) and images.ndim == 4:
            return list(self._predict(iter(images), batch_size))
        return next(self._predict(iter((images,)), batch_size))

    def _predict(self, images: Iterator[ImageLike], batch_size: int) -> Iterator[DepthMap]:
        trained = self._trained
        while batch := [as_rgb(image) for image in islice(images, batch_size)]:
            disparities = trained.disparity(np.stack([trained.at_network_size(image) for image in batch]))
            require_finite(disparities, self._weights)
            for image, disparity in zip(batch, disparities, strict=True):
                yield trained.depth_map(disparity, image.height, image.width)


def load(
    model: str | None = None,
    *,
    weights: str | Path,
    height: int | None = None,
    width: int | None = None,
    device: str | None = None,
    metric_head: str | None = None,
) -> DepthPredictor:
    """A trained network, ready to predict.

    Args:
        model: a name of `networks.names()`. None: the network that the run trained; for weights from elsewhere lite-mono, or
            what a file of DPT or MiDaS fits by its tensors.
        weights: a weights folder, ours (RUN/models/last) or published, a published file of DPT or MiDaS, an .onnx file or
            --hub folder of `litemono export`, or the name of such a repository on Hugging Face ("NAME/REPOSITORY").
        height: input height in pixels; images are resized to it. None: as trained.
        width: input width in pixels.
        device: "cpu" or "cuda". None: cuda if there is one.
        metric_head: of a network of relative depth, what makes metres of its predictions: "kitti" or "nyu" for the published
            fine-tuned DPT files, or "SCALE,SHIFT" in 1/metres.

    Raises:
        UserError: no such weights, weights of another network, an unknown name, a size below the network's least, or a
            device that is not there.
    """
    require(device in (None, "cpu", "cuda"), f"device={device!r}: it is 'cpu' or 'cuda'")
    if not Path(weights).exists() and isinstance(weights, str) and REPOSITORY.fullmatch(weights):
        weights = fetch(weights)
    try:
        head = None if metric_head is None else head_of(metric_head)
        trained = load_trained(Path(weights), model, choose_device(device), height, width, head)
    except UserError as error:
        raise UserError(_with_arguments(str(error))) from None
    return DepthPredictor(trained, Path(weights))


def _with_arguments(message: str) -> str:
    """The advice of an error with the names of load's arguments, where commands have flags."""
    return re.sub(r"--(?:load_)?(weights|model|height|width|device|metric_head)\b(?: (?!and\b))?", r"\1=", message)


def as_rgb(image: ImageLike) -> Image.Image:
    """Any of predict's images as 8-bit RGB, upright by its EXIF note. Raises UserError."""
    if isinstance(image, str | Path):
        require(Path(image).is_file(), f"{image}: there is no such file; for a folder give a list of its files")
        return read_image(Path(image), "replace it or leave it out")
    if isinstance(image, Image.Image):
        try:
            return to_rgb(image)
        except NOT_AN_IMAGE as error:
            raise unreadable(image, error, "replace it or leave it out") from None
    if isinstance(image, Tensor):
        image = _channels_last(image.detach().to("cpu", copy=False))
    if isinstance(image, np.ndarray):
        return Image.fromarray(_as_bytes(image)).convert("RGB")
    raise UserError(f"an image is a path, a PIL image, a numpy array or a tensor, and this is a {type(image).__name__}")


def _channels_last(image: Tensor) -> np.ndarray:
    """(C, H, W) -> (H, W, C)."""
    require(
        image.ndim == 3 and image.shape[0] in (1, 3, 4),
        f"a tensor of shape {tuple(image.shape)} is no image: a tensor is (3, H, W), or (N, 3, H, W) for several",
    )
    array = (image.float() if image.is_floating_point() else image).permute(1, 2, 0).numpy()
    return array[:, :, 0] if array.shape[2] == 1 else array


def _as_bytes(image: np.ndarray) -> np.ndarray:
    """The same pixels as uint8."""
    shape, kind = image.shape, image.dtype
    require(
        (image.ndim == 2 or (image.ndim == 3 and shape[2] in (3, 4))) and image.size > 0,
        f"an array of shape {shape} is no image: an array is (H, W), (H, W, 3) or (H, W, 4), or (N, H, W, 3) for several",
    )
    if kind == np.uint8:
        return np.ascontiguousarray(image)
    require(kind.kind == "f", f"pixels of type {kind}: give uint8, or floating-point numbers in [0, 1]")
    low, high = float(image.min()), float(image.max())  # NaN fails the comparison too
    require(0 <= low <= high <= 1, f"pixels from {low:g} to {high:g}: floating-point pixels lie in [0, 1]")
    return np.rint(image * 255).astype(np.uint8)
