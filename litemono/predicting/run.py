"""`litemono predict` from its flags to the last line it prints."""

from __future__ import annotations

from litemono.inference import load_trained
from litemono.predicting import backends
from litemono.predicting.images import Images
from litemono.predicting.outputs import FrameFiles
from litemono.predicting.pipeline import Broken, Pipeline, finite
from litemono.predicting.refined import run_refined
from litemono.predicting.settings import PredictConfig
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track
from networks.metric_head import metric_head
from networks.refiner_weights import is_refiner


def run(config: PredictConfig, source: Images) -> None:
    """Predict each frame of `source` and write its results; UserError at the end where frames could not be read."""
    if is_refiner(config.load_weights):
        run_refined(config, source)
        return
    require(
        config.frozen_depth is None,
        f"--frozen_depth: {config.load_weights} is no refiner (litemono refine); leave it out",
    )
    head = None if config.metric_head is None else metric_head(config.metric_head)
    device = choose_device(config.device)
    trained = load_trained(config.load_weights, config.model, device, config.height, config.width, head)
    folder = config.output or source.paths[0].parent
    files = FrameFiles(config, trained, folder)
    backend = backends.start(trained, config.backend, config.batch_size, config.num_workers, source.count)
    broken: list[Broken] = []
    written = 0
    with Pipeline(trained, backend, config.num_workers, keep_originals=False) as pipeline:
        predictions = finite(pipeline.predictions(source, 0, broken), f"--load_weights {config.load_weights}")
        ahead = config.num_workers + backend.plan.batch
        for _ in track(
            ordered_map(pipeline.files, files.write, predictions, ahead), len(source.paths), "depth pictures"
        ):
            written += 1
    if broken and source.count == 1:
        raise broken[0].error
    if written:
        print(f"{written} depth picture{'s' * (written > 1)} in {folder}; by {backend.description}")
        for note in files.notes():
            print(note)
    if broken:
        reasons = "".join(f"\n  {one.error}" for one in broken)
        raise UserError(f"{len(broken)} of {source.count} images in {source.where} have no depth picture:{reasons}")
