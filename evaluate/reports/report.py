"""--report: one self-contained HTML file with everything about one evaluation, or several side by side."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from litemono import __version__
from litemono.utils.atomic_files import read_json, replacing
from litemono.utils.html import render

from .. import paired_difference
from ..evaluation import Evaluation
from ..protocol import describe
from ..scoring.metrics import METRICS
from . import figures
from .pictures import chosen_images, pictures_of

TEMPLATE = Path(__file__).parent / "templates/report.html.j2"
PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "timm")


def write_report(path: Path, done: list[Evaluation]) -> None:
    """Of one evaluation, or of several of the same images by the same protocol, the first of which is the reference."""
    with replacing(path) as file:
        file.write(render(TEMPLATE, **_content(done)).encode())


def _content(done: list[Evaluation]) -> dict[str, Any]:
    first = done[0]
    protocol = first.inputs.protocol
    names = [_name(evaluation, done) for evaluation in done]
    chosen = chosen_images(first, done)
    return {
        "title": " against ".join(names) if len(done) < 3 else f"{len(done)} predictions",
        "split": first.result.split,
        "images": first.result.evaluated,
        "protocol": describe(protocol),
        "headline": protocol.headline,
        "ranked_by": protocol.ranked_by,
        "metrics": METRICS,
        "runs": [_run(name, evaluation) for name, evaluation in zip(names, done, strict=True)],
        "figures": figures.all_figures(names, done),
        "pictures": pictures_of(chosen, done),
        "versions": _versions(),
        "command": " ".join(["evaluate", *sys.argv[1:]]),
    }


def _name(evaluation: Evaluation, done: list[Evaluation]) -> str:
    """Short, and different for each: RUN/WEIGHTS, or the name of the predictions."""
    path = Path(evaluation.result.weights or evaluation.result.predictions or "")
    parts = [part for part in path.absolute().parts if part != "models"]
    short = parts[-2:] if evaluation.result.weights else parts[-1:]
    name = "/".join(short)
    others = [one for one in done if one is not evaluation]
    same = [one for one in others if Path(one.result.weights or one.result.predictions or "").name == path.name]
    return str(path) if same and not evaluation.result.weights else name


def _run(name: str, evaluation: Evaluation) -> dict[str, Any]:
    result = evaluation.result
    settings = evaluation.inputs.trained.settings if evaluation.inputs.trained else {}
    against = result.against
    return {
        "name": name,
        "result": result,
        "figures": result.all_metrics,
        "interval": (result.intervals or {}).get("images"),
        "by_distance": result.by_distance,
        "difference": paired_difference.describe(against, evaluation.inputs.protocol.headline) if against else [],
        "settings": json.dumps(settings, indent=2) if settings else "",
        "validation": figures.validation_curve(_validation(Path(result.weights)) if result.weights else []),
    }


def _validation(weights: Path) -> list[dict[str, Any]]:
    """validation.json of each epoch of the run that the weights are of, in order."""
    found = [read_json(file) for file in weights.resolve().parent.glob("weights_*/validation.json")]
    return sorted(
        (entry for entry in found if isinstance(entry.get("validation"), dict)), key=lambda entry: entry["epoch"]
    )


def _versions() -> dict[str, str]:
    found = {"litemono": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
