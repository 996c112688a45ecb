"""Whether the frames of a data set are where training will look for them."""

from __future__ import annotations

from pathlib import Path

from litemono.data.datasets.base import Dataset
from litemono.data.splits import split_file
from litemono.diagnosis.finding import Finding
from litemono.utils.errors import UserError

SPLIT_KINDS = ("train", "val", "test")


def check_unsplit(dataset: Dataset, root: Path, depth_factor: float | None) -> Finding:
    """There are frames of a data set that needs no split list, and their first bytes are those of images.

    depth_factor: of ground truth where there is some; None: the data set's own.
    """
    from litemono.data.depth_source import DepthUnit, check_depth
    from litemono.data.missing_frames import find_missing
    from litemono.data.stores.folder import open_originals

    try:
        found, ids = dataset.frames_found(root), neighbours(dataset)
        store = open_originals(dataset.name, root, png=False)
        lines = [line for which in ("train", "val") for line in dataset.lines(root, None, which, ids)[0]]
        report = find_missing(store, lines, ids, use_stereo=False)
        if "depth" in dataset.pictures and report.present:
            check_depth(store, report.present, DepthUnit.of(dataset, None, depth_factor), root)
        problems = [*report.examples, *report.mixed_sizes]
        return Finding(not problems, "data", f"{found}; {problems[0]}" if problems else found or f"{root} is there")
    except (UserError, OSError) as error:
        return Finding(False, "data", str(error))


def check_composites(root: Path) -> Finding:
    """Backgrounds and pictures for litemono segment, packed or not, have names that fit each other."""
    from litemono.data.stores.composites import PackedComposites, open_to_check

    try:
        store = open_to_check(root)
    except (UserError, OSError) as error:
        return Finding(False, "data", str(error))
    packed = f", packed at {store.size[1]}x{store.size[0]}" if isinstance(store, PackedComposites) else ""
    return Finding(True, "data", f"{len(store.lines)} pictures of {len(store.backgrounds)} backgrounds{packed}")


def neighbours(dataset: Dataset) -> tuple[int, ...]:
    """Frames of a training sample relative to its target."""
    return (0, -1, 1) if dataset.video else (0,)


def check_split(dataset: str, root: Path, split: str, png: bool) -> Finding:
    """Every frame of the split's lists (with the neighbours that training needs) is below `root`."""
    from litemono.data.depth_source import check_depth
    from litemono.data.missing_frames import find_missing
    from litemono.data.stores.folder import open_originals

    try:
        store = open_originals(dataset, root, png)
        counts, examples, archives = [], [], []
        for which in SPLIT_KINDS:
            try:
                split_file(split, which)
            except UserError:
                continue  # not every split has all three lists
            ids = store.dataset.test_offsets if which == "test" else neighbours(store.dataset)
            lines, _ = store.dataset.lines(store.root, split, which, ids)
            report = find_missing(store, lines, ids, use_stereo=False)
            if which == "val" and store.dataset.depth is not None:
                store.dataset.depth.check(store.root, report.present)
            counts.append(f"{len(report.present)} of {len(lines)} {which}")
            if "depth" in store.dataset.packed_pictures and report.present:
                counts[-1] += f" ({len(check_depth(store, report.present, None, split))} with depth)"
            if report.incomplete:
                examples += report.examples
                archives += report.archives
            examples += report.mixed_sizes
    except (UserError, OSError) as error:
        return Finding(False, "data", f"{split}: {error}")
    if not counts:
        return Finding(False, "data", f"{split}: there is no such split in splits/")
    text = f"{split}: {', '.join(counts)} samples have all frames"
    if examples:
        archives = list(dict.fromkeys(archives))
        of = f"; archives: {', '.join(archives[:5])}{', ...' * (len(archives) > 5)}" if archives else ""
        return Finding(False, "data", f"{text}; {examples[0]}{of} (python -m litemono.prepare verify lists all)")
    return Finding(True, "data", text)
