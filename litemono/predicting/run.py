"""`litemono predict` from its flags to the last line it prints."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice

from litemono.depth_map import require_depth
from litemono.inference import load_trained
from litemono.predicting import backends, resume
from litemono.predicting.film import FilmWriter
from litemono.predicting.frames import Source
from litemono.predicting.images import Images
from litemono.predicting.names import FILM, PARTIAL
from litemono.predicting.outputs import Done, FrameFiles
from litemono.predicting.pipeline import Broken, Pipeline, finite
from litemono.predicting.refined import run_refined
from litemono.predicting.settings import PredictConfig
from litemono.predicting.smooth import steady
from litemono.trained_depth import TrainedDepth
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track
from networks.metric_head import metric_head
from networks.refiner_weights import is_refiner

LOG_SECONDS = 60.0  # between two lines of progress in a log
MOST_REASONS = 20


def run(config: PredictConfig, source: Source) -> None:
    """Predict each frame of `source` and write its results; UserError at the end where the input was not complete."""
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
    if config.smooth:
        require_depth(trained.kind, f"--smooth: {config.load_weights}")
    work = Work(config, source, trained)
    try:
        work.do(trained)
    except BaseException as reason:
        work.abandon()
        if isinstance(reason, KeyboardInterrupt) and work.progress.done:
            print(f"the same command continues after frame {work.progress.done}", file=sys.stderr)
        raise
    work.finish()


class Work:
    """What a run writes, and how far it is."""

    def __init__(self, config: PredictConfig, source: Source, trained: TrainedDepth) -> None:
        self.config, self.source = config, source
        self.folder = config.output or source.folder
        self.film = config.video or ("none" if isinstance(source, Images) else "side-by-side")
        of_images = isinstance(source, Images) and self.film != "none"
        require(
            config.fps is None or of_images,
            "--fps: is for a film that is made of images: --video side-by-side or depth",
        )
        self.files = FrameFiles(config, trained, self.folder, self.film)
        self.partial = self.folder / f"{source.name}{PARTIAL}"
        self.progress = resume.begin(self.partial, resume.digest(config, source.files))
        self.writer = None if self.film == "none" else FilmWriter(self.partial, source.rate, self.progress.parts)
        self.total = source.count
        if config.max_frames is not None:
            self.total = min(config.max_frames, source.count or config.max_frames)
        self.broken: list[Broken] = []
        self.broken_before = self.progress.broken

    def do(self, trained: TrainedDepth) -> None:
        """All frames that are left; every EVERY of them a record from which the next run continues."""
        progress, config = self.progress, self.config
        if progress.done:
            print(f"continues after frame {progress.done} of an earlier run", flush=True)
        left = None if self.total is None else max(0, self.total - progress.done)
        self.backend = backends.start(trained, config.backend, config.batch_size, config.num_workers, left)
        for done in track(self._frames(trained, left), left, "frames", LOG_SECONDS):
            progress.written += 1
            if self.writer is not None and done.picture is not None:
                progress.size = progress.size or done.picture.size
                seconds = done.index / self.source.rate if done.seconds is None else done.seconds
                self.writer.add(done.picture, progress.size, seconds)
            if progress.written % resume.EVERY == 0:
                self._record(done)

    def _frames(self, trained: TrainedDepth, left: int | None) -> Iterator[Done]:
        config, progress = self.config, self.progress
        with Pipeline(trained, self.backend, config.num_workers, self.files.needs_originals) as pipeline:
            frames = islice(self.source.frames(progress.done), left if config.max_frames is not None else None)
            predictions = finite(pipeline.predictions(frames, self.broken), f"--load_weights {config.load_weights}")
            if config.smooth:
                predictions = steady(predictions, config.smooth, progress.look)
            yield from ordered_map(pipeline.files, self.files.write, predictions, config.num_workers + 1)

    def _record(self, done: Done) -> None:
        progress = self.progress
        if self.writer is not None:
            self.writer.end_part()
            progress.parts = self.writer.parts
        progress.done = done.index + 1
        progress.broken = self.broken_before + sum(one.index < progress.done for one in self.broken)
        progress.look = done.look and done.look.state
        resume.save(self.partial, progress)

    def abandon(self) -> None:
        """Leave what the last record needs."""
        if self.writer is not None:
            self.writer.abandon()
            if not self.progress.done:
                shutil.rmtree(self.partial, ignore_errors=True)

    def finish(self) -> None:
        """Put the film together and say what there is; UserError where the input was broken or not complete."""
        written, broken = self.progress.written, self.broken_before + len(self.broken)
        if broken and self.source.count == 1:
            raise self.broken[0].error
        if written:
            what = f"{written} depth picture{'s' * (written > 1)} in {self.folder}"
            if self.writer is not None:
                film = self.folder / f"{self.source.name}{FILM}"
                self.writer.join(film)
                what = f"{film}: {written} frame{'s' * (written > 1)}"
            print(f"{what}; by {self.backend.description}")
            for note in self.files.notes():
                print(note)
        shutil.rmtree(self.partial, ignore_errors=True)
        self._complain(written, broken)

    def _complain(self, written: int, broken: int) -> None:
        where = self.source.where
        if broken and isinstance(self.source, Images):
            reasons = "".join(f"\n  {one.error}" for one in self.broken[:MOST_REASONS])
            rest = f"\n  and {broken - MOST_REASONS} more" if len(self.broken) > MOST_REASONS else ""
            raise UserError(f"{broken} of {self.source.count} images in {where} have no depth picture:{reasons}{rest}")
        require(written, f"{where}: not one frame could be read; give another --input")
        if broken:
            print(f"{broken} of {written + broken} frames of {where} could not be decoded and were passed over")
        complaint = self.source.complaint()
        require(complaint is None, complaint or "")
