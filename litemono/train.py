"""python -m litemono.train: one self-supervised training run, from flags to finished weights; the same command resumes it."""

from __future__ import annotations

from litemono.data.stores.staging import check_stage
from litemono.tasks.monodepth.settings import TrainConfig, check
from litemono.utils import cli


def train(config: TrainConfig) -> int:
    """Train Lite-Mono from video: depth and camera motion from photometric reprojection, no labels.

    The same command resumes a run at the exact step, however it ended.

    Example: python -m litemono.train --data_path kitti_data --model lite-mono --model_name mytrain
    """
    check(config)
    check_stage(config.data.stage, config.data.data_path)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.monodepth.task import Monodepth

    return run(Monodepth(config), config)


def main() -> None:
    cli.run(train, TrainConfig, "python -m litemono.train")


if __name__ == "__main__":
    main()
