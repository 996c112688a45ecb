"""What can be trained: a command with its settings, and the task it gives to the engine.

A new task is one file here, its settings beside it, a command such as litemono/train.py, and one entry in `COMMANDS`.
Nothing here imports torch.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from litemono.engine.settings import TrainingConfig


class TrainingCommand(NamedTuple):
    """Where the parts of a training command are, as "module:name"."""

    settings: str
    """Its dataclass of flags, a TrainingConfig."""
    check: str
    """check(settings) raises UserError for flags that no training can have."""
    task: str
    """Task(settings): engine.task.Task."""
    run: str
    """run(settings) -> exit status."""


COMMANDS = {
    "train": TrainingCommand(
        settings="litemono.tasks.monodepth_settings:TrainConfig",
        check="litemono.tasks.monodepth_settings:check",
        task="litemono.tasks.monodepth:Monodepth",
        run="litemono.train:train",
    ),
    "finetune": TrainingCommand(
        settings="litemono.tasks.supervised_settings:FinetuneConfig",
        check="litemono.tasks.supervised_settings:check",
        task="litemono.tasks.supervised:SupervisedDepth",
        run="litemono.finetune:finetune",
    ),
    "segment": TrainingCommand(
        settings="litemono.tasks.depth_mask_settings:SegmentConfig",
        check="litemono.tasks.depth_mask_settings:check",
        task="litemono.tasks.depth_mask:DepthMask",
        run="litemono.segment:segment",
    ),
    "refine": TrainingCommand(
        settings="litemono.tasks.refine_settings:RefineConfig",
        check="litemono.tasks.refine_settings:check",
        task="litemono.tasks.refine:Refine",
        run="litemono.refine:refine",
    ),
}


def resolve(place: str) -> Any:
    """The object at "module:name"; imports the module."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def settings_of(command: str) -> type[TrainingConfig]:
    return resolve(COMMANDS[command].settings)
