"""What sacct prints, as types."""

from __future__ import annotations

import datetime

import pytest

from litemono.jobs import accounting
from litemono.jobs.accounting import NoAccounting

# Slurm 22.05 and slurmdbd: a requeued job, and a task of an array that waits.
SACCT = """\
230|230|2026-11-28T09:53:29|2026-11-28T09:53:29|2026-11-28T09:53:46|17|billing=1,cpu=2,gres/gpu:v100=1,gres/gpu=1,mem=4G,node=1|00:05.872|34|||3600
230.batch|230.batch|2026-11-28T09:53:29|2026-11-28T09:53:29|2026-11-28T09:53:47|18|cpu=2,mem=4G,node=1|00:02.027|36|432260K|cpu=00:00:01,mem=432260K|0
230.0|230.0|2026-11-28T09:53:35|2026-11-28T09:53:35|2026-11-28T09:53:46|11|cpu=2,mem=4G,node=1|00:03.844|22|760724K|cpu=00:00:03,mem=2G,pages=19|0
230|230|2026-11-28T09:53:48|2026-11-28T09:53:54|2026-11-28T09:54:17|23|billing=1,cpu=2,gres/gpu=1,mem=4G,node=1|1-01:02:03|46|||0
230.0|230.0|2026-11-28T09:53:58|2026-11-28T09:53:58|2026-11-28T09:54:17|19|cpu=2,mem=4G,node=1|00:07.416|38|1G||0
231_7|239|2026-11-28T09:53:02|None|Unknown|0||00:00:00|0|||
"""


@pytest.fixture
def sacct(monkeypatch, tmp_path):
    """An sacct that prints this and ends with that status."""

    def install(text: str, status: int = 0) -> None:
        script = tmp_path / "sacct"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_every_start_of_a_job_is_read_with_the_most_that_its_steps_used(sacct):
    sacct(SACCT)
    first, second, waiting = accounting.allocations(["230", "239"])
    assert (first.elapsed, first.gpus, first.cpu_seconds, first.cpu_used) == (17, 1, 34, 5.872)
    assert (first.memory, first.memory_used, first.joules) == (4096, 2048, 3600)
    assert (second.memory_used, second.cpu_used, second.waited(0)) == (1024, 25 * 3600 + 123, 6)
    assert waiting.job_ids == ("231_7", "239") and waiting.started is waiting.ended is None and waiting.gpus == 0
    begin = datetime.datetime(2026, 11, 28, 9, 53, 2).timestamp()
    assert waiting.waited(begin + 60) == 60


@pytest.mark.parametrize(
    "text", ["", "a|b\n", "|" * 11 + "\n", SACCT.replace("2026", "20x6"), SACCT.replace("17", "-1e9")]
)
def test_lines_that_are_none_of_slurms_are_left_out_or_empty(sacct, text):
    sacct(text)
    for part in accounting.allocations(["230"]):
        assert part.elapsed >= 0 and part.waited(0) >= 0


def test_a_cluster_without_accounting_is_told(sacct, monkeypatch, tmp_path):
    sacct("Slurm accounting storage is disabled\n", status=1)
    with pytest.raises(NoAccounting, match="accounting storage is disabled"):
        accounting.allocations(["230"])
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NoAccounting, match="no sacct"):
        accounting.allocations(["230"])
