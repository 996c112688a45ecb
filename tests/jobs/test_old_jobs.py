"""Jobs that version 0.1 queued, after an update of the checkout."""

import pickle
from pathlib import Path

from litemono import job


def test_a_job_pickled_by_version_0_1_still_trains_with_its_settings(monkeypatch):
    """data/job_0.1.pkl: TrainJob of lite-mono-tiny with batch 3, pickled by 0.1."""
    old = pickle.loads((Path(__file__).parent / "data" / "job_0.1.pkl").read_bytes())
    seen = []
    monkeypatch.setattr(job, "train", lambda config: seen.append(config) or 0)
    monkeypatch.setattr("litemono.jobs.train_job.set_ranks", lambda: None)
    assert old() == "runs/old"
    (config,) = seen
    assert (config.model.model, config.optim.batch_size, config.data.threads) == ("lite-mono-tiny", 3, 2)
    assert (config.optim.schedule, config.loss.compile, config.run.max_val_steps) == ("published", False, None)
    assert config.rates == list(config.default_rates)
