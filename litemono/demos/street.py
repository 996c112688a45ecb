"""What the demos on the rendered street share: its size, and rendering it."""

from __future__ import annotations

from dataclasses import dataclass

from litemono.demos.commands import DemoConfig, make_folder, say
from litemono.synthetic.writer import RenderedWorld, write_world


@dataclass(frozen=True)
class StreetDemo(DemoConfig):
    """A demo that renders streets."""

    drives: int = 10
    """Streets to render: the last is for testing, the one before for validation."""
    frames_per_drive: int = 40
    """Frames of each street."""
    height: int = 64
    """Height of the network's input; the world is rendered at twice that size."""
    width: int = 192
    """Width of the network's input."""


def render(config: StreetDemo) -> RenderedWorld:
    """The world of these settings, new or as it is there."""
    make_folder(config.output)
    say(f"Rendering {config.drives} streets of {config.frames_per_drive} frames into {config.output / 'world'}")
    return write_world(
        config.output / "world",
        height=2 * config.height,
        width=2 * config.width,
        drives=config.drives,
        frames_per_drive=config.frames_per_drive,
        seed=config.seed,
        num_workers=config.num_workers,
        left_only=True,
    )
