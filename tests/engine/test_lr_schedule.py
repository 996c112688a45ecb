"""Learning rates against the published trainer's."""

import json
import math

import pytest
from litemono.XXX import six_rates

from litemono.engine.lr_schedule import learning_rates
from litemono.tasks.monodepth_settings import PUBLISHED_LR


def test_learning_rates_are_the_published_ones(parity):
    golden = json.loads((parity / "lr_schedule.json").read_text())
    depths, poses = (golden[name] + golden[f"{name}_epochs_35_69"] for name in ("depth", "pose"))
    for epoch, (depth, pose) in enumerate(zip(depths, poses, strict=True)):
        assert learning_rates(PUBLISHED_LR, epoch) == pytest.approx((depth, pose), rel=1e-12)


def test_one_value_keeps_the_published_proportions():
    assert six_rates([1e-4]) == pytest.approx(PUBLISHED_LR)
    assert six_rates([2e-4]) == pytest.approx((2e-4, 1e-5, 31, 2e-4, 2e-5, 31))


def test_the_rate_starts_near_the_maximum_and_restarts_lower():
    rates = [learning_rates(PUBLISHED_LR, epoch)[0] for epoch in range(62)]
    assert math.isclose(rates[0], 9.976e-5, rel_tol=1e-3) and math.isclose(rates[29], 5.24e-6, rel_tol=1e-3)
    assert math.isclose(rates[30], 9e-5)
