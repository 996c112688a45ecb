"""Files of named tensors: read safely, compared with what a network needs, loaded all or nothing."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from networks.errors import NetworkError

# Left in some published files by the tool that counted operations.
COUNTER_ENTRIES = ("total_ops", "total_params")
WRAPPER_ENTRIES = ("state_dict", "model", "model_state_dict", "ema")  # of several, the first
MOST_WRAPPERS = 4  # one inside the other
# Attributes in which DataParallel, Lightning modules and trainers keep the network.
PREFIXES = ("module.", "model.", "net.", "network.", "student.")
COMPILED = re.compile(r"(?<![^.])_orig_mod\.")


def read(path: Path) -> dict[str, object]:
    """The dictionary in a .pth or .safetensors file, on the CPU; tensors and plain values only, no code is run."""
    path = Path(path)
    if not path.is_file():
        raise NetworkError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            content = load_file(path, device="cpu")
        else:
            # ImageNet training scripts leave their arguments in the file.
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # what torch raises for a damaged file depends on where the damage is
        raise NetworkError(f"{path} {_what_is_wrong(path, error)}") from error
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise NetworkError(f"{path} holds a {type(content).__name__}, not named tensors; it is not a weights file")
    return dict(content)


def _what_is_wrong(path: Path, error: Exception) -> str:
    foreign = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
    if foreign:
        return f"holds a {foreign[1]} object, but only tensors and plain values are loaded; save the state_dict alone"
    size = path.stat().st_size
    return f"({size:,} bytes) is cut short, damaged or not a weights file; copy or download it again"


def load_exactly(
    parts: list[tuple[nn.Module, Path, dict[str, object]]], what: str, hint: Callable[[Path, dict], str]
) -> None:
    """Load each (module, its file, the file's content) when all of them fit to the last name and shape, else none.

    what: the network's name for the message; hint(file, content) -> a clause on what else the file fits, or "".
    """
    for module, path, content in parts:
        difference = compare(module.state_dict(), content)
        if difference:
            fits_else = hint(path, content)
            raise NetworkError(f"{path}: {fits_else}" if fits_else else f"{path} does not fit {what}: {difference}")
    for module, path, content in parts:
        try:
            module.load_state_dict(content)
        except RuntimeError as error:  # tensors that are no plain arrays: sparse, quantised, without memory
            raise NetworkError(f"{path}: {str(error).strip().splitlines()[-1].strip()}") from None


def compare(wanted: Mapping[str, Tensor], given: Mapping[str, object]) -> str:
    """Where `given` differs from `wanted` in names and shapes, as a clause for messages; empty if nowhere."""
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    misshapen = [
        f"{name} is {shape_of(given[name])}, not {shape_of(tensor)}"
        for name, tensor in wanted.items()
        if name in given and shape_of(given[name]) != shape_of(tensor)
    ]
    counted = (("missing", missing), ("unknown", unknown), ("another shape in", misshapen))
    found = [f"{how} {some_of(names)}" for how, names in counted if names]
    return "tensors " + "; ".join(found) if found else ""


def fits(wanted: Mapping[str, Tensor], given: Mapping[str, object]) -> bool:
    """All of `wanted` is in `given`, in the same shapes; `given` may have more."""
    return all(name in given and shape_of(given[name]) == shape_of(tensor) for name, tensor in wanted.items())


def equal(wanted: Mapping[str, Tensor], given: Mapping[str, object]) -> bool:
    """The same names and shapes."""
    return not compare(wanted, given)


def shape_of(value: object) -> str:
    """Shape, and the kind of number where it is not the usual: integers are no weights."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    whole = not value.is_floating_point() and value.dim() > 0  # BatchNorm's counter is a single whole number
    return f"{tuple(value.shape)}{f' of {value.dtype}'.replace('torch.', '') if whole else ''}"


def unwrapped(content: Mapping[str, object]) -> dict[str, object]:
    """The named tensors that a training script put under "state_dict", "model" or another name beside its own entries, else
    `content`."""
    for _ in range(MOST_WRAPPERS):
        entries = [name for name in content if _holds_tensors(content[name])]
        known = [name for name in WRAPPER_ENTRIES if name in entries]
        bare = any(isinstance(value, Tensor) and value.dim() for value in content.values())
        if not known and (bare or len(entries) != 1):
            break
        content = content[(known or entries)[0]]  # type: ignore[assignment]
    return dict(content)


def _holds_tensors(value: object, levels: int = MOST_WRAPPERS) -> bool:
    """Tensors by name, or such a dictionary inside."""
    if not (levels and isinstance(value, Mapping) and all(isinstance(name, str) for name in value)):
        return False
    return any(isinstance(inner, Tensor) or _holds_tensors(inner, levels - 1) for inner in value.values())


def plain_names(content: Mapping[str, object]) -> dict[str, object]:
    """Without operation counters, and under the names that the network itself gives its tensors.

    Taken off are "_orig_mod." of torch.compile, in any place, and a prefix of PREFIXES, where every name begins with it and
    more than numbers is left: a pose decoder's own names are "net.0.weight" and the like.
    """
    plain = {name: value for name, value in content.items() if name.rpartition(".")[2] not in COUNTER_ENTRIES}
    plain = {COMPILED.sub("", name): value for name, value in plain.items()}
    while plain:
        prefix = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in plain)), None)
        shorter = {COMPILED.sub("", name.removeprefix(prefix or "")): value for name, value in plain.items()}
        if prefix is None or prefix != PREFIXES[0] and any(name[:1].isdecimal() for name in shorter):
            break
        plain = shorter
    return plain


def some_of(names: list[str], count: int = 4) -> str:
    """How many, and the first few: "6 (a, b, c, d, ...)"."""
    return f"{len(names)} ({', '.join(names[:count])}{', ...' if len(names) > count else ''})"
