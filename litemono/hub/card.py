"""The model card: what a stranger must know before using the weights, from what the run recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from litemono.hub.reading import LIBRARY
from litemono.trained_depth import TrainedDepth
from litemono.utils.atomic_files import listing, read_json

LICENCE = "other"
KINDS = {
    "metric": "inverse depth in 1/metres",
    "up-to-scale": "inverse depth up to one unknown factor, because it was trained from video alone; a known distance or the "
    "camera's height gives the factor",
    "relative": "inverse depth up to an unknown scale and shift",
}
NUMBERS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")


def model_card(trained: TrainedDepth, config: dict[str, Any], weights: Path) -> str:
    """Markdown with Hugging Face's header. weights: the folder in which evaluate left its results."""
    net = trained.net
    results = list(_results(weights))
    data = ModelCardData(
        license=LICENCE,
        library_name=LIBRARY,
        pipeline_tag="depth-estimation",
        tags=["depth-estimation", "monocular-depth", net.name],
        model_name=net.name,
        eval_results=[entry for result in results for entry in _index_entries(result)] or None,
    )
    parameters = sum(value.numel() for value in net.parameters())
    sections = [
        f"---\n{data.to_yaml()}\n---\n\n# {net.name}",
        f"Depth from one image: {parameters / 1e6:.1f} million parameters, {net.width}x{net.height} pixels. It predicts "
        f"{KINDS[trained.kind]}.",
        _usage(),
        "## Training\n\n" + _training(config),
        "## Results\n\n"
        + ("\n\n".join(map(_table, results)) or "Not evaluated: no result of `evaluate` lay beside the weights."),
        "## Limits\n\nIt saw the training data above and no other. Nothing is known about its errors on cameras, places and "
        "weather that are not in it.",
        "## Licence\n\nThe code is MIT. The weights have the licence of their training data and of those who trained "
        "them; state it here before you publish them.",
    ]
    return "\n\n".join(sections) + "\n"


def _usage() -> str:
    return """## Use

```python
import litemono

network = litemono.load(weights="FOLDER_OR_REPOSITORY")
network.predict("street.jpg").save("depth.png")
```"""


def _training(config: dict[str, Any]) -> str:
    facts = {
        name: value
        for group in config["training"].values()
        for name, value in group.items()
        if value not in (None, [], "")
    }
    facts |= {
        f"loss: {name}": config["loss"][name] for name in ("loss", "min_depth", "max_depth") if name in config["loss"]
    }
    if not config["training"]:
        return "Not recorded: the weights come from elsewhere, or their run folder was not beside them."
    code = f"litemono {config['litemono_version']}, commit {config['litemono_commit']} (of the export)"
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {_text(value)} |" for name, value in facts.items()), f"| code | {code} |"]
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _results(weights: Path) -> Iterator[dict[str, Any]]:
    """Results of evaluate beside the weights; what is damaged is left out."""
    for file in listing(weights, "eval_*.json"):
        content = read_json(file)
        metrics = content.get("metrics")
        if isinstance(metrics, dict) and all(isinstance(metrics.get(name), int | float) for name in NUMBERS):
            yield content


def _split(result: dict[str, Any]) -> str:
    return Path(str(result.get("split", "unknown"))).name


def _table(result: dict[str, Any]) -> str:
    intervals = result.get("intervals") or {}
    grouping = next((name for name in ("drives", "images") if isinstance(intervals.get(name), dict)), None)
    of = intervals.get(grouping) or {} if grouping else {}
    protocol = result.get("protocol") or {}
    settings = ", ".join(f"{name} {value}" for name, value in protocol.items() if value not in (None, False, [], {}))
    lines = [
        f"Split {_split(result)} of {result.get('data', 'kitti')}, {result.get('evaluated', '?')} images. Protocol: "
        f"{settings or 'not recorded'}.",
        "",
        f"| | value | 95 % interval{f' (bootstrap over {grouping})' if grouping else ''} |",
        "|---|---|---|",
    ]
    for name in NUMBERS:
        between = of.get(name)
        interval = f"{between[0]:.3f} to {between[1]:.3f}" if isinstance(between, list) and len(between) == 2 else "-"
        lines.append(f"| {name} | {result['metrics'][name]:.3f} | {interval} |")
    return "\n".join(lines)


def _index_entries(result: dict[str, Any]) -> Iterator[EvalResult]:
    for name in NUMBERS:
        yield EvalResult(
            task_type="depth-estimation",
            dataset_type=str(result.get("data", "kitti")),
            dataset_name=str(result.get("data", "kitti")),
            dataset_split=_split(result),
            metric_type=name,
            metric_name=name,
            metric_value=round(float(result["metrics"][name]), 4),
        )
