"""Numbers among a command's settings, looked at before anything is asked or computed."""

from __future__ import annotations

import math
from typing import Any

from litemono.utils.errors import require
from litemono.utils.path_flags import given

LARGEST = 2**31 - 1
LARGEST_OF = {"seed": 2**63 - 1, "split_seed": 2**63 - 1, "num_workers": 1024, "parallel": 1024}
"""Seeds are numbers of 64 bits. Workers are threads or processes, each of which reads ahead."""
LONGEST = {"seconds": 1e9, "hang_minutes": 1e7, "checkpoint_minutes": 1e7}
"""Times that clocks can count."""


def check_numbers(settings: Any) -> None:
    """Raise UserError for a number that is too large for any use. settings: a dataclass of flags, with groups inside."""
    for flag, value in given(settings, int):
        largest = LARGEST_OF.get(flag, LARGEST)
        require(value <= largest, f"--{flag} {value}: must be at most {largest}")
    for flag, time in given(settings, float):
        longest = LONGEST.get(flag, math.inf)
        require(not time > longest, f"--{flag} {time}: must be at most {longest:.0f}")
