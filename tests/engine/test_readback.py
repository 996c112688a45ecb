"""Numbers of a step arrive without a wait for the device."""

from __future__ import annotations

import torch

from litemono.engine.readback import LAG, Readback


def test_numbers_come_back_at_once_on_a_cpu_and_a_fixed_number_of_steps_later_from_a_gpu():
    at_once: Readback[str] = Readback(torch.device("cpu"))
    at_once.push(torch.tensor([1.0]), "first")
    assert list(at_once.arrived()) == [([1.0], "first")]
    later: Readback[int] = Readback(torch.device("cuda"))
    for step in range(5):
        later.push(torch.tensor([float(step)]), step)
        assert list(later.arrived()) == ([([float(step - LAG)], step - LAG)] if step >= LAG else [])
    assert [note for _, note in later.drain()] == [3, 4]
    assert list(later.drain()) == []
