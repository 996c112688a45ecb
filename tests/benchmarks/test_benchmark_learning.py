"""python -m benchmarks.learning: both recipes really train, are really evaluated, and a second call continues."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import learning
from benchmarks.learning import LearningConfig, measure
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_both_recipes_train_on_the_same_and_are_compared(small_session, tmp_path, monkeypatch):
    """As a part of the session; then continued where all is done."""
    found = json.loads((small_session / "learning.json").read_text())
    published, ours = found["abs_rel"]["published"]["0"], found["abs_rel"]["default"]["0"]
    # Two steps from the same weights on the same samples: equal up to what AdamW makes of rounding.
    assert ours == pytest.approx(published, rel=0.02)
    assert found["over_published"] == {"published": 0.0, "default": pytest.approx(ours / published - 1)}
    weights = [
        torch.load(small_session / f"learning/runs/{name}_0/models/last/depth.pth", weights_only=True)
        for name in ("published", "default")
    ]
    assert any(not torch.equal(weights[0][key], weights[1][key]) for key in weights[0]), (
        "one was trained, the other copied"
    )
    assert "over published" in (small_session / "learning.log").read_text()

    monkeypatch.setattr(learning, "published_step", lambda *args: pytest.fail("trained again"))
    monkeypatch.setattr("litemono.engine.training.train_step", lambda *args, **options: pytest.fail("trained again"))
    again = tmp_path / "learning.json"
    flags = {"ours": ("default",), "seeds": (0,), "num_epochs": 1, "device": "cpu", "small": True}
    config = LearningConfig(small_session / "learning", json=again, **flags)
    assert measure(config) == 0
    assert json.loads(again.read_text())["abs_rel"] == found["abs_rel"]


def test_a_training_that_was_stopped_is_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "train_published", lambda settings: 0)
    monkeypatch.setattr(learning, "evaluated", lambda settings, street: 0.1)
    monkeypatch.setattr(learning, "train", lambda settings: 130)
    json_file = tmp_path / "learning.json"
    config = LearningConfig(tmp_path / "out", ours=("fp32",), seeds=(0,), num_epochs=1, json=json_file, small=True)
    assert measure(config) == 130
    assert "fp32" not in json.loads((tmp_path / "learning.json").read_text())["abs_rel"]


def test_no_seed_at_all_is_refused(tmp_path):
    with pytest.raises(UserError, match="--seeds"):
        measure(LearningConfig(tmp_path, seeds=()))
