"""Flags of sbatch and srun that submit hands through."""

from __future__ import annotations

import pytest

from litemono.jobs.more_flags import join_values, sbatch_flags, srun_flags
from litemono.utils.errors import UserError


def test_flags_are_read_with_and_without_dashes_and_quotes():
    assert sbatch_flags("exclude=n1,n2 --exclusive comment='two words'") == {
        "exclude": "n1,n2",
        "exclusive": True,
        "comment": "two words",
    }
    assert srun_flags("--cpu-bind=cores mpi=none") == ["--cpu-bind=cores", "--mpi=none"]
    assert join_values(["--srun", "--cpu-bind=cores", "--time", "1"]) == ["--srun=--cpu-bind=cores", "--time", "1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time=10", "use --time"),
        ("gres=gpu:1", "use --gpus_per_node"),
        ("output=x", "the log is in the run folder"),
        ("-p gpu", "no long flag of sbatch"),
        ("mail-user=", "no long flag of sbatch"),
        ("comment='a\nb'", "no long flag of sbatch"),
        ("comment='a", "quote values"),
    ],
)
def test_what_submit_sets_itself_and_what_is_no_flag_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        sbatch_flags(text)
