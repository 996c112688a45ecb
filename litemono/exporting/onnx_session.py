"""ONNX Runtime: one way to start it, and batches of the size that a file has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Infer = Callable[[np.ndarray], np.ndarray]
"""The content of an ONNX file at work: its input to its output."""


def start_session(content: bytes, threads: int | None = None) -> InferenceSession:
    """On the GPU where onnxruntime can use one. threads: of a pass; None: those of the machine. Raises onnxruntime's errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    there = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
    return onnxruntime.InferenceSession(content, options, providers=providers)


def infer_with(session: InferenceSession) -> Infer:
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def in_batches(infer: Infer, images: np.ndarray, batch: int) -> np.ndarray:
    """infer's output for images (B, ...), given `batch` at a time; the last batch is filled with its last image."""
    results = []
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)]) if len(part) < batch else part
        results.append(infer(filled)[: len(part)])
    return results[0] if len(results) == 1 else np.concatenate(results)
