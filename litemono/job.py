"""What jobs that version 0.1 queued still ask for: `python -m litemono.job STATUS TRAINING_FLAGS`, and TrainJob.

It will be removed in the next release, together with litemono/config.py.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from litemono.jobs import requeue, train_job
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.train import train


@dataclass
class TrainJob:
    """As submitit pickled it."""

    config: TrainConfig

    def __call__(self) -> str:
        return train_job.TrainJob(train, self.config)()


def run_folder(flags: list[str]) -> Path:
    """The run folder that these flags of litemono.train name. Other flags are ignored."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log_dir", "--log-dir", type=Path, default=Path("runs"))
    parser.add_argument("--model_name", "--model-name")
    parser.add_argument("--model", default="lite-mono")
    given, _ = parser.parse_known_args(flags)
    return given.log_dir / (given.model_name or given.model)


def main() -> None:
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        sys.exit("usage: python -m litemono.job EXIT_STATUS TRAINING_FLAGS")
    sys.exit(requeue.run(int(sys.argv[1]), run_folder(sys.argv[2:])))


if __name__ == "__main__":
    main()
