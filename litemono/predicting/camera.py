"""A camera of this machine as a source, by OpenCV."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image

from litemono.predicting.frames import Frame
from litemono.utils.errors import require

USUAL_RATE = 30.0  # where the camera does not say


class Camera:
    """Camera `index`, until it is unplugged or Ctrl-C is pressed."""

    def __init__(self, index: int) -> None:
        """Raises UserError where there is no such camera."""
        import cv2

        self.index, self.name, self.where, self.folder = index, f"camera{index}", f"camera {index}", Path.cwd()
        self.files: list[Path] = []
        self.count: int | None = None
        before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(index)
        cv2.utils.logging.setLogLevel(before)
        require(
            self._capture.isOpened(),
            f"--input {index}: there is no such camera, or another program uses it; a file of that name would be ./{index}",
        )
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or USUAL_RATE

    def frames(self, start: int) -> Iterator[Frame]:
        """Always new ones, until Ctrl-C (a second one ends the command at once); numbers count from `start`."""
        stopped = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.set()
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, stop)
        index = start
        try:
            while not stopped.is_set():
                there, bgr = self._capture.read()
                if not there:
                    return
                yield Frame(index, f"{self.name}/{index:06}", partial(_image, bgr))
                index += 1
        finally:
            signal.signal(signal.SIGINT, before)
            self._capture.release()

    def complaint(self) -> str | None:
        return None


def _image(bgr: np.ndarray) -> Image.Image:
    return Image.fromarray(bgr[:, :, ::-1])
