"""A job that hangs is ended by its watchdog, requeued, and finished."""

from __future__ import annotations

import os
import signal

from slurm.conftest import read_status


def test_a_stopped_process_is_ended_and_its_job_requeued_and_finished(slurm, training, tmp_path, log_of):
    flags = ("--hang_minutes", 0.2, "--checkpoint_minutes", 0)
    job = slurm.submit(*training("stuck", 3, *flags), "--partition", "compute", "--gpus_per_node", 0, "--mem", "4G")
    run, log = tmp_path / "runs/stuck", log_of("stuck", job)
    step = slurm.wait_step(run, 2, log)
    os.kill(read_status(run)["pid"], signal.SIGSTOP)  # the nodes of the test cluster are this machine
    slurm.wait_for("the end of the run", lambda: read_status(run).get("state") == "finished", log)
    text = log.read_text()
    assert "watchdog: hung: no step was finished" in text and "most recent call first" in text
    assert "failed: hung: no step was finished" in text and "to resume from step" in text
    assert read_status(run)["restarts"] == 1 and step >= 2
