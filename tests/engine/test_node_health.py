"""The check of a node's cards, with an nvidia-smi whose answers the test sets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from litemono.engine import node_health
from litemono.utils.errors import BadNode

SMI = """#!/bin/bash
echo "$@" >> "$0.calls"
for flag in "$@"; do case $flag in --query-gpu=*) field=${flag#--query-gpu=};; esac; done
[ -f "$0.$field" ] || { echo "Field \\"$field\\" is not a valid field to query."; exit 2; }
cat "$0.$field"
"""
HEALTHY = {
    "name": "Tesla V100\nTesla V100",
    "ecc.errors.uncorrected.volatile.total": "0\n[N/A]",
    "retired_pages.pending": "No\nNo",
}


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """In a job with two cards; what nvidia-smi says is in files beside it."""
    path = tmp_path / "nvidia-smi"
    path.write_text(SMI)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, value in {"SLURM_JOB_ID": "12", "CUDA_VISIBLE_DEVICES": "0,1", "SLURMD_NODENAME": "gpu001"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)

    def says(**fields: str) -> Path:
        for field, text in {**HEALTHY, **{name.replace("__", "."): text for name, text in fields.items()}}.items():
            (tmp_path / f"nvidia-smi.{field}").write_text(text + "\n")
        return path

    return says


def test_healthy_cards_pass_and_only_the_jobs_own_are_asked_for(smi):
    path = smi()
    assert node_health.check_node() == "gpu001: nvidia-smi finds no fault with Tesla V100, Tesla V100"
    calls = Path(f"{path}.calls").read_text().splitlines()
    assert len(calls) == 5 and all("--id=0,1" in call for call in calls), "fields that this version lacks are left out"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"ecc__errors__uncorrected__volatile__total": "0\n3"},
            "Tesla V100 has 3 memory errors that were not corrected",
        ),
        ({"retired_pages__pending": "Yes\nNo"}, "wait to be retired"),
        ({"name": "Tesla V100\n[GPU requires reset]"}, "GPU requires reset"),
        ({"retired_pages__pending": "No\n[GPU is lost]"}, "GPU is lost"),
    ],
)
def test_memory_errors_and_lost_cards_make_a_bad_node(smi, fields, said):
    smi(**fields)
    with pytest.raises(BadNode, match="gpu001: .*") as refused:
        node_health.check_node()
    assert said in str(refused.value)


def test_an_nvidia_smi_that_fails_or_does_not_answer_makes_a_bad_node(smi, monkeypatch):
    path = smi()
    path.write_text(
        "#!/bin/bash\necho 'Unable to determine the device handle for GPU 0000:3B:00.0: Unknown Error'; exit 6\n"
    )
    with pytest.raises(BadNode, match="Unable to determine"):
        node_health.check_node()
    path.write_text("#!/bin/bash\nexec sleep 20\n")
    monkeypatch.setattr(node_health, "SECONDS", 0.2)
    with pytest.raises(BadNode, match="does not answer"):
        node_health.check_node()


def test_it_is_left_out_where_there_is_no_nvidia_smi_no_card_and_for_other_processes(smi, monkeypatch):
    smi(name="[GPU is lost]")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert node_health.check_node() == ""
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert node_health.check_node() == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "not checked, because there is no nvidia-smi" in node_health.check_node()
