"""Films as a source, by PyAV (FFmpeg in wheels). Memory does not grow with a film's length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from litemono.predicting.frames import Frame
from litemono.utils.errors import UserError

SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
USUAL_RATE = 25.0  # where a file does not say
EARLY = 0.02  # share of the frames; a length that is estimated from the duration may be wrong by a few frames
FEW = 3


def import_av(path: object) -> Any:
    """PyAV; UserError where it is not installed."""
    try:
        import av
    except ImportError:
        raise UserError(f"{path}: videos need PyAV; pip install 'litemono[video]'") from None
    # FFmpeg's own log function: PyAV's waits for Python's lock in a decoder's thread, and whoever closes that decoder holds the
    # lock until the thread ends
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)  # what is wrong with a frame is counted here
    return av


class Video:
    """A film's first video stream."""

    def __init__(self, path: Path) -> None:
        """Raises UserError for a file that is no video, and without PyAV."""
        self.path, self.name, self.where, self.folder = path, path.stem, str(path), path.parent
        self.files = [path]
        self.av = import_av(path)
        self.found: int | None = None
        """Frames, broken ones included, once all have been read."""
        with self._open() as container:
            stream = container.streams.video[0]
            self.rate = float(stream.average_rate or stream.guessed_rate or USUAL_RATE)
            length = container.duration / self.av.time_base if container.duration else 0.0
            self.count: int | None = stream.frames or round(length * self.rate) or None

    def _open(self) -> Any:
        try:
            container = self.av.open(str(self.path))
        except (self.av.error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{self.path}: cannot be read as a video ({reason}); is the file complete? Copy it again, or convert it to .mp4"
            ) from None
        if not container.streams.video:
            container.close()
            raise UserError(f"{self.path}: has no pictures, only other streams; give another --input")
        return container

    def frames(self, start: int) -> Iterator[Frame]:
        """Those before `start` are decoded too, because not every format can find a frame by its number."""
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.options = {
                "err_detect": "explode"
            }  # else FFmpeg fills in what it lacks without an error
            began: float | None = None
            index = 0
            for decoded in self._decoded(container, stream):
                seconds = None if isinstance(decoded, UserError) else decoded.time
                if began is None:
                    began = seconds
                if index >= start:
                    shown = None if seconds is None or began is None else seconds - began
                    yield Frame(index, f"{self.name}/{index:06}", partial(self._image, index, decoded), shown)
                index += 1
            self.found = index

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames of PyAV; a UserError in the place of each that cannot be decoded."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (self.av.error.FFmpegError, OSError):  # the file ends within a packet
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except self.av.error.EOFError:
                return
            except self.av.error.FFmpegError as error:
                yield UserError(f"{self.path}: a frame cannot be decoded ({error.strerror})")

    def _image(self, index: int, decoded: Any) -> Image.Image:
        if isinstance(decoded, UserError):
            raise decoded
        if decoded.is_corrupt:
            raise UserError(f"{self.path}: frame {index} is damaged")
        image = decoded.to_image()
        return image.rotate(decoded.rotation, expand=True) if decoded.rotation else image

    def complaint(self) -> str | None:
        if self.found is None or self.count is None or self.found >= self.count - max(FEW, EARLY * self.count):
            return None
        return (
            f"{self.path}: ends after {self.found} of its {self.count} frames, so it is not complete; what is there has been "
            "predicted. Copy or record the rest again"
        )
