"""What can be trained: a command with its settings, and the task it gives to the engine.

    monodepth/    litemono train: self-supervised depth and motion
    supervised/   litemono finetune
    refine/       litemono refine
    depth_mask/   litemono segment, segment-apply
    base.py       what the engine asks of a task; common.py, checks.py: what the tasks share

In each folder: task.py (the Task), settings.py (its flags), metrics.py, and model.py where the networks need more than a few
lines. A new task is a file or a folder here, its settings beside it, a command such as litemono/train.py, and one entry in
`COMMANDS`. Nothing in this file imports torch.
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
        settings="litemono.tasks.monodepth.settings:TrainConfig",
        check="litemono.tasks.monodepth.settings:check",
        task="litemono.tasks.monodepth.task:Monodepth",
        run="litemono.train:train",
    ),
    "finetune": TrainingCommand(
        settings="litemono.tasks.supervised.settings:FinetuneConfig",
        check="litemono.tasks.supervised.settings:check",
        task="litemono.tasks.supervised.task:SupervisedDepth",
        run="litemono.finetune:finetune",
    ),
    "segment": TrainingCommand(
        settings="litemono.tasks.depth_mask.settings:SegmentConfig",
        check="litemono.tasks.depth_mask.settings:check",
        task="litemono.tasks.depth_mask.task:DepthMask",
        run="litemono.segment:segment",
    ),
    "refine": TrainingCommand(
        settings="litemono.tasks.refine.settings:RefineConfig",
        check="litemono.tasks.refine.settings:check",
        task="litemono.tasks.refine.task:Refine",
        run="litemono.refine:refine",
    ),
}


def resolve(place: str) -> Any:
    """The object at "module:name"; imports the module."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def settings_of(command: str) -> type[TrainingConfig]:
    return resolve(COMMANDS[command].settings)
