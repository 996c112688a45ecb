"""Names under which version 0.1 pickled the settings of queued jobs. It will be removed in the next release."""

from litemono.data.settings import DataConfig
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig, TrainConfig

__all__ = ["DataConfig", "LossConfig", "ModelConfig", "OptimConfig", "RunConfig", "TrainConfig"]
