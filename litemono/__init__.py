"""Train monocular depth networks, and use them: `litemono.load("lite-mono", weights=FOLDER).predict(image)`.

Importing the package does not import torch; the first use of `load`, `DepthMap` or `DepthPredictor` does.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litemono.utils.packages import hidden_by_another, not_installed

if TYPE_CHECKING:
    from litemono.api import DepthPredictor, load
    from litemono.depth_map import DepthMap

__version__ = "0.2.0"
__all__ = ["DepthMap", "DepthPredictor", "load"]

if _problem := not_installed(sys.orig_argv):
    print(f"error: {_problem}", file=sys.stderr)
    sys.exit(2)
if _problem := hidden_by_another("networks"):
    if sys.argv[0] == "-m" or Path(sys.argv[0]).name in ("litemono", "evaluate", "export_gt"):  # a command of ours
        print(f"error: {_problem}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(_problem)

_LAZY = {"DepthMap": "litemono.depth_map", "DepthPredictor": "litemono.api", "load": "litemono.api"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'litemono' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
