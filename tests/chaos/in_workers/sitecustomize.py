"""On the path of what victim.py starts: an aim at worker processes reaches those that multiprocessing starts (aims.py)."""

import sys

if "--multiprocessing-fork" in sys.orig_argv:
    from tests.chaos import aims

    aims.install(in_worker=True)
