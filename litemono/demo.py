"""python -m litemono.demo: what a task does on a small rendered world, by the commands a user types."""

from __future__ import annotations

import sys

from litemono.demos import DEMOS
from litemono.demos.commands import DemoConfig
from litemono.tasks import resolve
from litemono.utils import cli
from litemono.utils.flags import value_in


def main() -> None:
    """--task decides which flags there are. The parser refuses a name that is not in DEMOS."""
    demo = DEMOS.get(value_in(sys.argv[1:], "task") or DemoConfig.task, DEMOS[DemoConfig.task])
    cli.run(resolve(demo.run), resolve(demo.settings), "python -m litemono.demo")


if __name__ == "__main__":
    main()
