"""Depth pictures of photographs and video frames."""

from __future__ import annotations

from litemono.predicting.images import Images, find_images
from litemono.predicting.settings import PredictConfig, check
from litemono.utils import cli


def predict(config: PredictConfig) -> None:
    """Turn an image or a folder of images into colour depth pictures: bright is near.

    Images of a folder that cannot be read are passed over, and named at the end with exit status 2.

    Example: python -m litemono.predict --load_weights runs/lite-mono/models/last --input street.jpg --output depth
    """
    check(config)
    source = Images(find_images(config.input, config.ext), config.input.stem, str(config.input), None)
    from litemono.predicting.run import run  # imports torch

    run(config, source)


def main() -> None:
    cli.run(predict, PredictConfig, "python -m litemono.predict")


if __name__ == "__main__":
    main()
