"""python -m litemono.status: what my runs are doing, from their folders and, where there is one, from Slurm's queue."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from litemono.jobs import cost_table
from litemono.jobs.cost import bill
from litemono.jobs.runs import Run, forget_bad_nodes, read_runs
from litemono.utils import cli
from litemono.utils.errors import require

PLAIN_WIDTH = 180  # columns where the output is no terminal
COLOURS = {
    **dict.fromkeys(("finished", "stopped early"), "green"),
    **dict.fromkeys(("running", "starting"), "cyan"),
    **dict.fromkeys(("queued", "interrupted"), "yellow"),
}


@dataclass(frozen=True)
class StatusConfig:
    """Which runs, how often."""

    log_dir: Path = Path("runs")
    """Folder of run folders (--log_dir of training), of sweeps, or one run folder."""
    watch: bool = False
    """Show the table again and again until Ctrl-C."""
    seconds: float = 10.0
    """Between two updates with --watch; each calls squeue once."""
    check: bool = False
    """Exit status 1 where a run failed, was killed or is silent; for scripts and cron."""
    forget_bad_nodes: bool = False
    """Let the jobs of these runs use the nodes again that they avoid because of failures."""
    json: bool = False
    """Print the runs as JSON, one object each."""
    cost: bool = False
    """What the runs cost instead: GPU hours, share of the time in the queue, lost to restarts, use of CPU and memory, energy;
    for each run, sweep and month."""


def status(config: StatusConfig) -> int:
    """Table of runs: state, job, node, restarts, progress, speed, loss, time to go and whether the time limit allows it.

    Example: python -m litemono.status --log_dir runs --watch
    """
    require(config.seconds > 0, f"--seconds {config.seconds}: must be positive")
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    require(not (config.watch and (config.check or config.json)), "--watch: not together with --check or --json")
    require(not (config.cost and (config.watch or config.check)), "--cost: not together with --watch or --check")
    if config.cost:
        show_cost(config, console)
        return 0
    if config.forget_bad_nodes:
        print("\n".join(forget_bad_nodes(config.log_dir)) or "no job avoids a node")
        return 0
    runs = read_runs(config.log_dir)
    if not config.watch:
        if config.json:
            print(json.dumps([run._asdict() for run in runs], indent=1))
        else:
            console.print(make_table(runs))
        return int(config.check and any(unwell(run) for run in runs))
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(cli.SIGNAL_BASE + signum))  # the cursor is shown again
    with suppress(KeyboardInterrupt):
        watch(config, console, runs)
    return 0


def watch(config: StatusConfig, console: Console, runs: list[Run]) -> NoReturn:
    """Show the table until a signal comes; one below the other where the output is no terminal."""
    with Live(make_table(runs), console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        while True:
            if live is None:
                console.print(make_table(runs), "", sep="\n")
            time.sleep(config.seconds)
            runs = read_runs(config.log_dir)
            if live is not None:
                live.update(make_table(runs), refresh=True)


def show_cost(config: StatusConfig, console: Console) -> None:
    costs = bill(config.log_dir)
    if config.json:
        print(json.dumps(cost_table.as_json(costs), indent=1))
    else:
        cost_table.show(costs, console)


def unwell(run: Run) -> bool:
    """Whether the run needs its user."""
    return run.state not in (*COLOURS, "stopped", "cancelled")


# ---------------------------------------------------------------- showing


def make_table(runs: list[Run]) -> Table:
    """Without the columns that would be empty: terminals are narrow."""
    best = min((run.abs_rel for run in runs if run.abs_rel is not None), default=None)
    rows = [cells(run, best if len(runs) > 1 else None) for run in runs]
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = [name for name in COLUMNS if any(row[name] for row in rows)]
    for name in shown:
        table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=name != "message")
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


COLUMNS = (
    "run",
    "state",
    "job",
    "node",
    "restarts",
    "epoch: step",
    "img/s",
    "wait",
    "loss",
    "abs_rel",
    "to go",
    "fits",
    "avoids",
    "message",
)
LEFT = ("run", "state", "job", "node", "avoids", "message")


def cells(run: Run, best: float | None) -> dict[str, Text]:
    """A run's line by column. wait: share of time spent waiting for data; fits: in this job, or how many more it takes."""
    abs_rel = "" if run.abs_rel is None else f"{run.abs_rel:.3f}"
    restarts = str(run.restarts) if run.restarts else ""
    plain = (
        run.name,
        run.state,
        run.job,
        run.node,
        restarts,
        run.progress,
        run.speed,
        run.data_wait,
        run.loss,
        abs_rel,
    )
    row = {
        name: Text(value)
        for name, value in zip(COLUMNS, (*plain, run.eta, run.fits, run.avoids, run.message), strict=True)
    }
    row["state"].stylize(COLOURS.get(run.state, "red"))
    if best is not None and run.abs_rel == best:
        row["abs_rel"].stylize("bold green")
    return row


def main() -> None:
    cli.run(status, StatusConfig, "python -m litemono.status")


if __name__ == "__main__":
    main()
