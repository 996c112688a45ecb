"""--profile: a trace, five lines that say what was measured, and a training that does not notice."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_train import assert_same_training, flags, settings
from tiny_kitti import assert_refused, invoke

from litemono.engine.profiler import WARM_UP, Timing, data_verdict, limit, operations, parts
from litemono.engine.profiler_trace import PARTS, STEP, WAITING, Costs, Operation, costs, plain, read_events
from litemono.engine.step import seed_step
from litemono.train import main, train

pytestmark = pytest.mark.usefixtures("one_thread")

WANTED = 2


@pytest.fixture(scope="module")
def profiled(street, tmp_path_factory) -> Path:
    """Its epochs have 4 steps, so that the first one has no room for two steps after the warm-up."""
    config = settings(street, tmp_path_factory.mktemp("runs"), run={"profile": WANTED, "checkpoint_minutes": 5})
    assert train(config) == 0
    return config.folder


def lines(run: Path) -> list[str]:
    return (run / "profile" / "summary.txt").read_text().splitlines()


def test_the_trace_shows_the_labelled_parts_of_the_wanted_steps(profiled):
    labels = [
        event["name"]
        for event in read_events(profiled / "profile" / "trace.json.gz")
        if event.get("cat") == "user_annotation"
    ]
    for label in (STEP, WAITING, *PARTS):
        assert labels.count(label) == WANTED, label


def test_the_summary_is_five_lines_and_its_shares_add_up(profiled):
    about, data, shares, expensive, limiting = lines(profiled)
    assert "2 steps of batch 2 on a CPU (1 thread) in fp32" in about
    assert data.startswith("Waiting for data: ")
    percents = [float(share) for share in re.findall(r"([\d.]+) %", shares)]
    assert len(percents) == len(PARTS) + 1 and sum(percents) == pytest.approx(100, abs=3), "rounding and no more"
    assert "convolution" in expensive and "aten" not in expensive
    assert limiting.startswith("Limit: ")


def test_the_summary_is_in_the_log_too(profiled):
    log = (profiled / "log.txt").read_text()
    assert all(line in log for line in lines(profiled))


def test_training_with_a_profile_gives_the_same_bits(street, tmp_path, profiled):
    train(settings(street, tmp_path))
    assert_same_training(tmp_path / "run", profiled)


def test_a_resumed_run_may_profile(street, tmp_path):
    train(settings(street, tmp_path, run={"max_steps": 1}))
    assert train(settings(street, tmp_path, run={"profile": 1, "max_steps": 1 + WARM_UP + 1})) == 0
    assert lines(tmp_path / "run")[0].startswith("Profile: 1 step of")


def test_fewer_steps_than_wanted_are_summarised_as_such(street, tmp_path):
    train(settings(street, tmp_path, run={"profile": 50, "max_steps": WARM_UP + 1}))
    assert lines(tmp_path / "run")[0].startswith("Profile: 1 step (of 50 asked for)")


def test_a_run_that_ends_while_warming_up_says_that_there_is_no_profile(street, tmp_path, capsys):
    train(settings(street, tmp_path, run={"profile": 1, "max_steps": WARM_UP}))
    assert f"--profile 1: no profile; it needs {WARM_UP} steps to warm up" in capsys.readouterr().out
    assert not (tmp_path / "run" / "profile").exists()


def test_an_interrupted_recording_is_left_to_the_next_start(street, tmp_path, monkeypatch, capsys):
    """The last step then contains a checkpoint, and the seconds after a signal are precious."""

    def seed_and_signal(seed: int, step: int, rank: int) -> None:
        seed_step(seed, step, rank)
        if step == WARM_UP:
            signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr("litemono.train.seed_step", seed_and_signal)
    assert train(settings(street, tmp_path, run={"profile": 50, "max_steps": 7})) == 128 + signal.SIGUSR1
    assert "--profile 50: no profile" in capsys.readouterr().out
    assert not (tmp_path / "run" / "profile").exists()


def test_trouble_with_the_profile_does_not_end_the_training(street, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "profile").write_text("a file where the folder should be")
    assert train(settings(street, tmp_path, run={"profile": 1, "max_steps": WARM_UP + 1})) == 0
    assert "--profile 1: no profile (FileExistsError" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["-1", "0"])
def test_a_profile_of_no_steps_is_refused(street, tmp_path, capsys, value):
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), "--profile", value)
    assert_refused(outcome, f"--profile {value}: must be at least 1")


# ---------------------------------------------------------------- what the trace of a GPU would say


def event(kind: str, name: str, start: float, duration: float, thread: int = 1, **args: int) -> dict:
    args = {key.replace("_", " "): value for key, value in args.items()}
    return {"ph": "X", "cat": kind, "name": name, "ts": start, "dur": duration, "tid": thread, "args": args}


GPU_TRACE = [
    event("user_annotation", "depth network", 0, 100),
    event("user_annotation", "backward", 100, 100),
    event("cpu_op", "aten::conv2d", 10, 30, External_id=1),
    event("cpu_op", "aten::cudnn_convolution", 12, 20, External_id=2),
    event("cuda_runtime", "cudaLaunchKernel", 20, 5, correlation=7, External_id=2),
    event("cuda_runtime", "cudaLaunchKernel", 26, 5, correlation=8, External_id=2),
    event("kernel", "sm90_fprop", 150, 200, thread=7, correlation=7),
    event("kernel", "sm90_epilogue", 350, 100, thread=7, correlation=8),
    # Launched by autograd's thread while the main thread waits in "backward".
    event("cpu_op", "aten::convolution_backward", 120, 30, thread=2, External_id=3),
    event("cuda_runtime", "cudaLaunchKernel", 130, 5, thread=2, correlation=9, External_id=3),
    event("kernel", "sm90_dgrad", 400, 300, thread=7, correlation=9, External_id=3),
    event("gpu_memcpy", "Memcpy HtoD (Pinned -> Device)", 1000, 100, thread=8, correlation=10),
    event("cuda_runtime", "cudaMemcpyAsync", 900, 5, correlation=10),
]


def test_kernels_count_for_the_part_and_the_operation_that_launched_them():
    measured = costs(GPU_TRACE)
    assert measured.parts == pytest.approx({"depth network": 300e-6, "backward": 300e-6, "rest": 100e-6})
    assert measured.operations == [
        Operation("convolution", pytest.approx(300e-6), 1),
        Operation("convolution backward", pytest.approx(300e-6), 1),
        Operation("Memcpy HtoD (Pinned -> Device)", pytest.approx(100e-6), 1),
    ]


def test_a_gpu_that_does_two_things_at_a_time_is_busy_once():
    assert costs(GPU_TRACE).gpu_busy == pytest.approx((700 - 150 + 100) * 1e-6)


def test_an_operation_costs_what_those_it_calls_do_not():
    nested = [
        event("cpu_op", "aten::convolution", 0, 100),
        event("cpu_op", "aten::mkldnn_convolution", 10, 80),
        event("cpu_op", "aten::empty", 20, 30),
        event("cpu_op", "aten::empty", 100, 5),
    ]
    assert costs(nested).operations == [
        Operation("convolution", pytest.approx(70e-6), 1),
        Operation("empty", pytest.approx(35e-6), 2),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aten::cudnn_batch_norm_backward", "batch normalisation backward"),
        ("aten::copy_", "copying and converting"),
        ("_PhotometricErrorBackward", "photometric error backward"),
        ("autograd::engine::evaluate_function: MulBackward0", "autograd's bookkeeping"),
        ("nccl:all_reduce", "exchange between processes"),
        ("void at::native::elementwise_kernel<128, 4>(int)", "elementwise kernel"),
    ],
)
def test_operations_have_plain_names(name, words):
    assert plain(name) == words


# ---------------------------------------------------------------- verdicts


@pytest.fixture
def on_gpu(street, tmp_path, monkeypatch):
    """What the verdicts ask of a training, as it would be on a V100 in float32."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    config = settings(street, tmp_path)
    return SimpleNamespace(config=config, world=SimpleNamespace(device=torch.device("cuda")), precision="fp32")


