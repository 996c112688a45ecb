"""Small films, written and read with PyAV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

FRAMES, SIZE = 12, (96, 64)
Picture = Callable[[int], np.ndarray]


def pixels(index: int) -> np.ndarray:
    """A soft picture that moves."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.roll(np.asarray(Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)), 3 * index, axis=1)


def noise(index: int) -> np.ndarray:
    """A picture that takes kilobytes."""
    return np.random.default_rng(index).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def write_film(
    path: Path, codec: str = "libx264", frames: int = FRAMES, picture: Picture = pixels, **options: str
) -> Path:
    import av

    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode(None))
    return path


def read_film(path: Path) -> tuple[list[np.ndarray], list[float]]:
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24").astype(int) for frame in frames], [frame.time for frame in frames]
