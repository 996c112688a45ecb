"""python -m tests.chaos.victim MODULE ARGS...: the same as `python -m MODULE ARGS...`, with an aim (aims.py)."""

from __future__ import annotations

import runpy
import sys

from . import aims


def main() -> None:
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    aims.install()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
