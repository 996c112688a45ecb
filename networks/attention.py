"""Attention over tokens, (B, N, C) -> (B, N, C), in place of timm's in the blocks of a vision transformer.

Tensors have the names of performer-pytorch 1.1.3 and memory-compressed-attention 0.0.3, whose weights load. The latter uses its
scores without their softmax and takes one image at a time; here the softmax is in its place and a batch of any size runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from networks.layers import full_precision, unflatten

FEATURE_FLOOR = 1e-4  # added to every random feature, so that no sum of them is 0


class SoftmaxAttention(nn.Module):
    """timm's own, with its tensors, in operators that ONNX has from opset 11 on."""

    def __init__(self, timms: Attention):
        super().__init__()
        self.heads, self.qkv, self.proj = timms.num_heads, timms.qkv, timms.proj

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """timm's blocks also give a mask and a causal switch, which no depth network uses."""
        q, k, v = (_split(tokens, self.heads) for tokens in self.qkv(x).chunk(3, dim=-1))
        return self.proj(_join(attend(q, k, v, q.shape[-1] ** -0.5)))


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Softmax attention of (B, heads, N, d) by torch's fused kernel, which ONNX has from opset 14 on, or by its parts."""
    if torch.onnx.is_in_onnx_export():
        return (q * scale @ k.transpose(-2, -1)).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, scale=scale)


class PerformerAttention(nn.Module):
    """FAVOR+: softmax attention in time linear in N, by positive random features. Choromanski et al. 2021, eq. 5.

    The feature directions are drawn once and are part of the weights.
    """

    def __init__(self, dim: int, heads: int, head_width: int = 64):
        super().__init__()
        self.heads = heads
        self.fast_attention = RandomFeatures(head_width, int(head_width * math.log(head_width)))
        self.to_q = nn.Linear(dim, heads * head_width, bias=False)
        self.to_k = nn.Linear(dim, heads * head_width, bias=False)
        self.to_v = nn.Linear(dim, heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, dim)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """timm's blocks also give a mask and a causal switch, which no depth network uses."""
        q, k, v = (_split(project(x), self.heads) for project in (self.to_q, self.to_k, self.to_v))
        return self.to_out(_join(self.fast_attention(q, k, v)))


class RandomFeatures(nn.Module):
    """Attention of q, k, v (B, heads, N, d) through m random features; in float32 where they are in half precision."""

    projection_matrix: Tensor

    def __init__(self, width: int, features: int):
        super().__init__()
        self.register_buffer("projection_matrix", orthogonal_rows(features, width))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return full_precision(self._attend, torch.stack([q, k, v])).to(v.dtype)

    def _attend(self, qkv: Tensor) -> Tensor:
        exact = torch.promote_types(qkv.dtype, torch.float32)  # exponentials and sums over all tokens
        q, k, v = qkv.to(exact)
        q, k = self._features(q, (-1,)), self._features(k, (-1, -2))
        return q @ (k.transpose(-2, -1) @ v) / (q @ k.sum(-2, keepdim=True).transpose(-2, -1))

    def _features(self, x: Tensor, largest_over: tuple[int, ...]) -> Tensor:
        """exp(w.x - |x|^2 / 2) of x / d^(1/4), divided by its largest value so that nothing overflows."""
        x = x * x.shape[-1] ** -0.25
        projected = x @ self.projection_matrix.to(x.dtype).transpose(-2, -1)
        exponent = projected - x.square().sum(-1, keepdim=True) / 2
        return (exponent - projected.detach().amax(largest_over, keepdim=True)).exp() + FEATURE_FLOOR


def orthogonal_rows(rows: int, width: int) -> Tensor:
    """(rows, width): blocks of orthogonal directions with the lengths of Gaussian vectors."""
    usual = torch.get_default_dtype()
    exact = torch.promote_types(usual, torch.float32)  # torch has no QR decomposition in half precision
    draws = (torch.randn(width, width, dtype=exact) for _ in range(math.ceil(rows / width)))
    directions = torch.cat([torch.linalg.qr(draw)[0].transpose(-2, -1) for draw in draws])[:rows]
    return (directions * torch.randn(rows, width, dtype=exact).norm(dim=1, keepdim=True)).to(usual)


class MemoryCompressedAttention(nn.Module):
    """Softmax attention to keys and values that a strided convolution has made `factor` times fewer.

    Liu et al. 2018, section 4.2.3. Beside them stands one learned key and value, so that a query may attend to nothing.
    """

    def __init__(self, dim: int, heads: int, factor: int):
        super().__init__()
        self.heads, self.factor = heads, factor
        self.null_k = nn.Parameter(torch.zeros(1, 1, dim))
        self.null_v = nn.Parameter(torch.zeros(1, 1, dim))
        self.compress_fn = nn.ModuleDict({"conv": nn.Conv1d(dim, dim, factor, stride=factor, groups=heads)})
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """timm's blocks also give a mask and a causal switch, which no depth network uses."""
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        k, v = self._compressed(k, self.null_k), self._compressed(v, self.null_v)
        q, k, v = (_split(tokens, self.heads) for tokens in (q, k, v))
        # As in the published layer, the scale is that of the whole width, not of a head's.
        return self.to_out(_join(attend(q, k, v, x.shape[-1] ** -0.5)))

    def _compressed(self, tokens: Tensor, null: Tensor) -> Tensor:
        """(B, N, C) -> (B, 1 + ceil(N / factor), C); zeros in front make N a multiple of the factor."""
        tokens = F.pad(tokens, (0, 0, -tokens.shape[1] % self.factor, 0))
        compressed = self.compress_fn["conv"](tokens.transpose(-2, -1)).transpose(-2, -1)
        return torch.cat([null.to(compressed.dtype).expand(tokens.shape[0], -1, -1), compressed], dim=1)


def _split(tokens: Tensor, heads: int) -> Tensor:
    """(B, N, C) -> (B, heads, N, C / heads)"""
    return unflatten(tokens, 2, (heads, tokens.shape[2] // heads)).transpose(1, 2)


def _join(tokens: Tensor) -> Tensor:
    """(B, heads, N, d) -> (B, N, heads d)"""
    return tokens.transpose(1, 2).flatten(2)


def replace_attention(blocks: Any, kind: str, dim: int, heads: int) -> None:
    """Give every timm block attention of a kind of registry.VIT_ATTENTIONS; "softmax" keeps timm's tensors."""
    for block in blocks.children():
        if kind == SOFTMAX:
            block.attn = SoftmaxAttention(block.attn)
            continue
        if kind == "performer":
            block.attn = PerformerAttention(dim, heads)
        else:
            block.attn = MemoryCompressedAttention(dim, heads, int(kind.removeprefix(COMPRESSED)))
        for layer in block.attn.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def kind_of(content: Mapping[str, object]) -> str:
    """The kind of attention that a file's tensors belong to, by their names and shapes."""
    for name, value in content.items():
        if re.search(r"\.attn\.fast_attention\.projection_matrix$", name):
            return "performer"
        if re.search(r"\.attn\.compress_fn\.conv\.weight$", name) and isinstance(value, Tensor):
            return f"{COMPRESSED}{value.shape[-1]}"
    return SOFTMAX


SOFTMAX, COMPRESSED = "softmax", "memory-compressed-"
