"""Every kind of input, by name."""

from __future__ import annotations

from .archives import SCAN_ZIPS, ZIPS
from .arrays import GROUND_TRUTH, PREDICTIONS, SCANS
from .base import Kind
from .folders import HUB_CONFIG, NETWORK_SETTINGS, SAFETENSORS
from .jsons import CONFIG, PACKED_INDEX, STATUS_FILES
from .maps import DEPTH_MAPS, PICTURE_PACKS, TRAJECTORIES
from .pictures import DEPTH_PICTURES, IMAGES
from .results import RESULTS
from .tensors import CHECKPOINTS, EVENTS, WEIGHTS
from .texts import CALIBRATION, INTRINSICS, JOB_OUTPUT, SPLIT_LISTS

ALL = (
    *(
        IMAGES,
        DEPTH_PICTURES,
        INTRINSICS,
        SPLIT_LISTS,
        CALIBRATION,
        PACKED_INDEX,
        CONFIG,
        STATUS_FILES,
        RESULTS,
        JOB_OUTPUT,
    ),
    *(CHECKPOINTS, WEIGHTS, EVENTS, GROUND_TRUTH, PREDICTIONS, SCANS, ZIPS, SCAN_ZIPS),
    *(DEPTH_MAPS, TRAJECTORIES, PICTURE_PACKS, NETWORK_SETTINGS, HUB_CONFIG, SAFETENSORS),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in ALL}
