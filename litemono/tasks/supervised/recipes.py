"""--recipe: what a paper states of its supervised training, as settings. Imports no torch.

Where a paper's own network is not in the registry, a recipe trains one that is, in the paper's way. A batch that does not
fit a GPU: --accumulate, which changes nothing but BatchNorm.
"""

from __future__ import annotations

from typing import NamedTuple

from litemono.data.depth_settings import DepthDataConfig
from litemono.engine.settings import OptimConfig
from litemono.tasks.supervised.groups import DepthModelConfig, RecipeName, SupervisedLossConfig


class Recipe(NamedTuple):
    """The groups of FinetuneConfig that a paper states."""

    optim: OptimConfig
    data: DepthDataConfig
    model: DepthModelConfig
    loss: SupervisedLossConfig


RECIPES: dict[RecipeName, Recipe] = {
    # Vision Transformers for Dense Prediction (ICCV 2021), fine-tuned on KITTI without gradient matching.
    "dpt-kitti": Recipe(
        optim=OptimConfig(batch_size=16, num_epochs=20, schedule="constant", lr=(1e-5, 1e-4), clip_value=0.5),
        data=DepthDataConfig(dataset="kitti_depth", augment="dpt"),
        model=DepthModelConfig(model="dpt-hybrid", height=192, width=640, drop_path=0.0, freeze=("decoder-norms",)),
        loss=SupervisedLossConfig(loss="silog-eigen", min_depth=1e-3, max_depth=80.0),
    ),
    # From Big to Small (2019): encoder 1e-4, the first convolution and all norms of the encoder frozen.
    "bts-kitti": Recipe(
        optim=OptimConfig(
            batch_size=4, num_epochs=50, schedule="polynomial", lr=(1e-4, 1e-5, 1.0, 1e-4, 1e-5, 1.0), eps=1e-3
        ),
        data=DepthDataConfig(dataset="kitti_depth", fit="kb_crop", augment="bts"),
        model=DepthModelConfig(
            height=352, width=704, drop_path=0.0, freeze=("first-conv", "encoder-norms"), decay_encoder_only=True
        ),
        loss=SupervisedLossConfig(loss="silog-bts", min_depth=1.0, max_depth=80.0),
    ),
    # Towards Robust Monocular Depth Estimation (TPAMI 2020), v2: trimmed, scale- and shift-invariant.
    "midas-redweb": Recipe(
        optim=OptimConfig(batch_size=8, num_epochs=60, schedule="constant", lr=(1e-5, 1e-4), weight_decay=0.0),
        data=DepthDataConfig(dataset="redweb", fit="cover", augment="midas"),
        model=DepthModelConfig(model="midas-v21", height=384, width=384, drop_path=0.0),
        loss=SupervisedLossConfig(loss="ssi-trimmed", gradient_weight=0.5, min_depth=1e-3, max_depth=1000.0),
    ),
    # AdaBins (CVPR 2021): one cycle from maximum / 25 to maximum / 2500, the encoder at a tenth of the rate; its bins and their
    # chamfer loss are not here.
    "adabins-kitti": Recipe(
        optim=OptimConfig(
            batch_size=16,
            num_epochs=25,
            schedule="one-cycle",
            lr=(3.57e-5, 1.428e-8, 1.0, 3.57e-4, 1.428e-7, 1.0),
            weight_decay=0.1,
            clip_norm=0.1,
        ),
        data=DepthDataConfig(dataset="kitti_depth", fit="kb_crop", augment="bts"),
        model=DepthModelConfig(height=352, width=704, drop_path=0.0),
        # The paper counts pixels beyond 1e-3 m. Lite-Mono's range begins there too, and would begin with depths of 2 mm.
        loss=SupervisedLossConfig(loss="silog-adabins", min_depth=1.0, max_depth=80.0),
    ),
    # Ours: Lite-Mono from the weights of a self-supervised run or of ImageNet.
    "lite-mono-kitti-supervised": Recipe(
        optim=OptimConfig(
            batch_size=12, num_epochs=20, schedule="cosine", lr=(1e-4, 5e-4), warmup_epochs=0.5, clip_norm=1.0
        ),
        data=DepthDataConfig(dataset="kitti_depth", augment="lite-mono"),
        model=DepthModelConfig(model="lite-mono", height=192, width=640),
        loss=SupervisedLossConfig(loss="silog-bts", min_depth=1.0, max_depth=80.0),
    ),
}
