"""JSON with the results of runs, as `litemono compare` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

from litemono.jobs import slurm
from litemono.study.formats import FORMATS
from litemono.study.runs import read_study
from litemono.study.table import make_comparison

from ..mutations import damaged_json, json_bytes
from .base import Kind, Use

VALIDATION = {
    "epoch": 0,
    "task": "SupervisedDepth",
    "better": {"abs_rel": "lower", "d1": "higher"},
    "validation": {"abs_rel": 0.1, "d1": 0.9, "loss": 0.2},
}
BATCHES = {
    "samples": "8 samples",
    "batch_size": 4,
    "processes": 1,
    "batches": {"abs_rel": [[0.4, 4.0], [0.3, 4.0]], "d1": [[3.6, 4.0], [3.5, 4.0]]},
}
TESTED = {"all_metrics": {"abs_rel": 0.1, "d1": 0.9}, "intervals": {"images": {"abs_rel": [0.05, 0.2]}}}
SETTINGS = {"optim": {"lr": [1e-4], "batch_size": 4}, "run": {"seed": 1, "model_name": "run"}}
FILES = {
    "models/weights_0/validation.json": VALIDATION,
    "models/weights_0/validation_batches.json": BATCHES,
    "models/weights_0/eval_eigen.json": TESTED,
    "config.json": SETTINGS,
}


def compare_runs(folder: Path) -> None:
    with mock.patch.object(slurm, "available", lambda: False):
        study = read_study(folder)
    for test in (None, "eigen"):
        comparison = make_comparison(study, None, (), test)
        for text_of in FORMATS.values():
            text_of(comparison)


def use_results(folder: Path) -> Use:
    """Each file of one of two runs in turn."""
    for run in ("one", "other"):
        (folder / f"runs/{run}/models/weights_0").mkdir(parents=True, exist_ok=True)
        (folder / f"runs/{run}/status.json").write_text(json.dumps({"state": "finished", "step": 1, "total_steps": 1}))
        for name, whole in FILES.items():
            (folder / f"runs/{run}/{name}").write_bytes(json_bytes(whole))

    def use(data: bytes) -> None:
        for name, whole in FILES.items():
            file = folder / "runs/one" / name
            file.write_bytes(data)
            try:
                compare_runs(folder / "runs")
            finally:
                file.write_bytes(json_bytes(whole))

    return use


RESULTS = Kind("results of runs", [*map(json_bytes, FILES.values())], damaged_json(*FILES.values()), use_results)
