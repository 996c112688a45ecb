"""python -m litemono.segment: train on backgrounds and figures in front of them; the same command resumes it."""

from __future__ import annotations

from litemono.tasks.depth_mask.settings import SegmentConfig, check
from litemono.utils import cli


def segment(config: SegmentConfig) -> int:
    """Train a network that sees a background and a picture with a figure in front of it, for the figure's mask and the depth.

    The same command resumes a run at the exact step, however it ended.

    Example: python -m litemono.segment --data_path packed --height 128 --width 128 --model_name masks
    """
    check(config)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.depth_mask.task import DepthMask

    return run(DepthMask(config), config)


def main() -> None:
    cli.run(segment, SegmentConfig, "python -m litemono.segment")


if __name__ == "__main__":
    main()
