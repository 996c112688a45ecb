"""GPUs in the listings of a cluster."""

from __future__ import annotations

import pytest

from litemono.jobs.cluster import parse_gres


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("gpu:v100:4(S:0-1)", {"v100": 4}),
        ("gpu:2", {"gpu": 2}),
        ("gpu:a100:2,gpu:v100:1,nvme:3", {"a100": 2, "v100": 1}),
        ("(null)", {}),
        ("gpu:tesla_v100:4(IDX:0-3)", {"tesla_v100": 4}),
    ],
)
def test_gpus_are_read_from_gres(text, gpus):
    assert parse_gres(text) == gpus
