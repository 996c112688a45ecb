"""Single pictures of any size with depth beside them, which `litemono.prepare pack` packs from folders and zips."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from litemono.data.datasets.base import Dataset
from litemono.data.stores.picture_index import is_picture_pack, read_index

PictureKey = tuple[str, int]
"""Folder and frame."""


class PictureDataset(Dataset):
    """A data set whose files are found by their names alone."""

    video = False

    @abstractmethod
    def arrange(self, names: Sequence[str], where: str) -> Mapping[PictureKey, Mapping[str, str]]:
        """Files of each picture by kind, "image" and those of `pictures` that are there, in order.

        names: of all files, below the root; where: begins the UserError where there are no pictures.
        """

    @abstractmethod
    def top(self, names: Sequence[str]) -> str:
        """The folder of an archive below which the layout begins, with its "/"; "" where that is the archive itself."""

    def packed(self, root: Path) -> list[PictureKey] | None:
        """The pictures of a pack in order; None where `root` is none."""
        return read_index(root).frames() if is_picture_pack(root) else None

    def packed_text(self, root: Path) -> str | None:
        """What lies in a pack; None where `root` is none."""
        if not is_picture_pack(root):
            return None
        index = read_index(root)
        with_depth = sum(len(entry.maps["depth"].frames) for entry in index.folders.values() if "depth" in entry.maps)
        return f"{len(index.frames())} packed images, {with_depth} with depth"
