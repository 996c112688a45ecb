"""The device a command computes on."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import torch

from litemono.utils.errors import BadNode, UserError

PCI = Path("/sys/bus/pci/devices")
CPU_FEATURES = (
    *("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16"),  # x86
    *("asimd", "sve", "bf16", "fphp"),  # Arm
)
# torch and C++ on a CPU; CUDA, cuBLAS, and cuDNN where no algorithm finds room to work.
OUT_OF_MEMORY = ("can't allocate memory", "bad_alloc", "out of memory", "ALLOC_FAILED", "unable to find an engine")


def is_out_of_memory(error: BaseException) -> bool:
    """On GPUs torch has a type for it; the libraries that it calls there raise RuntimeErrors with messages of their own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


def nvidia_cards() -> int:
    """Those on the PCI bus, whether their driver works or not."""
    vendors = PCI.glob("*/vendor")
    classes = (path.with_name("class").read_text() for path in vendors if path.read_text().strip() == "0x10de")
    return sum(text.startswith("0x03") for text in classes)  # display controllers: not a card's sound device


def cpu_features() -> list[str]:
    """Instruction sets of the processor that decide how fast it computes; empty where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, values = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86, Arm
                return [feature for feature in values.split() if feature in CPU_FEATURES]
    return []


def choose_device(name: str | None) -> torch.device:
    """cuda if there is one, unless `name` says otherwise; UserError where the GPU that was asked for is not there.

    BadNode in a job on a node whose GPU cannot be used: it is requeued, to another node.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch sees no GPU; ask Slurm for one (--gres=gpu:1), check `nvidia-smi`, or use --device cpu"
        )
    if name is None and not torch.cuda.is_available() and os.environ.get("SLURM_JOB_GPUS"):
        if nvidia_cards():
            raise BadNode(
                "this job has a GPU and this node an NVIDIA card, but torch cannot use it: a broken driver, or one too old "
                "for this torch (envs/README.md); to train on the processor: --device cpu"
            )
        print(
            "warning: this job has a GPU, but torch sees none: going on with the CPU. `python -m litemono.doctor` on that "
            "node says why",
            file=sys.stderr,
            flush=True,
        )
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
