"""A signal and an error at once: which of them a training reports."""

from __future__ import annotations

import json
import os
import signal

import pytest
from trainings import settings

from litemono.engine.reporter import Reporter
from litemono.engine.run_folder import RunFolder
from litemono.engine.settings import to_json
from litemono.engine.signals import StopFlag, StoppedBySignal
from litemono.utils.errors import UserError
from networks import NetworkError


@pytest.mark.parametrize("error", [UserError, NetworkError, PermissionError])
def test_an_error_after_a_signal_is_the_signals(error):
    """The signal may have ended the compiler, too: the run is to be resumed."""
    with StopFlag() as stop:
        os.kill(os.getpid(), signal.SIGUSR2)
        with pytest.raises(StoppedBySignal) as stopped, stop.explains_errors():
            raise error("no compiler")
    assert stopped.value.exit_status == 128 + signal.SIGUSR2


def test_an_error_without_a_signal_stays_what_it_is():
    with StopFlag() as stop, pytest.raises(UserError, match="no compiler"), stop.explains_errors():
        raise UserError("no compiler")


@pytest.mark.parametrize(
    ("error", "state", "final", "exit_status"),
    [
        (UserError("--lr 0: must be positive"), "failed", True, 2),
        (NetworkError("depth.pth is damaged"), "failed", True, 2),
        (PermissionError(13, "Permission denied"), "failed", True, 2),
        (OSError(5, "Input/output error"), "failed", False, 1),
        (RuntimeError("CUDA error"), "failed", False, 1),
        (KeyboardInterrupt(), "failed", False, 130),
        (StoppedBySignal(signal.SIGTERM), "interrupted", False, 143),
    ],
)
def test_status_json_says_whether_trying_again_is_useless(street, tmp_path, error, state, final, exit_status):
    config = settings(street, tmp_path)
    run = RunFolder(config.folder, to_json(config))
    Reporter(run).failed(error)
    run.close()
    status = json.loads((config.folder / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == (state, final, exit_status)
    assert str(error) in status["message"]
