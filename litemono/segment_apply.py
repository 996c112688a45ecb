"""python -m litemono.segment_apply: masks and depths by a trained network, and how good they are."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from litemono.tasks.depth_mask.apply_settings import ApplyConfig, run_data
from litemono.utils import cli


def segment_apply(config: ApplyConfig) -> None:
    """Predict masks and depths, write them with --output, and compare them with the truth where there is one.

    Without further flags: the pictures whose backgrounds the run did not train on, with 95 % intervals over backgrounds.

    Example: python -m litemono.segment_apply --load_weights runs/masks/models/best_mask_iou --output predictions
    """
    run = run_data(config)
    from litemono.tasks.depth_mask.apply import apply  # imports torch

    outcome = apply(config, run)
    what = {"val": "held out", "train": "trained on", "all": "all"}[run.part]
    print(f"{run.data_path}: {outcome.pictures} pictures of {outcome.backgrounds} backgrounds ({what})")
    if outcome.results:
        table = Table()
        for column in ("", "mean", "95 % interval"):
            table.add_column(column, justify="right" if column else "left")
        for name, result in outcome.results.items():
            table.add_row(name, f"{result.mean:.4f}", f"{result.low:.4f} to {result.high:.4f}")
        Console().print(table)
    if config.output is not None:
        print(
            f"written to {config.output}: NAME_mask.png and NAME_depth.png{' and metrics.json' * bool(outcome.results)}"
        )


def main() -> None:
    cli.run(segment_apply, ApplyConfig, "python -m litemono.segment_apply")


if __name__ == "__main__":
    main()
