"""Lite-Mono's encoders as timm models, so that timm's own scripts train them on ImageNet. Importing this registers them:

    import timm
    import networks.timm_models
    timm.create_model("lite_mono", num_classes=1000)         # a classifier
    timm.create_model("lite_mono", features_only=True)       # three feature maps, at 1/4, 1/8 and 1/16

Tensors have the names of the depth encoder. Images are normalised by timm's loader with the mean and deviation that the depth
network uses, so the weights begin a depth training as they are: --mypretrain.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from networks.lite_mono import LiteMono
from networks.lite_mono_variants import VARIANTS
from networks.registry import MONODEPTH2, Normalisation

SIZE = 224
NAMES = {name.replace("-", "_"): name for name in VARIANTS}
"""timm's names, which are Python's, and ours."""


class LiteMonoClassifier(LiteMono):
    """The encoder with a LayerNorm and a linear layer on its averaged last features.

    Image (B, 3, H, W), normalised -> (B, num_classes); H and W are multiples of 32.
    """

    def __init__(
        self,
        name: str,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        img_size: int = SIZE,
    ) -> None:
        """name: of networks.lite_mono_variants. Raises ValueError for other than three channels and average pooling."""
        if in_chans != 3 or global_pool not in ("avg", ""):
            raise ValueError(
                f"in_chans={in_chans}, global_pool={global_pool!r}: Lite-Mono has 3 channels and average pooling"
            )
        super().__init__(VARIANTS[name], img_size, img_size, drop_path_rate, Normalisation(0.0, 1.0))
        self.num_classes, self.num_features, self.drop_rate = num_classes, self.widths[-1], drop_rate
        self.feature_info = [
            {"num_chs": width, "reduction": 4 * 2**stage, "module": f"stages.{stage}"}
            for stage, width in enumerate(self.widths)
        ]
        self.norm = nn.LayerNorm(self.num_features, eps=1e-6)
        self.head = self._head(num_classes)

    def _head(self, num_classes: int) -> nn.Module:
        return nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def get_classifier(self) -> nn.Module:
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes, self.head = num_classes, self._head(num_classes)

    def no_weight_decay(self) -> set[str]:
        """What timm's optimisers leave undecayed beside biases and norms."""
        return {name for name, _ in self.named_parameters() if "gamma" in name or "temperature" in name}

    def forward_features(self, image: Tensor) -> Tensor:
        return super().forward(image)[-1]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        pooled = F.dropout(self.norm(features.mean((2, 3))), self.drop_rate, self.training)
        return pooled if pre_logits else self.head(pooled)

    def forward(self, image: Tensor) -> Tensor:  # type: ignore[override]  # one tensor, as timm's scripts want it
        return self.forward_head(self.forward_features(image))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """timm's interface to the feature maps, (B, widths[i], H/2^(i+2), W/2^(i+2))."""
        maps = super().forward(x)
        wanted = range(len(maps))[-indices:] if isinstance(indices, int) else indices or range(len(maps))
        chosen = [maps[index] for index in wanted]
        return chosen if intermediates_only else (maps[-1], chosen)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop what features do not need; the stages stay, because each of them feeds the next."""
        if prune_head:
            self.norm, self.head = nn.Identity(), nn.Identity()  # type: ignore[assignment]
        return list(range(len(self.widths))[-indices:]) if isinstance(indices, int) else list(indices)


default_cfgs = generate_default_cfgs(
    {
        f"{name}.untrained": {
            "url": "",
            "num_classes": 1000,
            "input_size": (3, SIZE, SIZE),
            "pool_size": (SIZE // 16, SIZE // 16),
            "crop_pct": 0.875,
            "interpolation": "bicubic",
            "fixed_input_size": False,
            "mean": (MONODEPTH2.mean,) * 3,
            "std": (MONODEPTH2.std,) * 3,
            "first_conv": "downsample_layers.0.0.conv",
            "classifier": "head",
        }
        for name in NAMES
    }
)


def _create(name: str, pretrained: bool, settings: dict[str, Any]) -> nn.Module:
    features = {"out_indices": (0, 1, 2), "feature_cls": "getter"}
    return build_model_with_cfg(
        LiteMonoClassifier, name, pretrained, name=NAMES[name], feature_cfg=features, **settings
    )


@register_model
def lite_mono(pretrained: bool = False, **settings: Any) -> nn.Module:
    return _create("lite_mono", pretrained, settings)


@register_model
def lite_mono_small(pretrained: bool = False, **settings: Any) -> nn.Module:
    return _create("lite_mono_small", pretrained, settings)


@register_model
def lite_mono_tiny(pretrained: bool = False, **settings: Any) -> nn.Module:
    return _create("lite_mono_tiny", pretrained, settings)


@register_model
def lite_mono_8m(pretrained: bool = False, **settings: Any) -> nn.Module:
    return _create("lite_mono_8m", pretrained, settings)
