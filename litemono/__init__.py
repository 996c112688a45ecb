"""Train monocular depth networks, and use them: `litemono.load("lite-mono", weights=FOLDER).predict(image)`.

Importing the package does not import torch; the first use of `load`, `DepthMap` or `DepthPredictor` does.

The commands, `litemono NAME` or `python -m litemono.NAME`. They are thin: what they do is in the folders beside them.

train.py finetune.py refine.py segment.py    trainings: tasks/ on engine/, losses/, data/
prepare.py                                   data/packing/
predict.py segment_apply.py                  predicting/, tasks/depth_mask/
export.py                                    exporting/, hub/
submit.py status.py                          jobs/
compare.py doctor.py demo.py completion.py   study/, diagnosis/, demos/
job.py config.py                             for jobs that version 0.1 queued

Modules that are not commands:

api.py         load and DepthPredictor; depth_map.py: what they return
inference.py   weights of any kind to a TrainedDepth; trained_depth.py: images to disparity with it
geometry.py    disparity to depth, poses to matrices, projection; metrics.py: the errors that training and evaluate share
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
