"""The run folder: one process at a time, also where the file system makes that hard."""

from __future__ import annotations

import errno
import fcntl

import pytest
from test_train import settings

from litemono import run
from litemono.errors import UserError
from litemono.files import write_atomically


def test_a_second_process_is_refused_with_the_name_of_the_first(street, tmp_path):
    first = run.RunFolder(settings(street, tmp_path))
    with pytest.raises(UserError, match=r"is in use by process \d+ on "):
        run.RunFolder(settings(street, tmp_path))
    first.close()
    run.RunFolder(settings(street, tmp_path)).close()


def test_a_requeued_job_waits_for_the_process_on_the_lost_node(street, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    first = run.RunFolder(settings(street, tmp_path))
    monkeypatch.setattr("litemono.files.time.sleep", lambda _: first.close())  # it ends while it is waited for
    run.RunFolder(settings(street, tmp_path)).close()


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_taken_as_it_is(street, tmp_path, monkeypatch, reason):
    def flock(*_):
        raise OSError(reason, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    run.RunFolder(settings(street, tmp_path)).close()


@pytest.mark.parametrize(
    ("reason", "raised"), [(errno.ESTALE, OSError), (errno.EIO, OSError), (errno.EACCES, UserError)]
)
def test_only_what_the_user_must_mend_is_called_a_users_error(tmp_path, monkeypatch, reason, raised):
    def fail(*_):
        raise OSError(reason, "for some reason")

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(raised, match="for some reason") as error:
        write_atomically(tmp_path / "status.json", b"")
    assert error.type is raised
