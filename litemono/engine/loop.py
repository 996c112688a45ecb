"""The training loop: epoch by epoch, step by step, until the run is finished or a signal stops it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from litemono.engine import early_stop, node_health
from litemono.engine.distributed import PeerLost, Processes
from litemono.engine.profiler import Profiler
from litemono.engine.run_folder import announce
from litemono.engine.settings import TrainingConfig, to_json
from litemono.engine.signals import StopFlag, StoppedBySignal
from litemono.engine.step import seed_step
from litemono.engine.task import Task
from litemono.engine.training import Training, open_training, step_of
from litemono.engine.validation import Validation, validate
from litemono.engine.watchdog import Watchdog
from litemono.utils import cli
from litemono.utils.atomic_files import full_disk_explained, write_atomically, write_json
from litemono.utils.device import is_out_of_memory
from litemono.utils.errors import BadNode, UserError


def run(task: Task, config: TrainingConfig) -> int:
    """Train, or resume, until the run is finished or a signal arrives. Returns the exit status."""
    stop = StopFlag()
    announce(config.folder)
    try:
        if found := node_health.check_node():
            print(found, flush=True)
        with (
            Watchdog(config.folder, config.run.hang_minutes) as watchdog,
            Processes(config.run.device, config.run.hang_minutes) as processes,
            stop,
            stop.explains_errors(),
            processes.lost_peer_explained(),
            out_of_memory_explained(config),
            full_disk_explained(config.folder),
            open_training(task, config, processes) as training,
            stop.explains_errors(),  # here too, so that status.json has the explanation
            full_disk_explained(config.folder),  # of curves and profiles
            processes.lost_peer_explained(),
            out_of_memory_explained(config),
            Profiler(training) as profiler,
        ):
            if training.finished:
                restore_last(training)
                training.report.say(f"{config.folder}: already finished")
                training.report.end("finished", cli.FINISHED)
                return cli.FINISHED
            return loop(training, stop, profiler, watchdog)
    except StoppedBySignal as stopped:
        return stopped.exit_status
    except BadNode as error:
        cli.complain(f"error: {error}")
        node_health.report(config.folder, os.environ.get("SLURM_JOB_ID"), node_health.node_name(), str(error))
        return cli.BAD_NODE
    except PeerLost as lost:
        cli.complain(f"error: {lost}")
        return cli.CRASHED


def loop(t: Training, stop: StopFlag, profiler: Profiler, watchdog: Watchdog) -> int:
    """Step, save, validate, write weights. Returns the exit status."""
    config, progress, processes = t.config, t.progress, t.processes
    step = step_of(t)

    def asked_to_stop() -> bool:
        watchdog.beat()
        t.report.alive()
        return bool(stop)

    while not t.finished:
        if processes.any(stopped_early(t)):
            return cli.FINISHED
        for waited, batch in profiler.watch(t.batches()):
            t.set_rates()
            seed_step(config.run.seed, progress.step, processes.rank)
            # No name keeps the result, so that its images are freed before the next step.
            t.advance(step(batch), waited, bool(stop))
            watchdog.beat(step_taken=True)
            t.writer.raise_failure()
            if t.log.newest.skipped_in_a_row >= config.optim.max_bad_steps:
                with watchdog.writing():
                    return give_up(t)
            if t.log.stop_requested:
                with watchdog.writing():
                    return interrupted(t, stop)
            if watchdog.too_short:
                with watchdog.writing():
                    t.save()
                raise UserError(watchdog.too_short)
            if t.checkpoint_due():
                with watchdog.writing():  # the checkpoint before may not be complete yet
                    t.begin_save()
        validated = validate(t.task, t.networks, t.data, processes, asked_to_stop, config.run.max_val_steps)
        with watchdog.writing():
            if validated is None:
                return interrupted(t, stop)
            close_epoch(t, validated)
    t.report.say(f"finished: weights in {config.folder / 'models'}")
    t.report.end("finished", cli.FINISHED)
    return cli.FINISHED


def close_epoch(t: Training, validation: Validation) -> None:
    """Curves, models/weights_N, best and last, then the checkpoint of the epoch's end."""
    progress, results = t.progress, validation.results
    t.report.validation(progress.step, results)
    t.report.pictures("val", progress.step, t.task.pictures(validation.shown))
    better = [name for name in t.task.best if name in results and improves(t, name, results[name])]
    progress.best |= {name: results[name] for name in better}
    if t.run:
        folder = t.run.models / f"weights_{progress.epoch}"
        t.task.save(t.networks, folder)
        write_validation(t, folder, validation)
        # The run's settings, for evaluate and predict wherever the weights are copied.
        write_atomically(folder / "config.json", to_json(t.config).encode())
        for name in ("last", *(t.task.best[name].folder for name in better)):
            t.run.copy_weights(folder, name)
    progress.validated = progress.step
    if t.epoch_done:  # not cut short by --max_steps
        progress.epoch, progress.samples = progress.epoch + 1, 0
    t.report.best(progress.best)
    t.save()


