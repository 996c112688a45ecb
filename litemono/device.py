"""The device a command computes on."""

from __future__ import annotations

import os
import sys

import torch

from litemono.errors import UserError


def choose_device(name: str | None) -> torch.device:
    """cuda if there is one, unless `name` says otherwise; UserError where the GPU that was asked for is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch sees no GPU; ask Slurm for one (--gres=gpu:1), check `nvidia-smi`, or use --device cpu"
        )
    if name is None and not torch.cuda.is_available() and os.environ.get("SLURM_JOB_GPUS"):
        print(
            "warning: this job has a GPU, but torch sees none: going on with the CPU. `python -m litemono.doctor` on that "
            "node says why",
            file=sys.stderr,
            flush=True,
        )
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
