"""What other processes and people left in a JSON file, taken only as far as its types are right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LARGEST = 1e15  # of a number that is shown or computed with


def well_typed(content: Mapping[str, Any], types: Mapping[str, type], longest: int = 60) -> dict[str, Any]:
    """The entries of `types` that have their type there; texts on one line of `longest` letters, numbers finite.

    float takes whole numbers too; bool is no number. A job's number given as int comes out as text where `types` says str.
    """
    found: dict[str, Any] = {}
    for name, kind in types.items():
        value = content.get(name)
        if kind is str and type(value) is int:
            value = str(value) if abs(value) < LARGEST else None
        if isinstance(value, str) and kind is str:
            found[name] = " ".join(value[:longest].split())
        elif (
            kind is bool
            and isinstance(value, bool)
            or type(value) in (int, float)
            and kind in (int, float)
            and _usable(value, kind)
        ):
            found[name] = value
    return found


def _usable(value: Any, kind: type) -> bool:
    if kind is bool or type(value) not in (int, float):
        return kind is bool and isinstance(value, bool)
    return math.isfinite(value) and abs(value) < LARGEST and (kind is float or type(value) is int)
