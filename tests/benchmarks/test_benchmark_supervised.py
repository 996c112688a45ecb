"""python -m benchmarks.supervised_step and supervised_learning: what they measure, and what they refuse."""

from __future__ import annotations

import json

import pytest

from benchmarks import supervised_learning, supervised_step
from benchmarks.supervised_learning import SupervisedLearningConfig
from benchmarks.supervised_step import SupervisedStepConfig
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_recomputing_blocks_keeps_less_and_every_loss_has_its_share_of_a_step(tmp_path, capsys):
    file = tmp_path / "step.json"
    config = SupervisedStepConfig(
        model=("dpt-tiny",), loss=("silog-bts", "ssi-trimmed"), size="192x64", batch=1, precision="fp32", repeats=1,
        device="cpu", json=file,
    )  # fmt: skip
    assert supervised_step.benchmark(config) == 0
    found = json.loads(file.read_text())
    [memory], [times] = found["kept_for_backward_gb"], found["loss_share"]
    assert 0 < memory["grad_checkpoint"] < memory["plain"]
    assert [*times["losses"]] == ["silog-bts", "ssi-trimmed"]
    assert all(0 < numbers["share"] < 1 for numbers in times["losses"].values())
    assert "--grad_checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [{"seeds": ()}, {"seeds": (-1,)}, {"num_epochs": 0}])
def test_what_no_training_can_have_is_refused(tmp_path, flags):
    with pytest.raises(UserError, match="--seeds|--num_epochs"):
        supervised_learning.measure(SupervisedLearningConfig(tmp_path, **flags))
