"""python -m benchmarks.supervised_step and supervised_learning: what they measure, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import invoke

from benchmarks import mixed_learning, supervised_learning, supervised_step
from benchmarks.mixed_learning import MixedLearningConfig
from benchmarks.supervised_learning import SupervisedLearningConfig
from benchmarks.supervised_step import SupervisedStepConfig
from litemono import finetune
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


def test_one_training_on_two_kinds_of_truth_has_errors_of_both(tmp_path, monkeypatch, capsys):
    def in_this_process(command):
        outcome = invoke(finetune.main, capsys, *command[1:])
        assert outcome.code == 0, outcome

    monkeypatch.setattr(mixed_learning, "run", in_this_process)
    file = tmp_path / "mixed.json"
    config = MixedLearningConfig(tmp_path / "out", seeds=(0,), num_epochs=1, device="cpu", json=file, small=True)
    assert mixed_learning.measure(config) == 0
    found = json.loads(file.read_text())["abs_rel"]
    errors = {found[name][state]["0"] for name in ("street", "pairs") for state in ("untrained", "trained on both")}
    assert len(errors) == 4 and all(0 < error < 2 for error in errors)

    relative = next((tmp_path / "out/pairs/depth").rglob("*.npy"))
    with Image.open(
        next((tmp_path / "out/world_1").rglob(f"{relative.parent.name}/proj_depth/*/*/{relative.stem}.png"))
    ) as png:
        metres = np.asarray(png) / 256
    expected = np.divide(0.37, metres, out=np.full(metres.shape, -0.01), where=metres > 0) + 0.01
    np.testing.assert_allclose(np.load(relative), expected, rtol=1e-6, atol=1e-9)
