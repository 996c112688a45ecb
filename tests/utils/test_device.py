"""Which device a command computes on."""

from __future__ import annotations

import pytest
import torch

from litemono.utils import device


@pytest.fixture
def gpu_job(monkeypatch):
    """A job with a GPU that torch does not see."""
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_node_whose_card_cannot_be_used_is_left_for_another(gpu_job, monkeypatch):
    """A day on the processor would end where an hour on the GPU would."""
    monkeypatch.setattr(device, "nvidia_cards", lambda: 1)
    with pytest.raises(RuntimeError, match="torch cannot use it"):
        device.choose_device(None)
    assert device.choose_device("cpu") == torch.device("cpu")


def test_a_node_without_any_card_trains_on_its_processor_and_says_so(gpu_job, monkeypatch, capsys):
    monkeypatch.setattr(device, "nvidia_cards", lambda: 0)
    assert device.choose_device(None) == torch.device("cpu")
    assert "going on with the CPU" in capsys.readouterr().err


def test_cards_are_counted_on_the_bus(tmp_path, monkeypatch):
    for name, vendor, kind in (("0", "0x10de", "0x030200"), ("1", "0x10de", "0x040300"), ("2", "0x8086", "0x030000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(vendor + "\n")
        (tmp_path / name / "class").write_text(kind + "\n")
    monkeypatch.setattr(device, "PCI", tmp_path)
    assert device.nvidia_cards() == 1


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
        (MemoryError(), True),
        (RuntimeError("The size of tensor a (3) must match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_known_by_its_words(error, short):
    assert device.is_out_of_memory(error) is short
