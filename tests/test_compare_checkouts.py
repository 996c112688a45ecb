"""The comparison of two checkouts notices every kind of difference between their weights."""

import pytest
import torch
from compare_checkouts import differing, tensors_in


def test_equal_bits_do_not_differ_even_where_they_are_nan(tmp_path):
    torch.save({"weight": torch.tensor([1.0, torch.nan]), "height": 64}, tmp_path / "encoder.pth")
    first, second = tensors_in(tmp_path), tensors_in(tmp_path)
    assert list(first) == ["encoder.pth:weight"] and differing(first, second) == []


@pytest.mark.parametrize(
    "other",
    [
        {"weight": torch.tensor([0.0, 1.0 + 2**-23])},
        {"weight": torch.tensor([-0.0, 1.0])},
        {"weight": torch.tensor([0.0, 1.0], dtype=torch.float64)},
        {"weight": torch.tensor([[0.0, 1.0]])},
        {},
    ],
    ids=["last_bit", "sign_of_zero", "dtype", "shape", "absent"],
)
def test_a_difference_is_named(other):
    weights = {"weight": torch.tensor([0.0, 1.0])}
    assert differing(weights, other) == differing(other, weights) == ["weight"]
