"""What demos share: their folder, and the user's commands run one after the other as children."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from litemono.data.settings import default_workers
from litemono.demos import TaskName
from litemono.engine.settings import OptimConfig, RunConfig, check_counts
from litemono.utils import cli
from litemono.utils.errors import UserError, require

PASSED_ON = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
RESUMABLE = tuple(cli.SIGNAL_BASE + number for number in (*PASSED_ON, getattr(signal, "SIGUSR1", 10)))


@dataclass(frozen=True)
class DemoConfig:
    """Which demo, and where it works; the defaults take some minutes on two cores."""

    task: TaskName = "monodepth"
    """What is shown. monodepth: depth from video alone; refine: metres from another network's depth; segment: masks and
    depth of persons before known backgrounds. Each has flags of its own: --task NAME --help."""
    output: Path = Path("demo")
    """Folder for everything: world, runs, pictures. The same command again continues with what is there."""
    seed: int = 0
    """Another seed, another world and another training."""
    num_workers: int = field(default_factory=default_workers)
    """Processes that render, and threads that read. Default: one per core, at most 8."""


def check(config: DemoConfig, batch_size: int, num_epochs: int, rates: tuple[float, ...]) -> None:
    """UserError, before the world is rendered, for what the training would refuse after it."""
    require(config.num_workers >= 1, f"--num_workers {config.num_workers}: must be at least 1")
    check_counts(OptimConfig(batch_size=batch_size, num_epochs=num_epochs, lr=rates), RunConfig(seed=config.seed))


class Stopped(Exception):
    """A command ended with this status and has said why."""

    def __init__(self, status: int):
        self.status = status


def make_folder(output: Path) -> None:
    """UserError where --output cannot be a folder."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be made ({error.strerror}); choose another folder") from None


def run_all(commands: Iterable[list[object]]) -> int:
    """Run each command, module and flags; 0, or the exit status of the first that fails."""
    try:
        for command in commands:
            run(command)
    except Stopped as stopped:
        if stopped.status in RESUMABLE:
            say("Interrupted: the same command continues from here.")
        return stopped.status
    return 0


def run(command: list[object]) -> None:
    """Print the command as a user would type it, and run it with its output visible. Raises Stopped if it fails, or if a
    signal arrived: the command gets the signal too, and may save what it did before it ends."""
    words = ["-m", *map(str, command)]
    say(f"$ python {shlex.join(words)}")
    with (
        signals_passed_on() as (received, children),
        # a session of its own, so that Ctrl-C reaches it once, through us
        subprocess.Popen([sys.executable, *words], start_new_session=True) as process,
    ):
        children.append(process)
        for signum in received:
            process.send_signal(signum)
        status = process.wait()
    if received or status:
        raise Stopped(status if status > 0 else cli.SIGNAL_BASE + (-status or received[0]))


@contextmanager
def signals_passed_on() -> Iterator[tuple[list[int], list[subprocess.Popen]]]:
    """Within the block, signals that would end this process go to the children instead: (signals received, children)."""
    received: list[int] = []
    children: list[subprocess.Popen] = []

    def pass_on(signum: int, frame: object) -> None:
        received.append(signum)
        for child in children:
            child.send_signal(signum)

    before = {signum: signal.signal(signum, pass_on) for signum in PASSED_ON}
    try:
        yield received, children
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def say_done(seconds: float, files: dict[Path, str]) -> None:
    """The closing lines: the files to look at, and what is in them."""
    say(f"Done in {seconds / 60:.1f} minutes. Look at:")
    width = max(len(str(path)) for path in files)
    for path, what in files.items():
        print(f"  {str(path):<{width}}  {what}")
