"""From the flags to samples with ground truth: every data set opened and checked before training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from litemono.data.datasets.base import Size
from litemono.data.depth_samples import DepthSamples, MixedSamples, Target
from litemono.data.depth_settings import DepthDataConfig, DepthSet
from litemono.data.depth_source import DepthUnit, check_depth
from litemono.data.fit import FitName
from litemono.data.missing_frames import check_frames
from litemono.data.stores.base import FrameStore
from litemono.data.stores.folder import FolderStore, open_originals, stage
from litemono.utils.errors import UserError


def open_depth_data(
    data: DepthDataConfig, which: Literal["train", "val"], target: Target, size: Size, seed: int
) -> MixedSamples:
    """The "train" or "val" samples of all data sets that have depth. size: --height and --width.

    UserError for missing frames, files that are no depth, and a loss in metres on data that has none.
    """
    sets = [open_set(data, chosen, which, target, size) for chosen in data.sets()]
    sizes = {samples.batch_size: samples for samples in sets}
    if len(sizes) > 1:
        texts = ", ".join(f"{s.store.dataset.name} {width}x{height}" for (height, width), s in sizes.items())
        raise UserError(
            f"--fit {data.fit}: images of several sizes ({texts}) make no batch; use --fit cover or stretch"
        )
    return MixedSamples(sets, seed, training=which == "train")


class Reading(Protocol):
    """The flags that say how frames are read."""

    @property
    def png(self) -> bool: ...
    @property
    def skip_missing(self) -> bool: ...
    @property
    def fit(self) -> FitName: ...
    @property
    def stage(self) -> str | None: ...


def open_set(
    data: Reading, chosen: DepthSet, which: Literal["train", "val"], target: Target, size: Size
) -> DepthSamples:
    """One data set's samples."""
    unit = DepthUnit.of(chosen.dataset, chosen.depth_is, chosen.factor)
    if target == "metres" and unit.depth_is != "metres":
        raise UserError(
            f"--dataset {chosen.dataset.name}: its depth is {unit.depth_is}, and --loss compares metres; choose a loss that "
            "aligns scale and shift (ssi-trimmed), or leave the data set out"
        )
    store = open_fitted(chosen.dataset.name, chosen.root, data.png, data.fit, size)
    stage(store, data.stage)
    lines, source = chosen.dataset.lines(chosen.root, chosen.split, which, (0,))
    lines = check_frames(store, lines, (0,), False, data.skip_missing, source)
    return DepthSamples(store, check_depth(store, lines, unit, source), unit, target, data.fit, size)


def open_fitted(dataset: str, root: Path, png: bool, how: FitName, size: Size) -> FrameStore:
    """The frames at `root`; a pack must have been made with this --fit and size."""
    store = open_originals(dataset, root, png)
    if not isinstance(store, FolderStore):
        if store.fit != how:
            raise UserError(
                f"--data_path {root}: packed with --fit {store.fit}, not {how}; give that, or pack again with --fit {how} "
                "(stretch or kb_crop)"
            )
        if how == "stretch":
            store.check_size(*size)
    return store
