"""python -m tests.fuzz --inputs N --seed S: damaged and hostile inputs of every kind."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # helpers of the tests

from .kinds import KINDS  # noqa: E402
from .limits import Findings, try_kind  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200, help="inputs of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="kinds at the same time (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="JSON file for the figures; inputs with faults are kept beside it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {
            name: pool.submit(
                try_kind, KINDS[name], arguments.inputs, arguments.seed, Path(work) / name.replace(" ", "_")
            )
            for name in arguments.kinds
        }
        found = {}
        for name, future in futures.items():
            found[name] = future.result()
            print(summary(name, found[name]), flush=True)
    if arguments.output:
        record(arguments, found, time.monotonic() - begin)
    return 1 if any(findings.faults for findings in found.values()) else 0


def summary(name: str, findings: Findings) -> str:
    head = (
        f"{name}: {findings.inputs} inputs, {findings.accepted} accepted, {findings.refused} refused, "
        f"{sum(findings.faults.values())} faults, slowest {findings.slowest:.2f} s"
    )
    return "\n".join([head, *(f"  FAULT {count} x {what}" for what, count in findings.faults.most_common())])


def record(arguments: argparse.Namespace, found: dict[str, Findings], seconds: float) -> None:
    kinds = {
        name: {"inputs": f.inputs, "accepted": f.accepted, "refused": f.refused, "faults": dict(f.faults),
               "slowest_s": round(f.slowest, 3)}
        for name, f in found.items()
    }  # fmt: skip
    command = f"python -m tests.fuzz --inputs {arguments.inputs} --seed {arguments.seed}"
    text = json.dumps({"command": command, "seconds": round(seconds), "kinds": kinds}, indent=1)
    arguments.output.write_text(text + "\n")
    for name, findings in found.items():
        for number, data in enumerate(findings.examples.values()):
            arguments.output.with_suffix(f".{name.replace(' ', '_')}.{number}").write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
