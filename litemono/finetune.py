"""python -m litemono.finetune: train a depth network on ground truth; the same command resumes it."""

from __future__ import annotations

import sys

from litemono.data.stores.staging import check_stage
from litemono.engine.settings import to_json
from litemono.tasks.supervised.settings import FinetuneConfig, check
from litemono.utils import cli


def finetune(config: FinetuneConfig) -> int:
    """Train a depth network on ground truth: metric depth with silog-*, l1, berhu or smooth-l1, relative depth with ssi-*.

    The same command resumes a run at the exact step, however it ended.

    Example: python -m litemono.finetune --data_path demo/world --split demo/world/street --png --model_name metric
    """
    check(config)
    check_stage(config.data.stage, config.data.data_path)
    if recipe := config.defaults_from.recipe:
        print(f"--recipe {recipe} with the flags given:\n{to_json(config)}", end="", file=sys.stderr)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.supervised.task import SupervisedDepth

    return run(SupervisedDepth(config), config)


def main() -> None:
    cli.run(finetune, FinetuneConfig, "python -m litemono.finetune", FinetuneConfig.defaults)


if __name__ == "__main__":
    main()
