"""TensorBoard curves of a run that was interrupted: cut back to the step that training resumes from.

A killed run has logged steps that it will do again. `trim` removes those records from the event files, so that the
curve has every step once, for TensorBoard and for whoever reads the files directly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from litemono.checkpoint import write_atomically


def _records(data: bytes) -> Iterator[tuple[bytes, Event]]:
    """Whole records of a TFRecord file: length (8 bytes), its CRC (4), payload, its CRC (4). A torn tail is left out."""
    offset = 0
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        end = offset + 12 + length + 4
        if end > len(data):
            return
        yield data[offset:end], Event.FromString(data[offset + 12 : end - 4])
        offset = end


def trim(folder: Path, last_step: int) -> int:
    """Drop every event after `last_step` from the event files in `folder`; returns how many were dropped."""
    dropped = 0
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        records = list(_records(data))
        kept = [raw for raw, event in records if not event.HasField("summary") or event.step <= last_step]
        if sum(map(len, kept)) < len(data):
            write_atomically(path, b"".join(kept))
        dropped += len(records) - len(kept)
    return dropped
