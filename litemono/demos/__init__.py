"""The demos: what a task does on a small rendered world, by the commands a user types.

A demo is one file here, with its settings (a DemoConfig) and a function, and one entry of `DEMOS`. Nothing here imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple


class Demo(NamedTuple):
    """Where the parts of a demo are, as "module:name"."""

    settings: str
    """Its dataclass of flags, a DemoConfig."""
    run: str
    """run(settings) -> exit status."""


DEMOS = {
    "monodepth": Demo("litemono.demos.monodepth:MonodepthDemo", "litemono.demos.monodepth:monodepth"),
    "refine": Demo("litemono.demos.refine:RefineDemo", "litemono.demos.refine:refine"),
    "segment": Demo("litemono.demos.segment:SegmentDemo", "litemono.demos.segment:segment"),
}

if TYPE_CHECKING:  # a type checker cannot read the registry
    TaskName = str
else:
    TaskName = Literal[tuple(DEMOS)]
