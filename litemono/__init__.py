"""Train monocular depth networks, and use them: `litemono.load("lite-mono", weights=FOLDER).predict(image)`.

Importing the package does not import torch; the first use of `load`, `DepthMap` or `DepthPredictor` does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litemono.api import DepthPredictor, load
    from litemono.depth_map import DepthMap

__version__ = "0.2.0"
__all__ = ["DepthMap", "DepthPredictor", "load"]

_LAZY = {"DepthMap": "litemono.depth_map", "DepthPredictor": "litemono.api", "load": "litemono.api"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'litemono' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
