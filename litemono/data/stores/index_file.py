"""What the JSON indices of packs have in common: which numbers they may hold, and what a damaged one raises."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from litemono.utils.atomic_files import may_pass, replacing
from litemono.utils.errors import UserError, reason

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST = 10**10


def are_counts(numbers: Sequence[object], least: int = 0) -> bool:
    """Whether all are whole numbers that a file name of ten digits can hold."""
    return all(type(number) is int and least <= number < MOST for number in numbers)


@contextmanager
def damage_explained(problem: str, advice: str) -> Iterator[None]:
    """Around what reads an index and makes objects of it: damage is the UserError "PROBLEM (REASON); ADVICE"."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if may_pass(error):
            raise
        raise UserError(f"{problem} ({reason(error)}); {advice}") from None


def write(path: Path, file_format: str, index: DataclassInstance) -> None:
    """Replace the index at once; everything it names must be on the disk already."""
    with replacing(path) as file:
        file.write(json.dumps({"format": file_format, **asdict(index)}, separators=(",", ":")).encode())
