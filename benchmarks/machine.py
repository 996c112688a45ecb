"""What a measurement was made on, as every record says it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path

import torch

from litemono.utils.device import cpu_features


def machine(device: torch.device) -> dict[str, object]:
    described: dict[str, object] = {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "device": device.type,
        "processor": processor(),
        "features": cpu_features(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "published_precision": "float32, torch's defaults (on a GPU TF32 in convolutions, not in matrix products)",
    }
    if device.type == "cuda":
        described |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return described


def processor() -> str:
    info = Path("/proc/cpuinfo").read_text()
    match = re.search(r"model name\s*:\s*(.+)", info)
    return match[1] if match else platform.machine()
