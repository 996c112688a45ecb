"""An ONNX network in fewer bits: float16, or 8-bit integers with ranges from real frames. Both by ONNX Runtime's own tools."""

from __future__ import annotations

import logging
import tempfile
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
            return _int8(model, job)


def _half(model: ModelProto) -> ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    half.topological_sort()  # the casts of input and output were added at the end
    return half.model


def _int8(model: ModelProto, job: Job) -> ModelProto:
    """Convolutions and matrix products in 8 bits, weights for each channel; the rest stays in float32."""
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
                _Reader(job),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            )
            return onnx.load(written)
    finally:
        logging.root.setLevel(level)


class _Reader:
    """The calibration frames as ONNX Runtime asks for them."""

    def __init__(self, job: Job) -> None:
        self.job, self.frames = job, iter(job.frames.calibration)

    def get_next(self) -> dict[str, Any] | None:
        read = next(self.frames, None)
        if read is None:
            return None
        images = np.repeat(read()[None], self.job.config.batch or 1, axis=0)
        return {"image": self.job.as_input(images).numpy()}
