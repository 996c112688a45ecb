"""What other processes and people left in a JSON file, taken only as far as its types are right."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

LARGEST = 1e15  # of a number that is shown or computed with


def well_typed(content: Mapping[str, Any], types: Mapping[str, type], longest: int = 60) -> dict[str, Any]:
    """The entries of `types` that have their type there; texts on one line of `longest` letters, without control characters;
    numbers finite.

    float takes whole numbers too; bool is no number. A job's number given as int comes out as text where `types` says str.
    """
    found: dict[str, Any] = {}
    for name, kind in types.items():
        value = content.get(name)
        if kind is str and type(value) is int:
            value = str(value) if abs(value) < LARGEST else None
        if isinstance(value, str) and kind is str:
            found[name] = " ".join("".join(c if c.isprintable() else " " for c in value[:longest]).split())
        elif kind in (bool, int, float) and _usable(value, kind):
            found[name] = value
    return found


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON has the type of a dataclass's field. float takes whole numbers too; entries may be null."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is dict:
        return isinstance(value, dict) and all(entry is None or fits(entry, parts[1]) for entry in value.values())
    if kind is Literal:
        return type(value) is str and value in parts
    if kind in (list, tuple):
        return isinstance(value, kind) and all(entry is None or fits(entry, parts[0]) for entry in value)
    if hint in (int, float):
        return type(value) is int and abs(value) <= sys.float_info.max or hint is float and type(value) is float
    return isinstance(hint, type) and isinstance(value, hint)


def _usable(value: Any, kind: type) -> bool:
    if kind is bool or type(value) not in (int, float):
        return kind is bool and isinstance(value, bool)
    return math.isfinite(value) and abs(value) < LARGEST and (kind is float or type(value) is int)
