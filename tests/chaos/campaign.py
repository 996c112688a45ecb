"""Kill, sabotage, start again, until the run is finished; compare; again, until enough kills have hit."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .aims import Aim
from .compare import Comparison, compare
from .lanes import Lane, aim_environments, undisturbed, wait_for_all

SIGNAL_BASE = 128
KILL_SHARE, AIMED_SHARE, SABOTAGE_SHARE = 0.4, 0.6, 0.5
MOST_KILLS_OF_A_ROUND = 8
REACHED = 0.8  # of an undisturbed run: what comes later may not come at all after a resume
EVENTS_OF_WORKERS = 8  # opened files of a kind in each process that packs a drive
MOST_DELAY = 0.05  # seconds between the aimed operation and the kill


@dataclass
class Tally:
    """What happened to one lane."""

    kills: Counter[str] = field(default_factory=Counter)
    """By "signal at moment"."""
    sabotage: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    compared_bytes: int = 0
    differing_bytes: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class Shot:
    """A planned kill: aimed from inside, or sent from outside after `wait` seconds."""

    signal: int
    aim: Aim | None = None
    wait: float = 0.0
    rank: int | None = None
    """From outside: this process alone, or all."""

    @property
    def name(self) -> str:
        where = "a random moment" if self.aim is None else self.aim.kind + (" of a worker" * self.aim.only_workers)
        return f"{signal.Signals(self.signal).name} at {where}"


class Campaign:
    """Kills of one lane, drawn from `seed`; its folders are below `work`."""

    def __init__(self, lane: Lane, work: Path, seed: int) -> None:
        self.lane, self.work = lane, work
        self.rng = random.Random(f"{seed}/{lane.name}")
        self.tally = Tally()
        self.expected, self.counts, self.seconds = undisturbed(lane, work / "undisturbed")
        shutil.rmtree(work / "undisturbed")

    def run(self, kills: int) -> Tally:
        """Rounds until `kills` have hit."""
        while sum(self.tally.kills.values()) < kills and not self.tally.faults:
            self.round(kills)
        return self.tally

    def round(self, kills: int) -> None:
        """One run, from its start to its end, and the comparison."""
        folder = self.work / f"round_{self.tally.rounds}"
        hits = 0
        while True:
            enough = sum(self.tally.kills.values()) >= kills or hits >= MOST_KILLS_OF_A_ROUND
            shot = None if enough else self.draw_shot(folder)
            finished = self.start(folder, shot)
            if finished or self.tally.faults:
                break
            hits += 1
            if self.rng.random() < SABOTAGE_SHARE:
                self.tally.sabotage[self.lane.damage(folder, self.rng) or "nothing to damage"] += 1
        self.tally.rounds += 1
        if not self.tally.faults:
            self.compare(folder)
        if not self.tally.faults:  # else it is kept, to be looked at
            shutil.rmtree(folder)

    def draw_shot(self, folder: Path) -> Shot:
        rng, lane = self.rng, self.lane
        left = 1 - lane.progress(folder)
        signum = signal.SIGKILL if rng.random() < KILL_SHARE else rng.choice(lane.signals)
        if rng.random() > AIMED_SHARE:
            rank = rng.choice([None, *range(lane.processes)])
            return Shot(signum, wait=rng.uniform(0.0, REACHED * self.seconds * (0.4 + 0.6 * left)), rank=rank)
        kind = rng.choice([kind for kind in lane.aims if self.counts.get(kind) or kind in lane.worker_aims])
        workers = kind in lane.worker_aims
        count = self.counts.get(kind, EVENTS_OF_WORKERS) * (1 if kind == "import" else left)
        delay = rng.choice((0.0, rng.uniform(0.0, MOST_DELAY)))
        return Shot(signum, Aim(kind, rng.randint(1, max(1, int(REACHED * count))), signum, delay, workers))

    def start(self, folder: Path, shot: Shot | None) -> bool:
        """Start the command and disturb it; whether it finished all the same."""
        processes = self.lane.start(folder, aim_environments(self.lane, shot.aim if shot else None))
        if shot and not shot.aim:
            time.sleep(shot.wait)
            for rank, process in enumerate(processes):
                if shot.rank in (None, rank) and process.poll() is None:
                    process.send_signal(shot.signal)
        try:
            statuses = wait_for_all(processes)
        except TimeoutError as error:
            self.fault(f"{shot.name if shot else 'last start'}: {error}", folder)
            return False
        return self.judge_end(folder, shot, statuses)

    def judge_end(self, folder: Path, shot: Shot | None, statuses: list[int]) -> bool:
        """Count the kill if there was one; whether the run is finished. A fault where the end is not right."""
        if not any(statuses):
            return True
        if shot is None:
            self.fault(f"the last start ended with {statuses}", folder)
            return False
        self.tally.kills[shot.name] += 1
        right = {-shot.signal, SIGNAL_BASE + shot.signal}
        by_worker = shot.aim is not None and shot.aim.only_workers
        if not right & set(statuses) and not by_worker:
            self.fault(f"{shot.name}: ended with {statuses}", folder)
        status = self.lane.status(folder)
        if status.get("final") is True and status.get("state") != "finished":
            self.fault(f"{shot.name}: the queue would end the job, status.json says {status}", folder)
        return False

    def compare(self, folder: Path) -> None:
        try:
            contents = self.lane.contents(folder)
        except Exception as error:  # what is left cannot be read
            self.fault(f"round {self.tally.rounds - 1}: {type(error).__name__}: {error}", folder)
        else:
            self.judge(compare(self.expected, contents))

    def judge(self, comparison: Comparison) -> None:
        self.tally.compared_bytes += comparison.bytes
        self.tally.differing_bytes += comparison.differing
        self.tally.faults += [f"round {self.tally.rounds - 1}: {text}" for text in comparison.where[:5]]

    def fault(self, text: str, folder: Path) -> None:
        outputs = sorted(folder.glob("output.*.txt"))
        ends = "".join(f"\n--- end of {path}\n{path.read_text(errors='replace')[-1500:]}" for path in outputs)
        self.tally.faults.append(text + ends)
