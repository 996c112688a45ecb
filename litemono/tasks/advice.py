"""What --profile suggests for a training on frames, by what its steps wait for."""

from __future__ import annotations

import torch

from litemono.data.datasets import registry
from litemono.data.settings import FramesConfig
from litemono.data.stores.packed import is_pack
from litemono.engine.precision import HALF, choose_precision
from litemono.engine.settings import OptimConfig, Precision
from litemono.engine.task import Advice
from litemono.utils.parallel import available_cores


def advice(
    data: FramesConfig,
    optim: OptimConfig,
    device: torch.device,
    precision: Precision,
    flags: tuple[str, ...] = (),
) -> Advice:
    """precision: the one in use; flags: not in use, and the same step computed faster."""
    cores = available_cores()
    faster_data = []
    if data.dataset in registry.PACKABLE and not is_pack(data.data_path):
        faster_data.append("packed frames (python -m litemono.prepare pack)")
    if data.threads < cores:
        faster_data.append(f"a larger --num_workers (now {data.threads}, cores: {cores})")
    best = choose_precision(None, device)
    half = [f"--precision {best}"] if best in HALF and precision not in HALF else []
    a_gpu = ["a GPU"] if device.type == "cpu" else []
    accumulating = ["a smaller --accumulate"] if optim.accumulate > 1 else []
    return Advice(
        data=tuple(faster_data or [f"more CPU cores for the job (now {cores})"]),
        computing=(*a_gpu, *half, *flags, "a smaller --model or --height and --width"),
        launching=(*accumulating, "a larger --batch_size (another training)", *flags, "less loaded CPU cores"),
    )