def restore_last(t: Training) -> None:
    """Write models/last of a finished run again where it was deleted since."""
    if t.run and not (t.run.models / "last").is_dir():
        epochs = [
            folder for folder in t.run.models.glob("weights_*") if folder.name.removeprefix("weights_").isdecimal()
        ]
        if epochs:
            t.run.copy_weights(max(epochs, key=lambda folder: int(folder.name.removeprefix("weights_"))), "last")


def write_validation(t: Training, folder: Path, validation: Validation) -> None:
    """validation.json, for people and tables, and validation_batches.json, for intervals."""
    metrics = {
        "epoch": t.progress.epoch,
        "step": t.progress.step,
        "task": type(t.task).__name__,
        "better": {name: "higher" if best.higher else "lower" for name, best in t.task.best.items()},
        "validation": validation.results,
    }
    parts = {
        "samples": t.data.fingerprints.get("validation_data", ""),
        "batch_size": t.config.optim.batch_size,
        "processes": t.processes.size,
        "batches": validation.batches,
    }
    write_json(folder / "validation.json", metrics)
    write_json(folder / "validation_batches.json", parts, indent=None)


def improves(t: Training, name: str, value: float) -> bool:
    sign = -1 if t.task.best[name].higher else 1
    return sign * value < sign * t.progress.best.get(name, sign * float("inf"))  # never true of NaN


def interrupted(t: Training, stop: StopFlag) -> int:
    """A signal arrived: everything done so far goes into a checkpoint."""
    t.save()
    message = f"{stop.name}: saved at step {t.progress.step}; the same command resumes from there"
    t.report.say(message)
    status = cli.SIGNAL_BASE + (stop.signum or signal.SIGTERM)
    t.report.end("interrupted", status, message)
    return status


def stopped_early(t: Training) -> bool:
    """On rank 0, whether --stop_early ends the run where it stands; the job ends then and is not requeued."""
    found = early_stop.verdict(t)
    if found is None or not found.stopped:
        return False
    message = early_stop.explained(found, t.config)
    t.report.say(message)
    t.report.end("stopped early", cli.FINISHED, message)
    return True


def give_up(t: Training) -> int:
    """Too many skipped steps in a row: stop, so that the last good checkpoint is kept."""
    t.writer.wait()
    numbers = t.log.newest
    message = (
        f"stopped at step {t.progress.step}: loss or gradient was not finite, or far above its mean, "
        f"{numbers.skipped_in_a_row:.0f} steps in a row ({numbers.skipped:.0f} in all); "
        "lower --lr, or look at the frames of this part of the data"
    )
    t.report.say(message)
    t.report.end("failed", cli.TOO_MANY_BAD_STEPS, message)
    return cli.TOO_MANY_BAD_STEPS


@contextlib.contextmanager
def out_of_memory_explained(config: TrainingConfig) -> Iterator[None]:
    """UserError that says what to change: the same command would end the same way, so the job is not requeued."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"out of memory; {less_memory(config)} ({str(error).split('.')[0]})") from None


def less_memory(config: TrainingConfig) -> str:
    """What to change where memory is too small."""
    batch, parts = config.optim.batch_size, config.optim.accumulate
    more = next((n for n in range(2 * parts, batch + 1) if batch % n == 0), None)
    if more is None:
        return f"at --batch_size {batch} --accumulate {parts} only a smaller --height and --width or --model take less"
    return (
        f"the same command with --accumulate {more} instead of {parts} needs {parts / more:.0%} of it or a little more"
    )
