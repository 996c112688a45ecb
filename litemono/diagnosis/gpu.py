"""Torch, the GPU, its driver, and whether the installed wheel has code for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator

from litemono.diagnosis.finding import Finding

# Compute capability of the GPUs that clusters name in their GRES.
CAPABILITY = {
    "p100": "sm_60", "v100": "sm_70", "v100s": "sm_70", "t4": "sm_75", "rtx6000": "sm_75", "a100": "sm_80", "a30": "sm_80",
    "a40": "sm_86", "a10": "sm_86", "a6000": "sm_86", "l4": "sm_89", "l40": "sm_89", "l40s": "sm_89", "h100": "sm_90",
    "h200": "sm_90", "gh200": "sm_90", "b200": "sm_100",
}  # fmt: skip


def wheel_architectures() -> list[str]:
    """GPU architectures the installed torch has code for; also on machines without a GPU."""
    import torch

    flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)()  # get_arch_list() answers only where there is a GPU
    return flags.split() if flags else []


def has_code_for(architecture: str, wheel: Iterable[str]) -> bool:
    """Code for sm_80 runs on sm_86 too: same major number, minor not larger; compute_N (PTX) on all that are newer."""

    def number(name: str) -> tuple[int, int]:
        digits = re.findall(r"\d+", name)[0]
        return int(digits[:-1]), int(digits[-1])

    wanted = number(architecture)
    for name in wheel:
        major, minor = number(name)
        if name.startswith("sm_") and major == wanted[0] and minor <= wanted[1]:
            return True
        if name.startswith("compute_") and (major, minor) <= wanted:
            return True
    return False


def wheel_problem(gpus: Iterable[str], wheel: list[str] | None = None) -> str | None:
    """Why the installed torch cannot use these GPUs ("v100", or "sm_70"), or None.  Unknown names pass."""
    import torch

    wheel = wheel_architectures() if wheel is None else wheel
    if not wheel:
        return (
            f"torch {torch.__version__} is built without CUDA; pip install -c envs/v100.txt -e . (see envs/README.md)"
        )
    for gpu in sorted(set(gpus)):
        architecture = gpu if gpu.startswith("sm_") else CAPABILITY.get(gpu.lower())
        if architecture and not has_code_for(architecture, wheel):
            pin = "envs/v100.txt" if architecture < "sm_75" and len(architecture) == 5 else "envs/current.txt"
            return (
                f"torch {torch.__version__} has no code for {gpu} ({architecture}; it has {' '.join(wheel)}); "
                f"pip install -c {pin} -e ."
            )
    return None


def check_torch() -> Iterator[Finding]:
    try:
        import torch
    except ImportError as error:
        yield Finding(False, "torch", f"cannot be imported ({error}); pip install -c envs/v100.txt -e .")
        return
    wheel = wheel_architectures()
    yield Finding(
        True, "torch", f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}, code for {' '.join(wheel) or 'CPU'}"
    )
    driver = nvidia_driver()
    if driver is None:
        yield Finding(None, "gpu", "none on this machine (a login node has none: run the doctor in a job too)")
        return
    if not torch.cuda.is_available():
        reason = wheel_problem([]) or (
            f"the driver ({driver}) is too old for CUDA {torch.version.cuda}, or CUDA_VISIBLE_DEVICES hides the GPU"
        )
        yield Finding(False, "gpu", f"nvidia-smi sees one, torch does not: {reason}")
        return
    for i in range(torch.cuda.device_count()):
        architecture = "sm_{}{}".format(*torch.cuda.get_device_capability(i))
        problem = wheel_problem([architecture], wheel)
        yield Finding(not problem, "gpu", f"{torch.cuda.get_device_name(i)}, {architecture}, driver {driver}"
                      + (f": {problem}" if problem else ""))  # fmt: skip


def nvidia_driver() -> str | None:
    """Version of the NVIDIA driver; None where there is no GPU."""
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.split() else None
