"""Attention in place of softmax attention: equal to the published layers, with their mistakes put right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goldens import F32, assert_close
from timm.layers import Attention
from torch import nn

from networks.attention import MemoryCompressedAttention, PerformerAttention, orthogonal_rows

LAYERS = {
    "softmax": lambda: Attention(32, num_heads=4, qkv_bias=True),
    "performer": lambda: PerformerAttention(32, heads=4, head_width=8),
    "performer_one_head_default_dim_head": lambda: PerformerAttention(32, heads=1),
    "memory_compressed_2": lambda: MemoryCompressedAttention(32, heads=4, factor=2),
    "memory_compressed_3": lambda: MemoryCompressedAttention(32, heads=4, factor=3),
}
OURS = [name for name in LAYERS if name != "softmax"]


@pytest.fixture(scope="module")
def goldens(parity_supervised) -> dict[str, np.ndarray]:
    with (
        np.load(parity_supervised / "attention.npz") as published,
        np.load(parity_supervised / "recommended.npz") as recommended,
    ):
        return {**published, **recommended}


def loaded(goldens: dict[str, np.ndarray], name: str) -> nn.Module:
    """The layer with the kit's weights; all of them, and no other."""
    published = f"{name}_as_published" if name.startswith("memory") else name
    prefix = f"{published}/weight/"
    layer = LAYERS[name]()
    layer.load_state_dict(
        {key.removeprefix(prefix): torch.from_numpy(value) for key, value in goldens.items() if key.startswith(prefix)}
    )
    return layer.eval()


def expected(goldens: dict[str, np.ndarray], name: str) -> np.ndarray:
    return goldens[f"attention/{name}" if name.startswith("memory") else f"{name}/out"]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_answers_as_the_kit(goldens, name):
    with torch.no_grad():
        out = loaded(goldens, name)(torch.from_numpy(goldens["x"]).float())
    assert_close(out, expected(goldens, name), F32, name)


@pytest.mark.parametrize("name", OURS)
def test_images_of_a_batch_do_not_see_each_other(goldens, name):
    layer, x = loaded(goldens, name).double(), torch.from_numpy(goldens["x"]).double()
    with torch.no_grad():
        assert_close(torch.cat([layer(x[:1]), layer(x[1:])]), layer(x), 1e-12, name)


@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("name", OURS)
def test_any_number_of_tokens_runs_and_trains(name, tokens):
    layer = LAYERS[name]()
    out = layer(torch.randn(3, tokens, 32, requires_grad=True))
    out.square().mean().backward()
    assert out.shape == (3, tokens, 32)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize("name", OURS)
def test_half_precision_stays_near(goldens, name):
    layer, x = loaded(goldens, name), torch.from_numpy(goldens["x"]).float()
    with torch.no_grad():
        assert_close(layer.half()(x.half()), expected(goldens, name), 2e-2, name)  # five products rounded at 2^-11


def test_autocast_keeps_a_performers_sums_in_float32(goldens):
    layer, x = loaded(goldens, "performer"), torch.from_numpy(goldens["x"]).float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = layer(x).float()
    assert_close(out, expected(goldens, "performer"), 5e-2, "performer under autocast")


def test_a_performer_approaches_softmax_attention():
    """With as many features as it takes: the directions are those of a Gaussian, so the mean feature product is exp(q.k).

    Short queries and keys: the floor of the features counts less than the random error then.
    """
    torch.manual_seed(0)
    layer = PerformerAttention(16, heads=1, head_width=16).double()
    layer.fast_attention.projection_matrix = orthogonal_rows(60_000, 16).double()
    q, k, v = torch.randn(3, 1, 1, 10, 16, dtype=torch.double).unbind(0)
    q, k = q / 3, k / 3
    exact = nn.functional.scaled_dot_product_attention(q, k, v)
    assert (layer.fast_attention(q, k, v) - exact).norm() < 0.03 * exact.norm()
