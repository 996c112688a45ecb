"""The layout, and networks read back from it: from a folder, or from a repository of Hugging Face."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from litemono.utils.atomic_files import read_json
from litemono.utils.errors import UserError, reason, require
from networks import registry, state_files
from networks.depth_net import DepthNet, create
from networks.errors import NetworkError
from networks.metric_head import MetricHead

TENSORS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
LIBRARY = "litemono"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_folder(folder: Path) -> bool:
    return (folder / TENSORS).is_file()


def load_network(folder: Path, name: str | None, height: int | None, width: int | None) -> DepthNet:
    """The network of a folder that `litemono export --hub` wrote; height, width: None means as stored.

    Raises UserError for a folder of another program, damaged files and another network than `name`.
    """
    config = read_json(folder / CONFIG)
    require(
        config.get("library_name") == LIBRARY,
        f"{folder}: {TENSORS} is there, but {CONFIG} is not one of `litemono export --hub`; download the whole repository again",
    )
    stored: Any = config.get("network")
    try:
        network, attention, head = stored["network"], stored["attention"], stored["metric_head"]
        size = height or int(stored["height"]), width or int(stored["width"])
        metric_head = None if head is None else MetricHead(float(head["scale"]), float(head["shift"]))
        registry.get(network)
    except (TypeError, KeyError, ValueError, OverflowError, NetworkError) as error:
        raise UserError(f"{folder / CONFIG} is damaged ({reason(error)}); download or export it again") from None
    require(name in (None, network), f"{folder}: these are {network} weights: --model {network}")
    depth = create(network, height=size[0], width=size[1], attention=attention)
    path = folder / TENSORS
    state_files.load_exactly([(depth, path, state_files.read(path))], network, lambda path, content: "")
    depth.metric_head = metric_head
    return depth


def fetch(name: str) -> Path:
    """The folder of a repository on Hugging Face, from its cache or downloaded. Raises UserError where that fails."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    failures: tuple[Any, ...] = (OSError, ValueError, HFValidationError)  # HTTP errors of the hub are OSErrors
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=[TENSORS, CONFIG, CARD]))
    except failures as error:
        raise _unreachable(name, error) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "httpcore", "requests", "huggingface_hub"):
            raise
        raise _unreachable(name, error) from None


def _unreachable(name: str, error: Exception) -> UserError:
    reason = str(error).strip().splitlines()[0].strip() if str(error).strip() else type(error).__name__
    return UserError(
        f"weights={name}: there is no such folder, and the Hugging Face repository cannot be read ({reason}); check the name, or "
        "download it where there is internet: hf download " + name
    )
