"""`litemono.prepare pack` and `verify` of data sets of single pictures."""

from __future__ import annotations

import contextlib
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from litemono.data import depth_source
from litemono.data.datasets.base import Size
from litemono.data.datasets.pictures import PictureDataset
from litemono.data.depth_source import DepthUnit
from litemono.data.packing.output_folder import check_apart, locked
from litemono.data.packing.picture_pack import LISTS, pack_pictures
from litemono.data.splits import SplitLine, split_file
from litemono.data.stores.base import FrameStore
from litemono.data.stores.folder import open_originals
from litemono.data.stores.picture_pack import PicturePack
from litemono.utils.errors import UserError
from litemono.utils.progress import progress_bar

SHOWN = 3  # problems of a folder that are printed


def pack(
    dataset: PictureDataset, place: Path, output: Path, size: Size, split: str | None, skip_missing: bool, workers: int
) -> None:
    """Pack, and say what to type next. UserError for what cannot be packed; folders before it are kept."""
    check_apart(place, output)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with locked(output, "pack"), contextlib.ExitStack() as stack:

        def start(count: int) -> Callable[[], None]:
            return stack.enter_context(progress_bar(count, "pictures", console=console))

        found = pack_pictures(output, dataset, place, split, size, workers, skip_missing, start)
    masks = f" and masks of {found.masks}" if found.masks else ""
    console.print(
        f"{output}: {found.pictures} pictures at {size[1]}x{size[0]}, depth of {found.depth}{masks}; train with litemono "
        f"finetune --dataset {dataset.name} --data_path {shlex.quote(str(output))} --height {size[0]} --width {size[1]}"
    )


def verify(dataset: PictureDataset, root: Path, split: str | None, deep: bool, workers: int) -> int:
    """Print what is missing or damaged; 1 if anything is. deep: decode the files of a folder too."""
    store = open_originals(dataset.name, root, png=False)
    lines = list(_lines(dataset, root, split))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    bad: dict[str, list[str]] = defaultdict(list)
    with progress_bar(len(lines), "pictures", console=console) as tick, ThreadPoolExecutor(workers) as threads:
        for line, problems in zip(lines, threads.map(lambda line: _problems(store, line, deep), lines), strict=True):
            bad[line.folder] += problems
            tick()
    for folder, texts in sorted(bad.items()):
        shown = [*texts[:SHOWN], *([f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else [])]
        if texts:
            console.print(f"{folder}: {len(texts)} missing or damaged\n  " + "\n  ".join(shown))
    count = sum(map(len, bad.values()))
    fine = (
        "all are there and whole"
        if deep or isinstance(store, PicturePack)
        else "all are there (--deep looks into them)"
    )
    depth, masks = (sum(_has(store, kind, line) for line in lines) for kind in ("depth", "mask"))
    with_masks = f" and {masks} a mask" if masks else ""
    console.print(
        f"{root}: {len(lines)} pictures: {f'{count} missing or damaged' if count else fine}; {depth} have depth{with_masks}"
    )
    return 1 if count else 0


def _lines(dataset: PictureDataset, root: Path, split: str | None) -> Iterator[SplitLine]:
    """Of the split's lists, or of all that is there."""
    for which in LISTS if split else ("train", "val"):
        if split:
            try:
                split_file(split, which)
            except UserError:
                continue
        yield from dataset.lines(root, split, which, (0,))[0]


def _has(store: FrameStore, kind: str, line: SplitLine) -> bool:
    return kind in store.dataset.pictures and store.has(*line) and store.has_array(kind, *line)


def _problems(store: FrameStore, line: SplitLine, deep: bool) -> list[str]:
    """What is wrong with a picture and its maps."""
    if not store.has(*line):
        return [store.missing(*line)]
    if isinstance(store, PicturePack):
        return store.problems(line.folder, line.frame)
    unit = DepthUnit.of(store.dataset, "relative", None)  # what numbers mean says --depth_is of the training
    try:
        store.look(*line)
        found = depth_source.problem(store, line, unit) if _has(store, "depth", line) else None
        if deep and found is None:
            store.read(*line)
            if _has(store, "depth", line):
                depth_source.read_depth(store, line, unit)
        return [found] if found else []
    except UserError as error:
        return [str(error)]
