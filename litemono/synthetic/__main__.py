"""python -m litemono.synthetic [composites]: render a small street world, or rooms with persons in front of them."""

from __future__ import annotations

import sys

from litemono.synthetic import composites, writer


def main() -> None:
    """The word after the command says what is rendered; without it a street."""
    if sys.argv[1:2] == ["composites"]:
        del sys.argv[1]
        composites.main()
    else:
        writer.main()


if __name__ == "__main__":
    main()
