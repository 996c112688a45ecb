"""One process for each drive that is packed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, parent_process
from typing import NamedTuple

from litemono.data.packing.drive import Job, Result, pack_drive
from litemono.utils.atomic_files import DISK_FULL
from litemono.utils.errors import UserError
from litemono.utils.parallel import PROCESSES, ctrl_c_later


class Finished(NamedTuple):
    """One drive's end."""

    job: Job
    outcome: Result | str
    """The packed drive, or what went wrong."""
    fatal: bool  # the next drive would fail the same way


def run_jobs(jobs: list[Job], num_workers: int, tick: Callable[[], None]) -> Iterator[Finished]:
    """Pack drives in `num_workers` processes at a time; `tick` is called for each frame and scan.

    A process packs one drive and ends; when this process dies, they end after their current frame.
    """
    waiting = list(jobs)
    running: dict[Connection, tuple[Job, BaseProcess]] = {}
    stopping = False
    try:
        while running or (waiting and not stopping):
            while waiting and len(running) < num_workers and not stopping:
                job = waiting.pop(0)
                receiver, sender = PROCESSES.Pipe(duplex=False)
                process: BaseProcess = PROCESSES.Process(target=_work, args=(job, sender), daemon=True)
                with ctrl_c_later():  # or a process may be started and not be known
                    process.start()
                    running[receiver] = job, process
                sender.close()
            ready = wait(list(running), timeout=0.5)
            for receiver in [receiver for receiver in running if receiver in ready]:
                job, process = running[receiver]
                finished = _receive(receiver, job, process, tick)
                if finished is not None:
                    process.join()
                    receiver.close()
                    del running[receiver]
                    stopping = stopping or finished.fatal
                    yield finished
    finally:
        for receiver, (_, process) in running.items():
            process.terminate()
            process.join()
            receiver.close()


def _receive(receiver: Connection, job: Job, process: BaseProcess, tick: Callable[[], None]) -> Finished | None:
    try:
        message = receiver.recv()
    except EOFError:
        process.join()
        reason = f"its process died (exit status {process.exitcode}); usual reason: too little memory (--num_workers 1)"
        return Finished(job, f"{job.folder}: {reason}", False)
    if message is None:
        tick()
        return None
    outcome, fatal = message
    return Finished(job, outcome, fatal)


def _work(job: Job, sender: Connection) -> None:
    """In a process of its own: sends None for each frame, then (outcome, fatal) of Finished."""
    signal.signal(signal.SIGTERM, lambda *_: _stop())
    parent = parent_process()

    def tick() -> None:
        if parent is None or os.getppid() != parent.pid:
            _stop()
        sender.send(None)

    try:
        sender.send((pack_drive(job, tick), False))
    except UserError as error:
        sender.send((str(error), False))
    except BrokenPipeError:  # the parent has ended
        _stop()
    except OSError as error:
        full = error.errno in DISK_FULL
        reason = "the disk is full, or your quota on it" if full else f"cannot write: {error.strerror or error}"
        sender.send((f"{job.folder}: {reason} ({job.root})", full))


def _stop() -> None:
    raise SystemExit(1)