def measured(busy: float | None) -> Costs:
    return Costs({"depth network": 0.3, "objective": 0.2}, [Operation("convolution", 0.25, 30)], busy)


def test_a_gpu_that_never_waits_is_the_limit_and_fp16_worth_trying(on_gpu):
    said = limit(on_gpu, Timing(10, 1.0, 0.0), measured(0.95))
    assert "busy 95 % of the time, so its computing" in said and "--precision fp16, --compile" in said


def test_an_idle_gpu_without_waiting_for_data_is_launch_bound(on_gpu):
    said = limit(on_gpu, Timing(10, 1.0, 0.05), measured(0.5))
    assert "the host, which hands out work too slowly" in said and "--batch_size" in said


def test_an_idle_gpu_that_waits_for_data_needs_faster_data(on_gpu):
    timing = Timing(10, 1.0, 0.4)
    assert "so the data. Worth trying: packed frames" in limit(on_gpu, timing, measured(0.5))
    assert "--num_workers (now 0" in data_verdict(on_gpu, timing, measured(0.5))


def test_waiting_while_the_gpu_works_costs_nothing(on_gpu):
    assert "busy with earlier steps" in data_verdict(on_gpu, Timing(10, 1.0, 0.1), measured(0.95))


def test_a_profiler_without_gpu_times_does_not_pretend_to_know_the_limit(on_gpu):
    assert limit(on_gpu, Timing(10, 1.0, 0.0), measured(None)).startswith("Limit: unknown")


def test_shares_on_a_gpu_are_of_its_work():
    timing, half_busy = Timing(10, 1.0, 0.0), measured(0.5)
    assert "depth network 60 %" in parts(timing, half_busy) and "objective 40 %" in parts(timing, half_busy)
    assert operations(timing, half_busy).endswith("convolution 50 % (3 a step).")
