"""Memory of a training step: its peak, what autograd keeps, and a limit beyond which allocations fail."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.step_subjects import Subject

MB = 1e6
FREE_SHARE = 0.9  # of the free memory may be used


def limit_memory(device: torch.device, limit: float | None) -> None:
    """Let allocations fail beyond `limit` bytes (or most of what is free), rather than the machine swap or kill."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        if limit is not None:
            torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
        return
    torch.ones(512, 512) @ torch.ones(512, 512)  # the threads have their stacks now
    allowed = FREE_SHARE * free_memory() if limit is None else limit
    resource.setrlimit(resource.RLIMIT_AS, (int(status_bytes("VmSize") + allowed),) * 2)


def free_memory() -> float:
    """Bytes of RAM that can be had without swapping, also within a container or job."""
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line)
    free = 1024 * float(available.split()[1])
    group = Path("/sys/fs/cgroup")
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with_limit = (group / most).is_file() and (group / most).read_text().strip() != "max"
        if with_limit:
            free = min(free, float((group / most).read_text()) - float((group / used).read_text()))
    return max(0.0, free)


def status_bytes(name: str) -> float:
    """A field of /proc/self/status: RssAnon and RssFile, VmHWM (their highest sum so far), VmSize."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


class MemoryMeter:
    """Peak of what is taken from here on, in MB."""

    def __init__(self, device: torch.device):
        self.device = device
        gc.collect()
        if device.type == "cuda":
            torch._C._cuda_clearCublasWorkspaces()  # or the first subject alone would pay for them
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            self.before = torch.cuda.memory_allocated(device)
            self.reserved = torch.cuda.memory_reserved(device)
        else:
            self.before = status_bytes("RssAnon")

    def read(self) -> tuple[float, float | None]:
        """(peak, what torch's allocator reserved for it: None on a CPU)."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            peak = torch.cuda.max_memory_allocated(self.device) - self.before
            return peak / MB, (torch.cuda.max_memory_reserved(self.device) - self.reserved) / MB
        # Pages of the libraries' code, which come with the first call, are not what is asked for.
        return (status_bytes("VmHWM") - status_bytes("RssFile") - self.before) / MB, None


def kept_for_backward(subject: Subject) -> float:
    """Bytes of the distinct storages that autograd keeps during a step, at their peak, parameters excluded."""
    keeper = Keeper(subject.parameters)
    with torch.autograd.graph.saved_tensors_hooks(keeper.pack, keeper.unpack):
        subject.step()
    return keeper.peak


class Keeper:
    """Counts storages from when autograd saves a tensor of theirs to when it drops the last one."""

    def __init__(self, parameters: list[Tensor]):
        self.parameters = {parameter.untyped_storage().data_ptr() for parameter in parameters}
        self.holders: dict[int, int] = {}
        self.now = self.peak = 0

    def pack(self, tensor: Tensor) -> Tensor | Kept:
        return tensor if tensor.untyped_storage().data_ptr() in self.parameters else Kept(self, tensor)

    def unpack(self, kept: Tensor | Kept) -> Tensor:
        return kept.tensor if isinstance(kept, Kept) else kept

    def take(self, storage: torch.UntypedStorage, change: int) -> None:
        """change: 1 for one holder more, -1 for one less."""
        place = storage.data_ptr()
        before = self.holders.get(place, 0)
        self.holders[place] = before + change
        if 0 in (before, before + change):
            self.now += change * storage.nbytes()
            self.peak = max(self.peak, self.now)


class Kept:
    """A tensor in autograd's hands."""

    def __init__(self, keeper: Keeper, tensor: Tensor):
        self.keeper, self.tensor = keeper, tensor
        keeper.take(tensor.untyped_storage(), 1)

    def __del__(self) -> None:
        self.keeper.take(self.tensor.untyped_storage(), -1)
