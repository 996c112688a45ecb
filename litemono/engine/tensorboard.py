"""TensorBoard curves of a run that may be killed at any moment: on disk before a checkpoint, cut back on resume.

A killed run has logged steps that it will do again. `trim` removes those records from the event files, so that the
curve has every step once, for TensorBoard and for whoever reads the files directly. The writers' `purge_step` does not serve:
it adds a marker by which TensorBoard hides the later events, and leaves them in the files for every other reader. It also
says nothing of a record torn by a kill, behind which no reader finds the next.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from litemono.utils.atomic_files import listing, write_atomically

PATTERN = "events.out.tfevents.*"


class Curves:
    """One event file. Unlike SummaryWriter, whose thread may hold events back, `flush` returns when all are on disk."""

    def __init__(self, folder: Path, suffix: str) -> None:
        """suffix: tells apart files made within the same second, which the name goes by."""
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), suffix)

    def scalar(self, tag: str, value: float, step: int) -> None:
        self._write(summary.scalar(tag, value), step)

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """pixels: (3 or 1, H, W), floats in [0, 1] or uint8."""
        self._write(summary.image(tag, pixels, dataformats="CHW"), step)

    def _write(self, content: summary.Summary, step: int) -> None:
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=content))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _records(data: bytes) -> Iterator[tuple[bytes, Event]]:
    """Whole records of a TFRecord file: length (8 bytes), its CRC (4), payload, its CRC (4).

    A torn tail is left out, and so are damaged payloads. Their CRC is not computed: it would take minutes in Python.
    """
    offset = 0
    while offset + 12 <= len(data):
        length, crc = struct.unpack_from("<QI", data, offset)
        end = offset + 12 + length + 4
        if end > len(data) or masked_crc32c(data[offset : offset + 8]) != crc:
            return
        with contextlib.suppress(DecodeError):
            yield data[offset:end], Event.FromString(data[offset + 12 : end - 4])
        offset = end


def events_in(folder: Path) -> Iterator[Event]:
    """Every event of the event files in `folder`, as they stand on disk, in the order of the files."""
    for path in listing(folder, PATTERN):
        for _, event in _records(path.read_bytes()):
            yield event


def trim(folder: Path, last_step: int) -> int:
    """Drop every event after `last_step` from the event files in `folder`; returns how many were dropped."""
    dropped = 0
    for path in listing(folder, PATTERN):
        data = path.read_bytes()
        records = list(_records(data))
        kept = [raw for raw, event in records if not event.HasField("summary") or event.step <= last_step]
        if sum(map(len, kept)) < len(data):
            write_atomically(path, b"".join(kept))
        dropped += len(records) - len(kept)
    return dropped
