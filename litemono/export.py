"""One file for other programs: ONNX, torch.export or AOTInductor, compared with the network at once."""

from __future__ import annotations

from litemono.exporting.settings import ExportConfig, check
from litemono.utils import cli


def export(config: ExportConfig) -> None:
    """Write a network as one file: encoder, decoder and normalisation, compared with the network on the spot.

    Example: litemono export --load_weights runs/lite-mono/models/last --output street.onnx

    The file then is a network for other commands: litemono predict --load_weights street.onnx --input street.jpg
    """
    height, width = check(config)
    if config.hub is not None:
        from litemono.hub.writing import write_hub_folder

        return write_hub_folder(config.load_weights, config.model, height, width, config.hub)
    from litemono.exporting.run import run

    run(config, height, width)


def main() -> None:
    cli.run(export, ExportConfig, "python -m litemono.export")


if __name__ == "__main__":
    main()
