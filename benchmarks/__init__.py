"""python -m benchmarks.NAME: what is timed, against what; recorded results are in results/."""
