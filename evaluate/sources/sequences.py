"""Sequences for a million images: names in one block of memory, and values that are computed when they are asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")
Value = TypeVar("Value")


class Names(Sequence[str]):
    """File names: their bytes and 8 more each. A str takes 57 bytes more than its characters, a Path five times that."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._text, self._ends = bytearray(), array("q")
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        self._text += os.fsencode(name)
        self._ends.append(len(self._text))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]  # no slices: nothing here needs them
        place = range(len(self._ends))[index]
        return os.fsdecode(bytes(self._text[self._ends[place - 1] if place else 0 : self._ends[place]]))


class Mapped(Sequence[Value], Generic[Item, Value]):
    """function(item) of each item, computed each time."""

    def __init__(self, function: Callable[[Item], Value], items: Sequence[Item] | np.ndarray) -> None:
        self._function, self._items = function, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        return self._function(self._items[index])

    def __iter__(self) -> Iterator[Value]:
        return map(self._function, self._items)
