"""Depth pictures of photographs and videos."""

from __future__ import annotations

from litemono.predicting.settings import PredictConfig, check
from litemono.predicting.sources import open_source
from litemono.utils import cli


def predict(config: PredictConfig) -> None:
    """Turn images, a video or a camera's pictures into colour depth: bright is near.

    Images that cannot be read are passed over, and named at the end with exit status 2; broken frames of a video are counted.
    Long runs that were interrupted continue when the same command is started again.

    Example: python -m litemono.predict --load_weights runs/lite-mono/models/last --input street.jpg --output depth
    """
    check(config)
    source = open_source(config)
    from litemono.predicting.run import run  # imports torch

    run(config, source)


def main() -> None:
    cli.run(predict, PredictConfig, "python -m litemono.predict")


if __name__ == "__main__":
    main()
