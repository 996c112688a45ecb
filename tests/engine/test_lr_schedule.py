"""Learning rates against the published trainer's."""

import json
import math

import pytest

from litemono.engine.lr_schedule import SCHEDULES, Rate, group_rates, schedule
from litemono.tasks.monodepth.settings import DEFAULT_RATES, PUBLISHED_LR
from litemono.utils.errors import UserError


def learning_rates(epoch: float) -> tuple[float, float]:
    """Of the depth and the pose networks, as published."""
    depth, pose = (schedule("published", rate, num_epochs=30)(epoch) for rate in DEFAULT_RATES)
    return depth, pose


def test_learning_rates_are_the_published_ones(parity):
    golden = json.loads((parity / "lr_schedule.json").read_text())
    depths, poses = (golden[name] + golden[f"{name}_epochs_35_69"] for name in ("depth", "pose"))
    for epoch, (depth, pose) in enumerate(zip(depths, poses, strict=True)):
        assert learning_rates(epoch) == pytest.approx((depth, pose), rel=1e-12)


def test_one_value_keeps_the_published_proportions():
    assert group_rates([1e-4], DEFAULT_RATES) == list(DEFAULT_RATES) == group_rates(PUBLISHED_LR, DEFAULT_RATES)
    doubled = [Rate(2e-4, 1e-5, 31), Rate(2e-4, 2e-5, 31)]
    for rate, expected in zip(group_rates([2e-4], DEFAULT_RATES), doubled, strict=True):
        assert rate == pytest.approx(expected)


def test_one_value_for_each_group_scales_each():
    depth, pose = group_rates([2e-4, 5e-5], DEFAULT_RATES)
    assert depth == pytest.approx((2e-4, 1e-5, 31)) and pose == pytest.approx((5e-5, 5e-6, 31))


def test_another_number_of_values_is_refused():
    with pytest.raises(UserError, match="--lr takes 1 or 2 or 6 values, not 3"):
        group_rates([1e-4] * 3, DEFAULT_RATES)


def test_within_an_epoch_the_published_rate_does_not_change():
    assert learning_rates(3.999) == learning_rates(3)


RATE = Rate(1e-3, 1e-5, 31)


@pytest.mark.parametrize(
    ("name", "start", "middle", "end"),
    [
        ("cosine", 1e-3, (1e-3 + 1e-5) / 2, 1e-5),
        ("polynomial", 1e-3, 1e-5 + (1e-3 - 1e-5) * 0.5**0.9, 1e-5),
        ("one-cycle", 1e-3 / 25, None, 1e-5),
        ("constant", 1e-3, 1e-3, 1e-3),
    ],
)
def test_each_schedule_runs_from_its_start_to_its_end(name, start, middle, end):
    rate = schedule(name, RATE, num_epochs=10)
    assert (rate(0), rate(10)) == pytest.approx((start, end))
    assert middle is None or rate(5) == pytest.approx(middle)


def test_one_cycle_peaks_after_three_tenths_of_the_run():
    rate = schedule("one-cycle", RATE, num_epochs=10)
    assert rate(3) == pytest.approx(1e-3) and rate(2.9) < rate(3) > rate(3.1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_rises_linearly_and_then_leaves_the_schedule_alone(name):
    plain, warmed = schedule(name, RATE, 10), schedule(name, RATE, 10, warmup_epochs=2)
    assert warmed(0) == 0 and warmed(1) == pytest.approx(plain(1) / 2)
    assert warmed(2) == plain(2) and warmed(7.5) == plain(7.5)


def test_the_rate_starts_near_the_maximum_and_restarts_lower():
    rates = [learning_rates(epoch)[0] for epoch in range(62)]
    assert math.isclose(rates[0], 9.976e-5, rel_tol=1e-3) and math.isclose(rates[29], 5.24e-6, rel_tol=1e-3)
    assert math.isclose(rates[30], 9e-5)
