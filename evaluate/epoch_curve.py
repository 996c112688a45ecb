"""The figures of each epoch as a picture."""

from __future__ import annotations

from pathlib import Path

from litemono.utils.atomic_files import replacing

from .protocol import Protocol, describe
from .results import Result

SHOWN = 3  # of the protocol's metrics


def draw(path: Path, epochs: list[int], found: list[Result], protocol: Protocol) -> None:
    """The first metrics of the protocol over the epochs, with their 95 % intervals over images, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys((protocol.ranked_by, *protocol.headline)))[:SHOWN]
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.4), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], names, strict=True):
        axis.plot(epochs, [result.all_metrics[name] for result in found], marker=".", color="tab:blue")
        bands = [result.intervals["images"] for result in found]
        if all(bands):
            low, high = zip(*(band[name] for band in bands if band), strict=True)
            axis.fill_between(epochs, low, high, color="tab:blue", alpha=0.15, label="95 % interval over images")
            axis.legend(fontsize=8)
        axis.set(title=name, xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    figure.suptitle(f"{found[0].split}, {found[0].evaluated} test images; {describe(protocol)}", fontsize=8)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
    plt.close(figure)
