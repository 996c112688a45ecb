"""What other programs write, depth maps and trajectories; and the index of packed pictures."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path

from hypothesis import strategies as st

from evaluate.odometry.trajectory import motions_of, read_poses
from evaluate.sources.map_files import EXTENSIONS, SINTEL_TAG, read_map
from litemono.data.datasets.registry import get as dataset_of
from litemono.data.stores.arrays import parse_floats
from litemono.data.stores.picture_index import FORMAT, INDEX_FILE, Folder, Maps, PictureIndex, images_file, maps_file
from litemono.data.stores.picture_pack import PicturePack
from litemono.utils.errors import UserError

from ..mutations import EDGES, damaged_bytes, damaged_json, damaged_npy, damaged_text, json_bytes, zip_bytes
from .arrays import MAPS, npy
from .base import Kind, Use
from .pictures import WIDE

SIZE = MAPS[0].shape
PFM = b"Pf\n%d %d\n-1\n" % SIZE[::-1] + MAPS[0].tobytes()
DPT = struct.pack("<fii", SINTEL_TAG, *SIZE[::-1]) + MAPS[0].tobytes()
POSES = "".join(f"1 0 0 {step} 0 1 0 0 0 0 1 {2 * step}\n" for step in range(4))
PICTURES = PictureIndex(
    "pairs", 4, 6, {"a": Folder([1, 2], ["a/1", "a/2"], [SIZE, SIZE], [1, 2], {"depth": Maps([1], ["<f4"], [3])})}
)


def use_map(folder: Path) -> Use:
    """Under every suffix that its first bytes can belong to, for evaluation and for training."""

    def use(data: bytes) -> None:
        refused = []
        for suffix in EXTENSIONS:
            path = folder / f"map{suffix}"
            path.write_bytes(data)
            reads = [lambda path=path: read_map(path, 256.0, "png_factor")]
            if suffix in (".npy", ".pfm"):
                reads.append(lambda suffix=suffix, path=path: parse_floats(data, suffix, path))
            for read in reads:
                try:
                    read()
                except UserError as error:
                    refused.append(error)
        if len(refused) == len(EXTENSIONS) + 2:
            raise refused[-1]

    return use


def use_trajectory(folder: Path) -> Use:
    path = folder / "00.txt"

    def use(data: bytes) -> None:
        path.write_bytes(data)
        motions_of(read_poses(path, "--poses"))

    return use


def use_picture_pack(folder: Path) -> Use:
    """The index of pictures and maps that are there."""
    for path, size in ((images_file(folder, "a"), 2 * 72), (maps_file(folder, "a", "depth"), 4 * 24)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))

    def use(data: bytes) -> None:
        (folder / INDEX_FILE).write_bytes(data)
        pack = PicturePack(dataset_of("pairs"), folder)
        for of, frame in pack.index.frames()[:4]:
            pack.read(of, frame, "l")
            pack.native_size(of, frame, "l")
            pack.stem(of, frame, "l")
            for kind in ("depth", "mask"):
                if pack.has_array(kind, of, frame, "l"):
                    pack.read_array(kind, of, frame, "l")

    return use


HEADERS = st.sampled_from([*map(str, EDGES), "-1", "1e9", "nan", "9" * 5000])
HEADED = st.tuples(HEADERS, HEADERS, HEADERS).map(
    lambda n: b"Pf\n%s %s\n%s\n" % tuple(t.encode() for t in n) + MAPS[0].tobytes()
)
MAP_FILES = [PFM, DPT, npy(MAPS[0]), zip_bytes({"arr_0.npy": npy(MAPS[0])}), WIDE]
DEPTH_MAPS = Kind(
    "depth maps", MAP_FILES, st.one_of(damaged_bytes(MAP_FILES), damaged_npy([npy(MAPS[0])]), HEADED), use_map
)
TRAJECTORIES = Kind("trajectories", [POSES.encode()], st.one_of(damaged_text([POSES]), damaged_bytes([POSES.encode()])),
                    use_trajectory)  # fmt: skip
PICTURE_INDEX = {"format": FORMAT, **json.loads(json.dumps(asdict(PICTURES)))}
PICTURE_PACKS = Kind("picture packs", [json_bytes(PICTURE_INDEX)], damaged_json(PICTURE_INDEX), use_picture_pack)
