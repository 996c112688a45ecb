"""The steps of an export, in their order."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import torch

from litemono import __version__
from litemono.exporting import comparison
from litemono.exporting.formats import WRITERS
from litemono.exporting.frames import open_frames
from litemono.exporting.fused import FusedDepth
from litemono.exporting.job import Job
from litemono.exporting.onnx_file import About
from litemono.exporting.settings import SUFFIXES, ExportConfig
from litemono.inference import load_trained
from litemono.trained_depth import TrainedDepth
from litemono.utils.atomic_files import replacing
from litemono.utils.commit import code_commit
from litemono.utils.errors import UserError, require

LICENCE = "the code is MIT; weights have the licence of their data and authors"


def run(config: ExportConfig, height: int | None, width: int | None) -> None:
    """Write, compare, then put the file in its place; UserError leaves nothing behind."""
    require(config.load_weights.suffix != ".onnx", f"--load_weights {config.load_weights}: is exported already")
    trained = load_trained(config.load_weights, config.model, torch.device("cpu"), height, width)
    net = trained.net
    height, width = net.height, net.width
    if not net.spec.input.fits(height, width):
        nearest = net.spec.input.nearest(height, width)
        raise UserError(f"--size {width}x{height}: {net.name} computes at sizes such as {nearest[1]}x{nearest[0]}")
    fused = FusedDepth(trained, config.input, config.output_kind, config.depth_scale).eval()
    job = Job(config, fused, _about(config, trained), open_frames(config, trained))
    output = config.output or Path(f"{net.name}_{width}x{height}{SUFFIXES[config.format]}")
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        draft = Path(folder) / f"draft{SUFFIXES[config.format]}"
        found = comparison.compare(job, WRITERS[config.format](job, draft))
        comparison.check(config, found)
        with replacing(output) as file, draft.open("rb") as content:
            shutil.copyfileobj(content, file)
    shape = "B, H, W, 3, uint8" if config.input == "uint8" else "B, 3, H, W, float32 in [0, 1]"
    size = f"{net.name} {width}x{height}, {config.precision}, {output.stat().st_size / 1e6:.1f} MB"
    print(f"{output}: {size}; ({shape}) -> {config.output_kind}")
    print("\n".join(found.lines()))


def _about(config: ExportConfig, trained: TrainedDepth) -> About:
    net, folder = trained.net, config.load_weights
    files = [folder] if folder.is_file() else [folder / file for _, file in net.spec.weights.files]
    checksum = hashlib.sha256()
    for file in files:
        checksum.update(file.read_bytes())
    least, largest = trained.depth_range or (0.0, 0.0)
    return About(
        model=net.name,
        height=net.height,
        width=net.width,
        input=config.input,
        output=config.output_kind,
        kind=trained.kind,
        min_depth=least,
        max_depth=largest,
        depth_scale=config.depth_scale,
        precision=config.precision,
        weights=folder.name,
        weights_sha256=checksum.hexdigest(),
        licence=LICENCE,
        commit=code_commit(),
        version=__version__,
    )
