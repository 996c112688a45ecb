"""ONNX files of `litemono export`: what they say about themselves, their checksum, and running them.

The checksum is sha256 of the file with 64 zeros in its place, so a file that was changed or cut is found without a second
file beside it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple, get_type_hints

import numpy as np

from litemono.exporting.onnx_session import in_batches, infer_with, start_session
from litemono.utils.errors import UserError, require
from networks import registry
from networks.registry import NetworkSpec

CHECKSUM, ZEROS = "litemono.sha256", "0" * 64
INSTALL = "pip install 'litemono[export]'"


class About(NamedTuple):
    """What is stored in a file, each as litemono.NAME."""

    model: str
    height: int
    width: int
    input: str
    """uint8: (B, H, W, 3); float: (B, 3, H, W) in [0, 1]."""
    output: str
    """disparity or depth, (B, H, W)."""
    kind: str
    """metric, up-to-scale or relative: what the output is known up to."""
    min_depth: float
    max_depth: float
    depth_scale: float
    """Factor on depths that is in the network already."""
    precision: str
    weights: str
    weights_sha256: str
    licence: str
    commit: str
    version: str

    def as_properties(self) -> dict[str, str]:
        return {f"litemono.{name}": str(value) for name, value in self._asdict().items()}


def with_checksum(content: bytes) -> bytes:
    """The file's content, whose property CHECKSUM is ZEROS, with the checksum in it."""
    require(content.count(ZEROS.encode()) == 1, "the exported file has no place for its checksum")
    return content.replace(ZEROS.encode(), hashlib.sha256(content).hexdigest().encode())


def check_content(path: Path, content: bytes, stored: str) -> None:
    """UserError where a file is not what export wrote."""
    known = len(stored) == 64 and content.count(stored.encode()) == 1
    if not known or hashlib.sha256(content.replace(stored.encode(), ZEROS.encode())).hexdigest() != stored:
        raise UserError(f"{path}: was changed after its export (its checksum differs); export it again")


class OnnxNetwork:
    """A network in a file of `litemono export`, on ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Raises UserError for a file that is absent, damaged, changed or of another program, and without onnxruntime."""
        require(path.is_file(), f"{path}: there is no such file")
        content = path.read_bytes()
        try:
            session = start_session(content, threads)
        except ImportError:
            raise UserError(f"{path}: running it needs onnxruntime; {INSTALL}") from None
        except Exception as error:  # onnxruntime raises its own kinds, which share no base class
            line = str(error).strip().splitlines()[0]
            raise UserError(f"{path}: ONNX Runtime cannot read it ({line}); export it again") from None
        properties = session.get_modelmeta().custom_metadata_map
        if "litemono.model" not in properties:
            raise UserError(
                f"{path}: not written by `litemono export`, so its input and output are unknown; export it here"
            )
        check_content(path, content, properties.get(CHECKSUM, ""))
        values = {name: kind(properties.get(f"litemono.{name}", "")) for name, kind in get_type_hints(About).items()}
        self.path, self.about = path, About(**values)
        self.batch = session.get_inputs()[0].shape[0]
        """A number where the batch is fixed."""
        self.infer = infer_with(session)
        """Another runtime may take its place."""

    @property
    def name(self) -> str:
        return self.about.model

    @property
    def spec(self) -> NetworkSpec:
        return registry.get(self.about.model)

    @property
    def height(self) -> int:
        return self.about.height

    @property
    def width(self) -> int:
        return self.about.width

    def run(self, images: np.ndarray) -> np.ndarray:
        """images: (B, H, W, 3) uint8. Returns the file's output, (B, H, W) float32; B may be any."""
        if self.about.input == "float":
            images = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
        return in_batches(self.infer, images, self.batch) if isinstance(self.batch, int) else self.infer(images)

    def disparity(self, images: np.ndarray) -> np.ndarray:
        """The same as disparity, (B, H, W)."""
        result = self.run(images)
        return 1 / result if self.about.output == "depth" else result
