"""--cuda_graph: the training step recorded once as a CUDA graph and replayed with a single launch.

A small network's step is thousands of short kernels, which the host launches more slowly than a large GPU runs them. A
replay launches them all at once. Addresses and shapes are fixed in a graph, so what changes between steps lives in tensors
that are written in place:

    batch               copied into buffers of the graph's own
    learning rates      tensors (optimizer_settings), filled by Training.set_rates
    gradient guard      its numbers, written back at the end of the step
    random numbers      torch registers its default generator with every graph: a replay draws from the seed set before it
    weights, moments, BatchNorm's statistics    updated in place by the step anyway
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch

from litemono.engine.grad_guard import GradGuard, GradGuardState
from litemono.engine.step import StepResult
from litemono.engine.task import Batch
from litemono.utils.errors import require

Output = TypeVar("Output")

WARM_UP = 3
"""Plain steps before the recording: optimisers create their moments, cuDNN and Triton choose their kernels."""


def check_graph(device: torch.device, processes: int) -> None:
    """Raise UserError where --cuda_graph cannot be used."""
    require(device.type == "cuda", "--cuda_graph: CUDA graphs need an NVIDIA GPU; leave it out")
    require(processes == 1, "--cuda_graph: works in one process only; leave it out on several GPUs")


def optimizer_settings(device: torch.device) -> dict[str, Any]:
    """Keyword arguments of torch.optim.AdamW whose updates can be recorded."""
    return {"lr": torch.zeros((), device=device), "capturable": device.type == "cuda"}


class Recorder(Protocol):
    """What turns a function into a recording."""

    def warm_up(self, function: Callable[[], Output]) -> Output:
        """Compute function() where it will be recorded."""

    def record(self, function: Callable[[], Output]) -> tuple[Callable[[], object], Output]:
        """Without computing anything: (replay, the output that each replay overwrites)."""


class CudaGraphs:
    """`Recorder` by torch.cuda.graph.

    Warm-up and recording share a stream of their own: autograd runs a tensor's gradient on the stream on which the tensor
    was first used, and work on the default stream cannot be recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)

    def warm_up(self, function: Callable[[], Output]) -> Output:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            output = function()
        current.wait_stream(self._stream)
        return output

    def record(self, function: Callable[[], Output]) -> tuple[Callable[[], object], Output]:
        """The loader's threads may allocate pinned memory meanwhile, which a recording in the default mode does not survive."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            output = function()
        return graph.replay, output


class GraphedStep:
    """A training step of one batch: plain at first, then recorded, then replayed. Results are valid until the next call.

    The numbers are those of the plain step up to the order in which kernels add. All calls must have batches of one shape.
    """

    def __init__(
        self, step: Callable[[Batch], StepResult], guard: GradGuard, device: torch.device, recorder: Recorder
    ) -> None:
        """step: engine.step.train_step with all but the batch given; recorder: `CudaGraphs`."""
        self._step, self._guard, self._device, self._recorder = step, guard, device, recorder
        guard.state = GradGuardState(*(number.clone() for number in guard.state))  # no two share their memory
        self._batch: Batch | None = None
        self._calls = 0
        self._replay: Callable[[], object] | None = None
        self._result: StepResult | None = None

    def __call__(self, batch: Batch) -> StepResult:
        """Take one step. Does not wait for the GPU."""
        self._fill(batch)
        if self._calls < WARM_UP:
            self._calls += 1
            return self._recorder.warm_up(self._step_in_place)
        if self._replay is None:
            self._replay, self._result = self._recorder.record(self._step_in_place)
        self._replay()
        assert self._result is not None
        return self._result

    def _fill(self, batch: Batch) -> None:
        if self._batch is None:
            self._batch = type(batch)(*(torch.empty_like(tensor, device=self._device) for tensor in batch))
        for mine, new in zip(self._batch, batch, strict=True):
            assert mine.shape == new.shape, f"a batch of shape {tuple(new.shape)} after {tuple(mine.shape)}"
            mine.copy_(new, non_blocking=True)

    def _step_in_place(self) -> StepResult:
        state = self._guard.state
        result = self._step(self._batch)
        for mine, new in zip(state, self._guard.state, strict=True):
            mine.copy_(new)
        self._guard.state = state
        return result
