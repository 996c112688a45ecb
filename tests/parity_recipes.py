"""The recipes behind the golden numbers: weights and inputs that anyone can make again (parity README, section 2)."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def fill(module: nn.Module) -> None:
    """Give every floating tensor of `module` values that depend only on its name in module.state_dict()."""
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(weight(key, tuple(tensor.shape))).to(tensor.dtype))


def weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    n = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    last = key.rpartition(".")[2]
    if last == "running_mean":
        return 0.05 * n
    if last == "running_var":
        return 1 + 0.1 * np.abs(n)
    if last == "temperature":
        return 1 + 0.1 * n
    if last in ("gamma", "gamma_xca"):
        return 0.5 + 0.1 * n
    if last == "bias":
        return 0.05 * n
    if len(shape) == 1:
        return 1 + 0.1 * n
    return n * np.sqrt(1 / math.prod(shape[1:]))


def block_image(seed: int, channels: int, height: int, width: int, block: int, fine: float) -> np.ndarray:
    """(C, H, W) float64 in [0, 1): blocks of random colour under fine noise."""
    g = np.random.default_rng(seed)
    low = g.random((channels, height // block, width // block))
    noise = g.random((channels, height, width))
    return (1 - fine) * np.kron(low, np.ones((1, block, block))) + fine * noise


def triplet(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(target, previous, next), each (3, H, W) float64: the scene slides by 4 pixels per frame."""
    target = block_image(seed, 3, height, width, 8, 0.2)

    def neighbour(shift: int, noise_seed: int) -> np.ndarray:
        noise = np.random.default_rng(noise_seed).random((3, height, width))
        return 0.9 * np.roll(target, shift, axis=2) + 0.1 * noise

    return target, neighbour(4, seed + 1), neighbour(-4, seed + 2)


def model_input(height: int, width: int, seed: int = 100) -> Tensor:
    """(1, 3, H, W) float32: what a model_*.npz was computed from; seed: its input_seed in model_stats.json."""
    return torch.from_numpy(block_image(seed, 3, height, width, 16, 0.2)).float()[None]


LAST_CONVOLUTIONS = ("scratch.output_conv.4", "segmentation_head.0")


def network_weight(key: str, shape: tuple[int, ...], facts: dict, prefix: str) -> np.ndarray:
    """A tensor of the networks kit (parity_networks README, section 2); facts: the network's entry of networks.json."""
    n = np.random.default_rng(zlib.crc32((prefix + key).encode())).standard_normal(shape)
    module, _, last = key.rpartition(".")
    if last == "running_mean":
        return 0.05 * n
    if last == "running_var":
        return 1 + 0.1 * np.abs(n)
    if module in LAST_CONVOLUTIONS:
        if last == "bias":
            return np.full(shape, float(facts["last_bias_B"]))
        return facts["last_conv_A"] * (n - n.mean()) / np.sqrt(math.prod(shape[1:]))
    if last in ("cls_token", "pos_embed", "null_k", "null_v"):
        return 0.5 * n
    if last == "projection_matrix":
        return n
    if last == "bias":
        return 0.05 * n
    if len(shape) == 1:
        return (0.5 if module.endswith(("bn3", "norm3")) else 1) + 0.1 * n
    if key.endswith(("act_postprocess1.4.weight", "act_postprocess2.4.weight")) and shape[2] == shape[3] > 1:
        return n / np.sqrt(shape[0])
    gain = facts["weight_gain_G"] if len(shape) == 4 else 1
    return n * np.sqrt(gain / math.prod(shape[1:]))
