"""One process or many: ranks, collectives, and the wrapping of a model in DistributedDataParallel.

The launcher (torchrun, or srun through slurm/train_v100_multi.sh) sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and
MASTER_PORT. Without them there is one process and none of the calls below does anything.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from litemono.engine.watchdog import collective_seconds
from litemono.utils.device import choose_device
from litemono.utils.errors import USER_ERRORS, BadNode, UserError

Result = TypeVar("Result")

# Messages of gloo, NCCL and torch's store for a peer that has ended or hangs; there are no exception types for it.
LOST = re.compile(
    "closed by peer|reset by peer|Broken pipe|Socket closed|remote process exited|pair closure|Timed out waiting|"
    "NCCL communicator was aborted|wait timeout|timeout after|Connection refused|connection was closed",
    re.IGNORECASE,
)


class PeerLost(RuntimeError):
    """Another process of this training has ended or hangs. Its own message has the reason, so the job is requeued."""


class Processes:
    """Rank, number of processes and device of this one, and the collectives that training needs."""

    def __init__(self, device: str | None, hang_minutes: float | None = None) -> None:
        """hang_minutes: the watchdog's limit; the timeout of collectives is longer."""
        self.rank = int(os.environ.get("RANK", 0))
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        self.device = choose_device(device)
        if self.device.type == "cuda":
            local = int(os.environ.get("LOCAL_RANK", 0))
            self.device = torch.device("cuda", local % torch.cuda.device_count())
            try:
                torch.cuda.set_device(self.device)
                torch.zeros(1, device=self.device)
            except RuntimeError as error:
                raise BadNode(f"torch cannot use {self.device}: {str(error).splitlines()[0][:200]}") from None
        if self.size > 1:
            timeout = datetime.timedelta(seconds=collective_seconds(hang_minutes))
            if self.device.type == "cuda":
                os.environ.setdefault("TORCH_NCCL_TRACE_BUFFER_SIZE", "2000")  # NCCL's record of its last calls,
                os.environ.setdefault("TORCH_NCCL_DUMP_ON_TIMEOUT", "1")  # written where one of them takes too long
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo", timeout=timeout)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum of `values` over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """Elementwise mean of `values` over all processes; asynchronous on a GPU."""
        return self.sum(values) / self.size if self.size > 1 else values

    def any(self, flag: bool) -> bool:
        """True on every process if it is true on one: all must leave the loop at the same step."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)).item())

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Broadcast rank 0's values into the tensors of every process."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def gather(self, value: Result) -> list[Result]:
        """The value of every process, by rank; for small objects."""
        if self.size == 1:
            return [value]
        values: list[Result] = [value] * self.size
        dist.all_gather_object(values, value)
        return values

    def of_main(self, value: int) -> int:
        """Rank 0's value, on every process."""
        shared = torch.tensor(value, device=self.device)
        self.share([shared])
        return int(shared)

    @property
    def device_name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"

    def on_main(self, work: Callable[[], Result]) -> Result | None:
        """What work() returns on rank 0, None elsewhere. If it raises, all processes raise, rather than wait for rank 0."""
        result, failure = None, None
        if self.is_main:
            try:
                result = work()
            except Exception as error:
                failure = error
        outcome = self.of_main(0 if failure is None else 2 if isinstance(failure, USER_ERRORS) else 1)
        if failure is not None:
            raise failure
        if outcome:
            raise (UserError if outcome == 2 else RuntimeError)("the first process failed, see its message")
        return result

    @contextlib.contextmanager
    def lost_peer_explained(self) -> Iterator[None]:
        """PeerLost where a collective failed because another process was gone."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or isinstance(error, PeerLost) or not LOST.search(str(error)):
                raise
            first = str(error).splitlines()[0][:200]
            raise PeerLost(
                f"process {self.rank} of {self.size} lost the connection to another one, which has ended or hangs; that "
                f"process's own message, above or below, says why ({first})"
            ) from None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self.size == 1 or not dist.is_initialized():
            return
        if failure is not None and self.device.type == "cuda":
            return  # NCCL would wait here for collectives that the others have begun, and the error would never be printed
        # gloo's thread needs the GIL to release the last exchange, and destroy_process_group waits for that thread while
        # it holds the GIL. So let the thread finish first.
        time.sleep(1)
        dist.destroy_process_group()


def parallelise(model: nn.Module, processes: Processes, sync_bn: bool) -> nn.Module:
    """The model as it trains on this process. Every trainable tensor must get a gradient in each step."""
    if processes.size == 1:
        return model
    if sync_bn:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # in place, with the same parameters
    # Two stride tuples describe the one memory order of a 1x1 convolution's gradient; torch takes them for two orders.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # Without find_unused_parameters, DDP makes new buckets after its first step. Sums over three processes or more depend
    # on the buckets, so the first step after a resume would have other bits than in a run without interruption.
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    # No device_ids: with them DDP copies every batch to the GPU, also what the augmentation reads on the host.
    return DistributedDataParallel(model, find_unused_parameters=processes.size > 2)
