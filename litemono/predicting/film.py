"""Films as results. A film is encoded in parts, so that a run which was ended keeps what it has; at the end the parts are
joined without encoding anything anew."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from litemono.predicting.video import import_av
from litemono.utils.atomic_files import replacing, writable
from litemono.utils.errors import require

TICKS = 90_000  # per second, as films count time
LONGEST = 16_384  # pixels of a side, H.264's limit
ENCODERS = ("libx264", "libopenh264", "mpeg4")  # the first that FFmpeg was built with


class FilmWriter:
    """Encodes pictures to NUMBER.mp4 files in `folder`."""

    def __init__(self, folder: Path, rate: float, parts: int) -> None:
        """parts: there already. Raises UserError without PyAV."""
        self.av = import_av("--video")
        self.folder, self.rate, self.parts = folder, rate, parts
        self.encoder = next(name for name in ENCODERS if name in self.av.codecs_available)
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def add(self, picture: Image.Image, size: tuple[int, int], seconds: float) -> None:
        """The next picture, shown from `seconds` on. size: width and height of all, to which it is brought."""
        size = (size[0] // 2 * 2, size[1] // 2 * 2)  # H.264 keeps colours at half the size
        if self._container is None:
            self._start(size)
        if picture.size != size:
            picture = picture.crop((0, 0, *size)) if _nearly(picture.size, size) else picture.resize(size)
        frame = self.av.VideoFrame.from_image(picture)
        frame.time_base = Fraction(1, TICKS)
        frame.pts = self._last = max(round(seconds * TICKS), self._last + 1)
        self._container.mux(self._stream.encode(frame))

    def _start(self, size: tuple[int, int]) -> None:
        require(
            max(size) <= LONGEST, f"--video: a film ends at {LONGEST} pixels a side, and this has {size[0]}x{size[1]}"
        )
        require(min(size) >= 2, f"--video: a film needs 2 pixels a side at least, and this has {size[0]}x{size[1]}")
        with writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._container = self.av.open(str(self._part(self.parts)), "w")
        # without B-frames, whose order of decoding would cross from part to part
        options = {"crf": "18", "bf": "0", "preset": "veryfast"} if self.encoder == "libx264" else {}
        self._stream = self._container.add_stream(self.encoder, rate=Fraction(self.rate).limit_denominator(1001))
        self._stream.options = options
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.bit_rate = 0 if options else 8_000_000
        self._stream.codec_context.time_base = Fraction(1, TICKS)

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:06}.mp4"

    def end_part(self) -> None:
        """What was added so far is complete on disk."""
        if self._container is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = None
        self.parts += 1

    def abandon(self) -> None:
        """Close the part that is not complete, and delete it."""
        if self._container is not None:
            self._container.close()
            self._container = None
            self._part(self.parts).unlink(missing_ok=True)

    def join(self, path: Path) -> None:
        """All parts as one film."""
        self.end_part()
        with replacing(path) as file, self.av.open(file, "w", format="mp4") as output:
            stream = None
            for number in range(self.parts):
                with self.av.open(str(self._part(number))) as part:
                    source = part.streams.video[0]
                    stream = stream or output.add_stream_from_template(source)
                    for packet in part.demux(source):
                        if packet.dts is not None:
                            packet.stream = stream
                            output.mux(packet)


def _nearly(size: tuple[int, int], even: tuple[int, int]) -> bool:
    return all(0 <= ours - wanted <= 1 for ours, wanted in zip(size, even, strict=True))
