"""An ONNX network in fewer bits: float16, or 8-bit integers with ranges from real frames. Both by ONNX Runtime's own tools."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from litemono.exporting.job import Job

if TYPE_CHECKING:
    from onnx import ModelProto


def lowered(model: ModelProto, job: Job) -> ModelProto:
    """`model` in the precision of --precision; input and output stay as they are. Raises UserError."""
    match job.config.precision:
        case "fp32":
            return model
        case "fp16":
            return _half(model)
        case "int8":
            return to_int8(model, _inputs(job))


def _half(model: ModelProto) -> ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    half.topological_sort()  # the casts of input and output were added at the end
    return half.model


def to_int8(model: ModelProto, inputs: Iterable[np.ndarray]) -> ModelProto:
    """Convolutions and products with weights in 8 bits, weights for each channel; the rest stays in float32.

    inputs: of the network, for the ranges. Products of two maps, as in attention, are small, and lose most.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it advises pre-processing, which is done
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared, written = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                written,
                _Reader(model.graph.input[0].name, inputs),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                extra_options={"MatMulConstBOnly": True},
            )
            return onnx.load(written)
    finally:
        logging.root.setLevel(level)


def _inputs(job: Job) -> Iterator[np.ndarray]:
    """The calibration frames, as the network takes them."""
    for read in job.frames.calibration:
        yield job.as_input(np.repeat(read()[None], job.config.batch or 1, axis=0)).numpy()


class _Reader:
    """Inputs as ONNX Runtime asks for them."""

    def __init__(self, name: str, inputs: Iterable[np.ndarray]) -> None:
        self.name, self.inputs = name, iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        images = next(self.inputs, None)
        return None if images is None else {self.name: images}
