"""What --profile suggests for the training from video, by what its steps wait for."""

from __future__ import annotations

import os

import torch

from litemono.config import TrainConfig
from litemono.data.stores.packed import is_pack
from litemono.engine.precision import HALF, choose_precision
from litemono.engine.profiler import Advice


def profiler_advice(config: TrainConfig, device: torch.device, precision: str) -> Advice:
    """precision: the one in force."""
    data, optim, cores = config.data, config.optim, len(os.sched_getaffinity(0))
    faster_data = []
    if data.dataset != "frames" and not is_pack(data.data_path):
        faster_data.append("packed frames (python -m litemono.prepare pack)")
    if data.num_workers < cores:
        faster_data.append(f"a larger --num_workers (now {data.num_workers}, cores: {cores})")
    best = choose_precision(None, device)
    half = [f"--precision {best}"] if best in HALF and precision not in HALF else []
    compiling = [] if optim.compile or config.loss.no_ssim else ["--compile"]
    a_gpu = ["a GPU"] if device.type == "cpu" else []
    accumulating = ["a smaller --accumulate"] if optim.accumulate > 1 else []
    return Advice(
        data=tuple(faster_data or [f"more CPU cores for the job (now {cores})"]),
        computing=(*a_gpu, *half, *compiling, "a smaller --model or --height and --width"),
        launching=(
            *accumulating,
            "a larger --batch_size (another training)",
            *compiling,
            "faster or less loaded CPU cores",
        ),
    )
