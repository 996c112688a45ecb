"""python -m litemono.train: one training run, from flags to finished weights; the same command resumes it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from litemono.config import TrainConfig, check
from litemono.engine.distributed import World
from litemono.engine.lr_schedule import learning_rates
from litemono.engine.profiler import Profiler
from litemono.engine.signals import StopFlag
from litemono.engine.step import seed_step, train_step
from litemono.engine.training import Training, open_training
from litemono.tasks.monodepth_advice import profiler_advice
from litemono.tasks.monodepth_validation import validate
from litemono.utils import cli
from litemono.utils.device import is_out_of_memory
from litemono.utils.errors import UserError


def train(config: TrainConfig) -> int:
    """Train Lite-Mono from video: depth and camera motion from photometric reprojection, no labels.

    The same command resumes a run at the exact step, however it ended.

    Example: python -m litemono.train --data_path kitti_data --model lite-mono --model_name mytrain
    """
    check(config)
    stop = StopFlag()
    try:
        with (
            World(config.run.device) as world,
            stop,
            fitting_in_memory(config),
            open_training(config, world) as training,
            fitting_in_memory(config),  # here too, so that the run's last words are about the way out
            Profiler(training, profiler_advice(config, world.device, training.precision)) as profiler,
        ):
            if training.finished:
                training.report.say(f"{config.folder}: already finished")
                training.report.state("finished")
                return cli.FINISHED
            return loop(training, stop, profiler)
    except UserError:
        if stop:  # the signal may have ended the compiler too, and be the whole reason
            return cli.SIGNAL_BASE + stop.signum
        raise


@contextlib.contextmanager
def fitting_in_memory(config: TrainConfig) -> Iterator[None]:
    """UserError with the way out where it does not: the same would happen again, so a job is not to be queued again."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"out of memory; {less_memory(config)} ({str(error).split('.')[0]})") from None


def less_memory(config: TrainConfig) -> str:
    """What to change where memory is too small, in words."""
    batch, parts = config.optim.batch_size, config.optim.accumulate
    more = next((n for n in range(2 * parts, batch + 1) if batch % n == 0), None)
    if more is None:
        return f"at --batch_size {batch} --accumulate {parts} only a smaller --height and --width or --model take less"
    return (
        f"the same command with --accumulate {more} instead of {parts} needs {parts / more:.0%} of it or a little more"
    )


def loop(t: Training, stop: StopFlag, profiler: Profiler) -> int:
    """Epoch by epoch: set the rates, step, validate, write weights. Returns the exit status."""
    config, progress, world = t.config, t.progress, t.world
    while not t.finished:
        t.set_rates(learning_rates(config.optim.lr, progress.epoch))
        for waited, batch in profiler.watch(t.batches()):
            seed_step(config.run.seed, progress.step, world.rank)
            t.advance(  # nobody keeps the result, so that its images are gone before the next step
                train_step(
                    t.parallel,
                    t.optimizers,
                    batch,
                    config.loss,
                    t.guard,
                    device=world.device,
                    precision=t.precision,
                    accumulate=config.optim.accumulate,
                    spike_factor=config.optim.spike_factor,
                ),
                waited,
                bool(stop),
            )
            if t.known.skipped_in_a_row >= config.optim.max_bad_steps:
                return give_up(t)
            if t.stop_asked:
                return interrupted(t, stop)
            if t.checkpoint_due():
                t.save()
        validated = validate(t.model, t.data.val, config.loss, world, lambda: bool(stop))
        if validated is None:
            return interrupted(t, stop)
        t.close_epoch(*validated)
    t.report.say(f"finished: weights in {config.folder / 'models'}")
    t.report.state("finished")
    return cli.FINISHED


def interrupted(t: Training, stop: StopFlag) -> int:
    """A signal came: everything done so far goes into a checkpoint."""
    t.save()
    message = f"{stop.name}: saved at step {t.progress.step}; the same command goes on from there"
    t.report.say(message)
    t.report.state("interrupted", message)
    return cli.SIGNAL_BASE + (stop.signum or signal.SIGTERM)


def give_up(t: Training) -> int:
    """Loss or gradients stay broken: stop before the run folder holds nothing else."""
    message = (
        f"stopped at step {t.progress.step}: loss or gradient was not finite, or far above its mean, "
        f"{t.known.skipped_in_a_row:.0f} steps in a row ({t.known.skipped:.0f} in all); "
        "lower --lr, or look at the frames of this part of the data"
    )
    t.report.say(message)
    t.report.state("failed", message)
    return cli.TOO_MANY_BAD_STEPS


def main() -> None:
    cli.run(train, TrainConfig, "python -m litemono.train")


if __name__ == "__main__":
    main()
