"""`litemono.prepare verify` of composites, packed or not (layout: stores/composites.py)."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console

from litemono.data.datasets.composites import BACKGROUNDS
from litemono.data.splits import SplitLine
from litemono.data.stores.composites import PACK_AGAIN, CompositeFiles, PackedComposites, checksums_file, open_to_check
from litemono.utils.errors import UserError, reason
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import progress_bar

SHOWN = 3  # problems of one kind that are printed
AHEAD = 64  # rows or pictures that are read ahead
Problems = dict[str, list[str]]  # what is wrong, by place


def verify(root: Path, workers: int) -> int:
    """Print what is damaged or does not fit; 1 if anything.

    Rows of a pack are compared with their checksums; image files are decoded and checked as `pack-composites` checks them.
    UserError for names, arrays or checksums that do not fit each other.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    store = open_to_check(root)
    size, advice = "", "replace or remove them"
    if isinstance(store, PackedComposites):
        problems = _damaged_rows(store, workers, console)
        size, advice = f" at {store.size[1]}x{store.size[0]}", PACK_AGAIN
    else:
        problems = _bad_files(store, workers, console)
    for place, texts in problems.items():
        more = [f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
        console.print(f"{place}: {len(texts)} damaged\n  " + "\n  ".join([*texts[:SHOWN], *more]))
    bad = sum(map(len, problems.values()))
    verdict = f"{bad} damaged; {advice}" if bad else "all are there and whole"
    console.print(
        f"{root}: {len(store.lines)} pictures{size} with mask and depth, {len(store.backgrounds)} backgrounds: {verdict}"
    )
    return 1 if bad else 0


def _damaged_rows(store: PackedComposites, workers: int, console: Console) -> Problems:
    found: Problems = {}
    count = sum(map(len, store.arrays.values()))
    with progress_bar(count, "images", console=console) as tick, ThreadPoolExecutor(workers) as threads:
        for kind, array in store.arrays.items():
            names = [f"background {number}" for number in store.backgrounds]
            if kind != BACKGROUNDS:
                names = [store.stems[line] for line in store.lines]
            wanted = _checksums(store.root, kind, len(array))
            for name, right, crc in zip(names, wanted, ordered_map(threads, zlib.crc32, array, AHEAD), strict=True):
                if crc != right:
                    found.setdefault(f"{store.root / kind}.npy", []).append(name)
                tick()
    return found


def _checksums(root: Path, kind: str, rows: int) -> np.ndarray:
    path = checksums_file(root, kind)
    try:
        checksums = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: the checksums cannot be read ({reason(error)}); {PACK_AGAIN}") from None
    if checksums.shape != (rows,) or checksums.dtype != np.uint32:
        raise UserError(f"{path}: has not {rows} checksums, one for each row of {kind}.npy; {PACK_AGAIN}")
    return checksums


def _bad_files(store: CompositeFiles, workers: int, console: Console) -> Problems:
    def problem(line: SplitLine) -> str | None:
        try:
            store.read(line)
        except UserError as error:
            return str(error)
        return None

    texts = []
    with progress_bar(len(store.lines), "pictures", console=console) as tick, ThreadPoolExecutor(workers) as threads:
        for text in ordered_map(threads, problem, store.lines, AHEAD):
            texts += [text] if text else []
            tick()
    return {str(store.root): texts} if texts else {}
