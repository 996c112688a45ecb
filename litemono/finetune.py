"""python -m litemono.finetune: train a depth network on ground truth; the same command resumes it."""

from __future__ import annotations

from litemono.tasks.supervised_settings import FinetuneConfig, check
from litemono.utils import cli


def finetune(config: FinetuneConfig) -> int:
    """Train a depth network on ground-truth depth in metres.

    The same command resumes a run at the exact step, however it ended.

    Example: python -m litemono.finetune --data_path demo/world --split demo/world/street --png --model_name metric
    """
    check(config)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.supervised import SupervisedDepth

    return run(SupervisedDepth(config), config)


def main() -> None:
    cli.run(finetune, FinetuneConfig, "python -m litemono.finetune")


if __name__ == "__main__":
    main()
