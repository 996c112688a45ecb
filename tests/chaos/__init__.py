"""Kills of trainings and packings, and proof that what they leave is what an undisturbed run leaves.

    make test-chaos                                    the short form, as in CI
    python -m tests.chaos --kills 100 --seed 1         the long form

aims.py       moments at which a process ends itself: a write, an import, a validation
victim.py     starts a command with such an aim; in_workers/ brings it to the command's worker processes
lanes.py      what is killed: both tasks in one and two processes, and the workers of `prepare pack`
sabotage.py   damage done between two starts
compare.py    weights, optimiser states, curves and packs, bit by bit
campaign.py   kill, sabotage, start again, until the run is finished; then compare
long_run.py   10,000 steps, and what they do to memory, handles, threads and logs
"""
