"""Packing composites: every picture is decoded, checked and resized once (layout: stores/composites.py)."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from litemono.data.datasets.base import Size
from litemono.data.datasets.composites import BACKGROUNDS, KINDS, background_of
from litemono.data.packing.split import parse_size
from litemono.data.stores.composites import (
    FORMAT,
    INDEX,
    CompositeFiles,
    array_shapes,
    checksums_file,
    is_packed,
)
from litemono.utils.atomic_files import read_json, writable, write_atomically
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import available_cores, ordered_map
from litemono.utils.progress import progress_bar


@dataclass(frozen=True)
class CompositesConfig:
    """Decode, check and resize backgrounds, pictures, masks and depths once, for litemono segment --data_path.

    python -m litemono.prepare pack-composites --from DATA --output packed --size 128x128

    Kill it any time: the same command continues.
    """

    source: Annotated[Path, tyro.conf.arg(name="from")]
    """Folder with bg/, fgbg/, mask/ and depth/, or with a zip of each name; or one zip with all four."""
    output: Path
    """Folder of the pack."""
    size: str = "128x128"
    """Width x height of the packed pictures; training then needs this --width and --height."""
    num_workers: int = field(default_factory=available_cores)
    """Threads that decode. Default: one per core."""


DONE = "done.json"  # in an unfinished pack: what is packed, and how many samples of it
EVERY = 1000  # samples between two notes


def pack(config: CompositesConfig) -> None:
    """Pack, and say what to type next."""
    require(config.num_workers >= 1, f"--num_workers {config.num_workers}: must be at least 1")
    height, width = parse_size(config.size)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    count = pack_composites(config.source, config.output, (height, width), config.num_workers, console)
    console.print(
        f"{config.output}: {count} pictures at {width}x{height} with mask and depth; train with litemono segment "
        f"--data_path {shlex.quote(str(config.output))} --height {height} --width {width}"
    )


def pack_composites(source: Path, output: Path, size: Size, num_workers: int, console: Console) -> int:
    """Pack the folders or zips at `source` into `output`; returns the number of samples.

    The pack appears when it is complete. Until then it is in a neighbour named `.NAME.partial`, where the same command
    continues. UserError for bad names, masks and sizes.
    """
    require(
        output.resolve() != Path.cwd(),
        f"--output {output}: is the folder you are in, which a pack replaces; choose another",
    )
    output = Path(os.path.realpath(output))  # a link stays one
    require(source.exists(), f"--from {source}: there is no such folder or zip")
    require(not is_packed(source), f"--from {source}: is packed already")
    files = CompositeFiles(source, size, truth=True)
    numbers = sorted({background_of(line) for line in files.lines})
    index = {
        "format": FORMAT,
        "height": size[0],
        "width": size[1],
        "samples": [files.stems[line] for line in files.lines],
        "backgrounds": numbers,
    }
    if is_packed(output):
        require(
            read_json(output / INDEX) == index,
            f"--output {output}: has a pack of other pictures or another size; remove it or choose another folder",
        )
        return len(files.lines)
    require(
        not output.exists() or output.is_dir() and not any(output.iterdir()),
        f"--output {output}: is there and no pack; choose another folder",
    )
    partial = output.with_name(f".{output.name}.partial")
    with writable(output):
        partial.mkdir(parents=True, exist_ok=True)
    shapes = array_shapes(len(numbers), len(files.lines), size)
    _check_room(partial, sum(math.prod(shape) for shape in shapes.values()))
    _write(partial, files, index, num_workers, console)
    write_atomically(partial / INDEX, json.dumps(index).encode())
    (partial / DONE).unlink()
    if output.exists():
        output.rmdir()
    os.replace(partial, output)
    return len(files.lines)


def _write(folder: Path, files: CompositeFiles, index: dict, num_workers: int, console: Console) -> None:
    """Fill the arrays, from where an interrupted pack of the same samples ended."""
    note, of = read_json(folder / DONE), f"{zlib.crc32(json.dumps(index).encode()):08x}"
    done = note["samples"] if note.get("index") == of else 0
    shapes = array_shapes(len(index["backgrounds"]), len(files.lines), files.size)
    arrays = {kind: _array(folder / f"{kind}.npy", None if done else shapes[kind]) for kind in KINDS}
    checksums = {
        kind: _array(checksums_file(folder, kind), None if done else shapes[kind][:1], np.uint32) for kind in KINDS
    }

    def put(kind: str, row: int, values: np.ndarray) -> None:
        arrays[kind][row] = values
        checksums[kind][row] = zlib.crc32(np.ascontiguousarray(values).data)

    def note_done(count: int) -> None:
        for array in (*arrays.values(), *checksums.values()):
            array.flush()
        write_atomically(folder / DONE, json.dumps({"index": of, "samples": count}).encode())

    with (
        ThreadPoolExecutor(num_workers) as threads,
        progress_bar(len(files.lines) - done, "pictures", console=console) as tick,
    ):
        ahead = 4 * num_workers
        if not done:
            behind = ordered_map(threads, files.read_background, index["backgrounds"], ahead)
            for row, background in enumerate(behind):
                put(BACKGROUNDS, row, background)
        rows = range(done, len(files.lines))
        for row, sample in zip(rows, ordered_map(threads, files.read, files.lines[done:], ahead), strict=True):
            for kind, values in zip(KINDS[1:], sample[1:], strict=True):
                put(kind, row, values)
            tick()
            if (row + 1) % EVERY == 0:
                note_done(row + 1)
    note_done(len(files.lines))


def _array(path: Path, shape: tuple[int, ...] | None, numbers: type[np.generic] = np.uint8) -> np.memmap:
    """A file mapped for writing; shape: of a new one, whose blocks are reserved, because a full disk would kill a process that
    writes through a map."""
    if shape is None:
        return np.lib.format.open_memmap(path, "r+")
    array = np.lib.format.open_memmap(path, "w+", numbers, shape)
    if hasattr(os, "posix_fallocate"):
        with writable(path), open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _check_room(folder: Path, needed: int) -> None:
    there = sum(path.stat().st_size for path in folder.iterdir())
    free = shutil.disk_usage(folder).free + there
    if free < needed:
        raise UserError(f"{folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; choose another disk")
