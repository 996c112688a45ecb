"""python -m tests.chaos --kills N --seed S: kill trainings and packings, and compare what they leave with undisturbed ones."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .campaign import Campaign, Tally
from .lanes import Lane, make_lanes

# Of all kills; the lanes that take longer get fewer. Those of LATER are run where --lanes names them.
SHARES = {
    "supervised": 0.3,
    "photometric": 0.25,
    "supervised, 2 processes": 0.15,
    "photometric, 2 processes": 0.1,
    "pack": 0.2,
    "refine": 0.2,
    "segment": 0.2,
}
LATER = ("refine", "segment")


def run_lane(lane: Lane, work: Path, kills: int, seed: int) -> Tally:
    return Campaign(lane, work / lane.name.replace(", ", "_").replace(" ", "_"), seed).run(kills)


def shares(kills: int, names: list[str]) -> dict[str, int]:
    """Kills of each lane, at least one."""
    total = sum(SHARES[name] for name in names)
    return {name: max(1, round(kills * SHARES[name] / total)) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="kills in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of moments, signals and damage (default: %(default)s)")
    usual = [name for name in SHARES if name not in LATER]
    parser.add_argument(
        "--lanes",
        nargs="+",
        choices=SHARES,
        default=usual,
        metavar="LANE",
        help=f"default: all but {' and '.join(LATER)}",
    )
    parser.add_argument("--jobs", type=int, default=2, help="lanes at the same time (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="keep everything in this folder; default: a temporary one")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        lanes = make_lanes(work)
        with ThreadPoolExecutor(arguments.jobs) as pool:  # the work is done by the commands' processes
            futures = {
                name: pool.submit(run_lane, lanes[name], work, kills, arguments.seed)
                for name, kills in shares(arguments.kills, arguments.lanes).items()
            }
            tallies = {name: future.result() for name, future in futures.items()}
    for name, tally in tallies.items():
        print(summary(name, tally))
    if arguments.output:
        record = {
            "command": f"python -m tests.chaos --kills {arguments.kills} --seed {arguments.seed}",
            "seconds": round(time.monotonic() - begin),
            "lanes": {name: vars(tally) for name, tally in tallies.items()},
        }
        arguments.output.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return 1 if any(tally.faults for tally in tallies.values()) else 0


def summary(name: str, tally: Tally) -> str:
    lines = [
        f"{name}: {sum(tally.kills.values())} kills and {sum(tally.sabotage.values())} acts of sabotage in {tally.rounds} "
        f"runs; {tally.differing_bytes} of {tally.compared_bytes:,} bytes differ"
    ]
    return "\n".join([*lines, *(f"FAULT {fault}" for fault in tally.faults)])


if __name__ == "__main__":
    sys.exit(main())
