"""Small data sets with ground truth in the layouts that users have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, height: int, width: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def metres(seed: int, height: int, width: int, measured: float = 0.3) -> np.ndarray:
    """Sparse depth from 2 to 60 m, 0 elsewhere."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(2, 60, (height, width))
    return np.where(rng.random((height, width)) < measured, depth, 0).astype(np.float32)


def save_png(path: Path, values: np.ndarray, bits: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.round().astype(np.uint16 if bits == 16 else np.uint8)).save(path)


def write_pairs(root: Path, count: int = 12, height: int = 40, width: int = 64, suffix: str = ".png") -> Path:
    """images/pic_3.jpg, depth/pic_3.png (millimetres) or .npy (metres)."""
    for folder in ("images", "depth"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        picture(n, height, width).save(root / f"images/pic_{n}.jpg")
        if suffix == ".png":
            save_png(root / f"depth/pic_{n}.png", 1000 * metres(n, height, width))
        else:
            np.save(root / f"depth/pic_{n}.npy", metres(n, height, width))
    return root


def write_redweb(root: Path, count: int = 10) -> Path:
    """Pictures of different sizes with 8-bit relative inverse depth."""
    for folder in ("Imgs", "RDs"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        height, width = (48, 64) if n % 2 else (64, 48)
        picture(n, height, width).save(root / f"Imgs/scene{n}.jpg")
        near = np.random.default_rng(n).integers(1, 256, (height, width))
        save_png(root / f"RDs/scene{n}.png", near, bits=8)
    return root


def write_nyu(root: Path) -> Path:
    """Two scenes of four frames."""
    for scene in ("bathroom_0001", "kitchen_0028b"):
        for n in (0, 1, 5, 45):
            (root / scene).mkdir(parents=True, exist_ok=True)
            picture(n, 48, 64).save(root / scene / f"rgb_{n:05d}.jpg")
            save_png(root / scene / f"sync_depth_{n:05d}.png", 1000 * metres(n, 48, 64) / 8)
    return root
