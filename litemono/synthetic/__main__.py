"""python -m litemono.synthetic [composites]: render a small street world, or rooms with persons in front of them."""

from __future__ import annotations

import sys

from litemono.data.datasets.composites import COMPOSITES
from litemono.synthetic import composites, writer

OTHERS = {COMPOSITES.name: composites.main}


def main() -> None:
    """The word after the command says which data set is rendered; without it KITTI's layout."""
    if (name := sys.argv[1] if len(sys.argv) > 1 else "") in OTHERS:
        del sys.argv[1]
        OTHERS[name]()
    else:
        writer.main()


if __name__ == "__main__":
    main()
