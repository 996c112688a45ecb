"""DPT: a vision transformer whose tokens are put back into maps, and MiDaS's decoder. Ranftl et al. 2021.

`encoder` and `decoder` have the tensors of isl-org/DPT's files under `pretrained` and `scratch`; dpt_layouts.py has the other
layout of names.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import HybridEmbed, StdConv2dSame
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from networks.attention import SOFTMAX, replace_attention
from networks.fusion import FusionDecoder, FusionLayout, FusionNet
from networks.layers import normalise, unflatten
from networks.registry import NetworkSpec, Normalisation

PATCH = 16  # pixels of a token's side


class DptVariant(NamedTuple):
    """The numbers of a variant."""

    dim: int
    heads: int
    taken: tuple[int, ...]
    """Transformer blocks, counted from 0, whose tokens become feature maps: the last two of the four for a hybrid, else all.
    The last of them is the network's last block."""
    widths: tuple[int, int, int, int]
    """Of the feature maps at 1/4, 1/8, 1/16 and 1/32."""
    fused: int = 256
    """Width of the decoder."""
    stages: tuple[int, ...] = ()
    """Hybrid: blocks in each stage of the ResNet that makes the tokens; empty: patches are tokens."""
    stem: int = 64
    """Hybrid: width of the ResNet's first convolution."""
    trained_at: int = 384
    """Height and width that the position code was trained at."""
    classes: int = 1000
    """Of the ImageNet classifier, which is in the published files and never used; 0: none."""


VARIANTS = {
    "dpt-hybrid": DptVariant(768, 12, taken=(8, 11), widths=(256, 512, 768, 768), stages=(3, 4, 9)),
    "dpt-large": DptVariant(1024, 16, taken=(5, 11, 17, 23), widths=(256, 512, 1024, 1024)),
    # Ours: small enough for tests and for training on a CPU.
    "dpt-tiny": DptVariant(
        192, 3, taken=(1, 3), widths=(128, 256, 192, 192), fused=64, stages=(1, 1, 1), stem=32, trained_at=192, classes=0
    ),
}  # fmt: skip


def create_dpt(spec: NetworkSpec, height: int, width: int, drop_path: float, attention: str = SOFTMAX) -> FusionNet:
    """With fresh weights. attention: one of spec.attentions."""
    return build_dpt(spec, VARIANTS[spec.name], height, width, drop_path, attention)


def build_dpt(
    spec: NetworkSpec, variant: DptVariant, height: int, width: int, drop_path: float = 0.0, attention: str = SOFTMAX
) -> FusionNet:
    """A DPT of any numbers."""
    encoder = DptEncoder(variant, attention, drop_path, spec.normalisation)
    layout = FusionLayout((variant.fused,) * 4, projects=True, rectified_skip=False, head_corners_aligned=True)
    return FusionNet(spec, encoder, FusionDecoder(variant.widths, layout), height, width, attention=attention)


class DptEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> four maps at 1/4, 1/8, 1/16 and 1/32; H and W are multiples of 32."""

    def __init__(self, variant: DptVariant, attention: str, drop_path: float, normalisation: Normalisation):
        super().__init__()
        self.normalisation = normalisation
        self.taken = variant.taken
        self.side = variant.trained_at // PATCH  # tokens in a row or column of the position code
        # The attention variants come from code that resizes the position code with aligned corners (guillesanbri/DPT).
        self.aligned_positions = attention != SOFTMAX
        self.recompute = False
        """Compute the transformer's blocks again in the backward pass instead of keeping what is inside them."""
        self.model: Any = vision_transformer(variant, drop_path)
        replace_attention(self.model.blocks, attention, variant.dim, variant.heads)
        for unused in (self.model.norm, self.model.head):
            unused.requires_grad_(False)
        self.reassembled = range(5 - len(variant.taken), 5)
        for n in self.reassembled:
            self.add_module(f"act_postprocess{n}", Reassemble(n, variant.dim, variant.widths[n - 1]))

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, features = self._embed(normalise(image, self.normalisation))
        grid = (features.shape[-2], features.shape[-1])
        tokens = torch.cat(
            [self.model.cls_token.expand(image.shape[0], -1, -1), features.flatten(2).transpose(-2, -1)], dim=1
        )
        tokens = tokens + self.positions(grid)
        taken = []
        for index, block in enumerate(self.model.blocks):
            again = self.recompute and self.training
            tokens = checkpoint(block, tokens, use_reentrant=False) if again else block(tokens)
            if index in self.taken:
                taken.append(tokens)
        return maps + [
            getattr(self, f"act_postprocess{n}")(tokens, grid)
            for n, tokens in zip(self.reassembled, taken, strict=True)
        ]

    def _embed(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Feature maps of the ResNet, if there is one, and the tokens' (B, dim, H/16, W/16)."""
        embed = self.model.patch_embed
        if isinstance(embed, HybridEmbed):
            backbone: Any = embed.backbone
            image = backbone.stem(image)
            maps = []
            for stage in backbone.stages:
                image = stage(image)
                maps.append(image)
            return maps[:2], embed.proj(backbone.norm(image))
        return [], embed.proj(image)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + h w, dim): position code of the class token and of h x w others, bilinear between those that were trained."""
        code = self.model.pos_embed
        of_class, of_grid = code[:, :1], code[:, 1:]
        of_grid = unflatten(of_grid.transpose(-2, -1), 2, (self.side, self.side))
        of_grid = F.interpolate(of_grid, grid, mode="bilinear", align_corners=self.aligned_positions)
        return torch.cat([of_class, of_grid.flatten(2).transpose(-2, -1)], dim=1)


def vision_transformer(variant: DptVariant, drop_path: float) -> VisionTransformer:
    """timm's transformer: vit_base_r50_s16_384, vit_large_patch16_384 and smaller ones."""
    options: dict[str, Any] = {"patch_size": PATCH}
    if variant.stages:
        backbone = ResNetV2(
            list(variant.stages),
            channels=tuple(variant.widths[0] << stage for stage in range(len(variant.stages))),
            num_classes=0,
            global_pool="",
            stem_chs=variant.stem,
            stem_type="same",
            preact=False,
            conv_layer=partial(StdConv2dSame, eps=1e-8),
        )
        options = {"embed_layer": partial(HybridEmbed, backbone=backbone), "patch_size": 1}
    return VisionTransformer(
        img_size=variant.trained_at,
        num_classes=variant.classes,
        embed_dim=variant.dim,
        depth=variant.taken[-1] + 1,
        num_heads=variant.heads,
        drop_path_rate=drop_path,
        **options,
    )


class Reassemble(nn.ModuleDict):
    """Tokens (B, 1 + h w, dim) and their grid -> map n (B, width, ., .) at 1/2^(n+1) of the image. Eq. 3 to 6.

    The class token is projected into every other one. Modules have the numbers of the published files.
    """

    def __init__(self, n: int, dim: int, width: int):
        resize: dict[int, nn.Module] = {
            1: nn.ConvTranspose2d(width, width, 4, stride=4),
            2: nn.ConvTranspose2d(width, width, 2, stride=2),
            4: nn.Conv2d(width, width, 3, stride=2, padding=1),
        }
        modules = {"0": ClassReadout(dim), "3": nn.Conv2d(dim, width, 1)}
        super().__init__(modules | ({"4": resize[n]} if n in resize else {}))

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        x = self["3"](unflatten(self["0"](tokens).transpose(-2, -1), 2, grid))
        return self["4"](x) if "4" in self else x


class ClassReadout(nn.Module):
    """(B, 1 + N, dim) -> (B, N, dim): GELU of a linear layer of each token beside the class token."""

    def __init__(self, dim: int):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU())

    def forward(self, tokens: Tensor) -> Tensor:
        of_class, tokens = tokens[:, :1], tokens[:, 1:]
        return self.project(torch.cat([tokens, of_class.expand_as(tokens)], dim=-1))
