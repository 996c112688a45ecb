"""What --profile writes beside its five sentences: tables of the parts of a step and of the networks' blocks, and curves."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.autograd import DeviceType
from torch.autograd.profiler_util import EventList, FunctionEvent
from torch.profiler import record_function

from litemono.engine.tensorboard import Curves

LABEL = "block: "  # before a block's name in the trace
LEAST = 8  # blocks into which the networks are divided at least, where they have so many
SHOWN = 16  # the most expensive; the others share a row
BACKWARD = "autograd::engine::evaluate_function"  # autograd's name of the backward pass of an operation
WHOLE = "whole step"


class Block(NamedTuple):
    """Of a step, in the mean: seconds (of the GPU where it was recorded) and bytes that the forward pass leaves allocated."""

    name: str
    forward: float
    backward: float
    kept: float


def blocks_of(networks: nn.Module) -> dict[str, nn.Module]:
    """Modules with parameters by name: the outermost level that has LEAST of them, or the innermost one."""
    level = {"": networks}
    while len(level) < LEAST or any(isinstance(module, nn.ModuleList | nn.ModuleDict) for module in level.values()):
        below: dict[str, nn.Module] = {}
        for name, module in level.items():
            children = {
                f"{name}.{key}".lstrip("."): child
                for key, child in module.named_children()
                if next(child.parameters(), None) is not None
            }
            below |= children or {name: module}
        if below.keys() == level.keys():
            break
        level = below
    return level


@contextmanager
def labelled(networks: nn.Module) -> Iterator[None]:
    """While it is entered, the forward pass of each block is a label of the trace."""
    entered: list[record_function] = []

    def begin(name: str) -> None:
        entered.append(record_function(LABEL + name))
        entered[-1].__enter__()

    hooks = []
    for name, module in blocks_of(networks).items():
        hooks.append(module.register_forward_pre_hook(lambda *_, name=name: begin(name)))
        hooks.append(
            module.register_forward_hook(lambda *_: entered.pop().__exit__(None, None, None), always_call=True)
        )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def block_costs(events: EventList, steps: int, on_gpu: bool) -> list[Block]:
    """Most expensive first; empty where no label was recorded, as in a CUDA graph that is replayed.

    The backward pass of an operation carries the forward operation's sequence number, by which its block is found.
    """
    time, memory = ("device_time_total", "device_memory_usage") if on_gpu else ("cpu_time_total", "cpu_memory_usage")
    forward: dict[str, float] = {}
    backward: dict[str, float] = {}
    kept: dict[str, float] = {}
    block_of: dict[int, str] = {}
    for event in events:
        if event.device_type == DeviceType.CPU and event.name.startswith(LABEL):
            name = event.name.removeprefix(LABEL)
            forward[name] = forward.get(name, 0.0) + getattr(event, time)
            kept[name] = kept.get(name, 0.0) + getattr(event, memory)
            block_of |= dict.fromkeys(sequence_numbers(event), name)
    for event in events:
        if event.name.startswith(BACKWARD) and (found := block_of.get(event.sequence_nr)) is not None:
            backward[found] = backward.get(found, 0.0) + getattr(event, time)
    rows = [
        Block(name, seconds / 1e6 / steps, backward.get(name, 0.0) / 1e6 / steps, kept[name] / steps)
        for name, seconds in forward.items()
    ]
    return sorted(rows, key=lambda block: -(block.forward + block.backward))


def sequence_numbers(event: FunctionEvent) -> Iterator[int]:
    """Of the differentiable operations that ran inside an event."""
    waiting = [event]
    while waiting:
        event = waiting.pop()
        if event.sequence_nr >= 0:
            yield event.sequence_nr
        waiting += event.cpu_children


def memory_in_use(device: torch.device) -> int:
    """Bytes, at most since the start: of the GPU's allocator, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tables(by_step: Mapping[str, np.ndarray], blocks: Sequence[Block], memory: int) -> str:
    """Markdown. by_step: seconds of each recorded step by part, the last of them WHOLE; memory: peak in bytes."""
    lines = ["| part | ms a step | least | most | share |", "|---|---|---|---|---|"]
    for name, seconds in by_step.items():
        mean, least, most = (1e3 * pick(seconds) for pick in (np.mean, np.min, np.max))
        share = seconds.sum() / by_step[WHOLE].sum()
        lines.append(f"| {name} | {mean:.2f} | {least:.2f} | {most:.2f} | {share:.1%} |")
    lines += ["", f"Peak memory: {memory / 1e9:.2f} GB.", ""]
    if blocks:
        lines += ["| block | forward, ms | backward, ms | kept for the backward pass, MB |", "|---|---|---|---|"]
        rest = blocks[SHOWN:]
        shown = [*blocks[:SHOWN]]
        if rest:
            sums = (sum(getattr(block, column) for block in rest) for column in ("forward", "backward", "kept"))
            shown.append(Block(f"{len(rest)} others", *sums))
        lines += [f"| {b.name} | {1e3 * b.forward:.2f} | {1e3 * b.backward:.2f} | {b.kept / 1e6:.1f} |" for b in shown]
    return "\n".join(lines) + "\n"


def write_curves(folder: Path, by_step: Mapping[str, np.ndarray], memory: Sequence[int], first_step: int) -> None:
    """TensorBoard curves of the recorded steps: milliseconds of each part, and the peak of memory so far."""
    curves = Curves(folder, suffix=f".{first_step}")
    for place, in_use in enumerate(memory):
        for name, seconds in by_step.items():
            curves.scalar(f"ms/{name.replace(' ', '_')}", 1e3 * seconds[place], first_step + place)
        curves.scalar("memory_gb", in_use / 1e9, first_step + place)
    curves.close()
