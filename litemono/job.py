"""Alias of litemono.jobs.requeue for jobs that were queued by version 0.1; gone in the next release."""

from litemono.jobs.requeue import main

if __name__ == "__main__":
    main()
