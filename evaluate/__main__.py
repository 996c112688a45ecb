"""The evaluate command: depth errors of a network, or of predictions, on a test split or a folder of ground truth."""

from __future__ import annotations

from litemono.utils import cli

from .checks import check
from .odometry.settings import check_odometry, sequence_of
from .settings import EvaluateConfig


def evaluate(config: EvaluateConfig) -> None:
    """Compare depth with ground truth by a published protocol: errors in a table, and as JSON.

    Example: python -m evaluate --load_weights runs/mytrain/models/weights_29

    Or: python -m evaluate --load_weights runs/mytrain --all_epochs

    Or: python -m evaluate --compare runs/a/models/last runs/b/models/last --report comparison.html

    Or: python -m evaluate --pred pngs --gt_path data_depth_annotated --split eigen_benchmark --protocol bts

    Or: python -m evaluate --load_weights runs/mytrain/models/last --split odom_09 --data_path kitti_odometry
    """
    if sequence_of(config.truth.split) is not None:
        check_odometry(config)
        from .odometry.evaluation import run
    else:
        check(config)
        if config.robustness.corruptions:
            from .corrupted_images import run
        elif config.compare:
            from .comparison import run
        elif config.network.many_epochs:
            from .epochs import run
        else:
            from .single import run
    run(config)


def main() -> None:
    cli.run(evaluate, EvaluateConfig, "evaluate")


if __name__ == "__main__":
    main()
