"""The value of --mix. Imports no torch: a wrong one is answered at once."""

from __future__ import annotations

import math

from litemono.utils.errors import require

EQUAL, ROUND_ROBIN = "equal", "round-robin"


def parse_mix(text: str, sets: int) -> list[int] | None:
    """Weights of the data sets from --mix; None for round-robin."""
    if text == ROUND_ROBIN:
        return None
    if text == EQUAL:
        return [1] * sets
    require(
        text != "pareto",
        "--mix pareto: the multi-objective update of MiDaS is not there: it needs the gradient of each data set by itself in "
        "every step; give --mix equal, the equal shares of its batches",
    )
    parts = text.split(",")
    require(
        all(part.isdecimal() and 0 < int(part) <= 1000 for part in parts),
        f"--mix {text}: must be {EQUAL}, {ROUND_ROBIN}, or whole numbers from 1 such as 2,1",
    )
    require(len(parts) == sets, f"--mix {text}: has {len(parts)} numbers for {sets} data sets; give one each")
    divisor = math.gcd(*map(int, parts))
    return [int(part) // divisor for part in parts]
