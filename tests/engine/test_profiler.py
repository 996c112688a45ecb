"""--profile: a trace, five sentences that say what was measured, and a training that does not notice."""

from __future__ import annotations

import gzip
import json
import re
import signal
from pathlib import Path

import pytest
import torch
from tiny_kitti import assert_refused, invoke
from torch import nn
from torch.autograd import DeviceType
from torch.autograd.profiler_util import EventList, FunctionEvent
from torch.profiler import ProfilerActivity, profile
from trainings import assert_same_training, flags, settings

from litemono.engine.profile_tables import WHOLE, block_costs, blocks_of, labelled
from litemono.engine.profiler import STEP, WAITING, WARM_UP, Costs, Timing, costs, sentences
from litemono.engine.step import seed_step
from litemono.engine.task import Advice
from litemono.engine.tensorboard import events_in
from litemono.tasks.monodepth.task import Monodepth
from litemono.train import main, train

pytestmark = pytest.mark.usefixtures("one_thread")

WANTED = 2
PARTS = ("augmentation", "depth network", "pose network", "objective", "backward", "optimisers")


@pytest.fixture(scope="module")
def profiled(street, tmp_path_factory) -> Path:
    """Its epochs have 4 steps, so that the first one has no room for two steps after the warm-up."""
    config = settings(street, tmp_path_factory.mktemp("runs"), run={"profile": WANTED, "checkpoint_minutes": 5})
    assert train(config) == 0
    return config.folder


def lines(run: Path) -> list[str]:
    return (run / "profile" / "summary.txt").read_text().splitlines()


def test_the_trace_shows_the_labelled_parts_of_the_wanted_steps(profiled):
    with gzip.open(profiled / "profile" / "trace.json.gz") as file:
        events = json.load(file)["traceEvents"]
    labels = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    for label in (STEP, WAITING, *PARTS):
        assert labels.count(label) == WANTED, label


def test_the_summary_is_five_lines_and_its_shares_add_up(profiled):
    about, data, shares, expensive, limiting = lines(profiled)
    assert "2 steps of batch 2 on a CPU (threads: 1) in fp32" in about
    assert data.startswith("Waiting for data: ")
    percents = [float(share) for share in re.findall(r"([\d.]+)%", shares)]
    assert re.findall(r"([a-z ]+) [\d.]+%", shares) == [*(f" {part}" for part in PARTS), " rest"]
    assert sum(percents) == pytest.approx(100, abs=0.5), "rounding and no more"
    assert "convolution" in expensive and "aten" not in expensive
    assert limiting.startswith("Limit: ")


def rows(run: Path, head: str) -> dict[str, list[float]]:
    """Numbers of a table of table.md by the first column."""
    text = (run / "profile" / "table.md").read_text()
    table = text[text.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip(" %") for cell in line.strip("|").split("|")] for line in table]
    return {name.strip(): [float(number) for number in numbers] for name, *numbers in cells}


def test_the_table_has_each_part_of_a_step_and_they_add_up_to_it(profiled):
    parts = rows(profiled, "part")
    assert [*parts] == [WAITING, *PARTS, "rest", WHOLE]
    for name, (mean, least, most, share) in parts.items():
        assert least <= mean <= most and 0 <= share <= 100, name
    *single, whole = (mean for mean, *_ in parts.values())
    assert sum(single) == pytest.approx(whole, rel=0.01), "rounding and no more"
    assert parts[WHOLE][3] == 100


def test_the_table_has_the_blocks_of_the_networks_and_the_memory(profiled):
    blocks, parts = rows(profiled, "block"), rows(profiled, "part")
    assert any(name.startswith("depth.encoder.") for name in blocks), blocks
    forward, backward, kept = (sum(column) for column in zip(*blocks.values(), strict=True))
    networks = parts["depth network"][0] + parts["pose network"][0]
    assert 0.5 * networks < forward < networks, "blocks are most of the networks"
    assert 0.3 * parts["backward"][0] < backward < parts["backward"][0] and kept > 0
    assert re.search(r"Peak memory: [\d.]+ GB", (profiled / "profile/table.md").read_text())


def test_each_recorded_step_is_on_curves_of_time_and_memory(profiled):
    values = [(v.tag, e.step, v.simple_value) for e in events_in(profiled / "profile") for v in e.summary.value]
    tags = {f"ms/{name.replace(' ', '_')}" for name in (WAITING, *PARTS, "rest", WHOLE)} | {"memory_gb"}
    assert {tag for tag, *_ in values} == tags and all(value >= 0 for *_, value in values)
    recorded = {step for _, step, _ in values}
    assert len(recorded) == WANTED and min(recorded) > WARM_UP


def test_the_backward_pass_counts_for_the_block_whose_operations_it_undoes():
    networks = nn.ModuleDict({"small": nn.Linear(2, 2), "large": nn.Linear(300, 300), "unused": nn.Linear(3, 3)})
    with labelled(networks), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        loss = networks["large"](torch.ones(1000, 300)).sum() + networks["small"](torch.ones(1, 2)).sum()
        loss.backward()
    large, small = block_costs(recorded.events(), steps=1, on_gpu=False)
    assert (large.name, small.name) == ("large", "small")
    assert large.backward > small.backward > 0 and large.forward > small.forward > 0
    assert large.kept == 1000 * 300 * 4, "its output, float32"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in networks.modules())


def test_networks_are_divided_until_there_are_some_blocks():
    one = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)]))
    assert [*blocks_of(one)] == ["0.0", "1.0", "1.1"]
    assert len(blocks_of(nn.Sequential(*(nn.Sequential(nn.Linear(1, 1)) for _ in range(9))))) == 9


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

    monkeypatch.setattr("litemono.engine.loop.seed_step", seed_and_signal)
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


# ---------------------------------------------------------------- what a GPU would record


class Recorded:
    """Events as torch's profiler gives them, in microseconds."""

    def __init__(self) -> None:
        self.events = EventList(use_device="cuda")

    def add(self, name: str, start: float, end: float, *kernels: float, **more) -> None:
        """On the host; `kernels` are the microseconds of those that it launches."""
        event = FunctionEvent(
            len(self.events), name, more.pop("thread", 1), start, end, use_device="cuda", stack=[], **more
        )
        for i, duration in enumerate(kernels):
            event.append_kernel(f"kernel {i}", 0, duration)
        self.events.append(event)

    def gpu(self, start: float, end: float) -> None:
        self.add("kernel", start, end, thread=7, device_type=DeviceType.CUDA)

    def costs(self, timing: Timing | None = None) -> Costs:
        self.events._build_tree()
        return costs(self.events, timing or Timing(1, 1.0, 0.0))


@pytest.fixture
def on_gpu() -> Recorded:
    recorded = Recorded()
    recorded.add("depth network", 0, 100, is_user_annotation=True)
    recorded.add("backward", 101, 200, is_user_annotation=True)
    recorded.add("Optimizer.step#AdamW.step", 110, 120, is_user_annotation=True)
    recorded.add("aten::conv2d", 10, 40)
    recorded.add("aten::cudnn_convolution", 12, 32, 200, 100)
    # Launched by autograd's thread while the main thread waits in "backward".
    recorded.add("aten::convolution_backward", 120, 150, 250, thread=2)
    recorded.add("aten::copy_", 900, 905, 100)
    for start, end in ((150, 350), (350, 450), (400, 650), (1000, 1100)):
        recorded.gpu(start, end)
    return recorded


def test_kernels_count_for_the_part_and_the_operation_that_launched_them(on_gpu):
    measured = on_gpu.costs()
    assert measured.parts == pytest.approx({"depth network": 300e-6, "backward": 250e-6, "rest": 100e-6})
    names, seconds, calls = zip(*measured.operations[:3], strict=True)
    assert names == ("cudnn_convolution", "convolution_backward", "copy_") and calls == (1, 1, 1)
    assert seconds == pytest.approx((300e-6, 250e-6, 100e-6))


def test_a_gpu_that_does_two_things_at_a_time_is_busy_once(on_gpu):
    assert on_gpu.costs().gpu_busy == pytest.approx((650 - 150 + 100) * 1e-6)


def test_without_a_gpu_parts_and_operations_are_those_of_the_process():
    recorded = Recorded()
    recorded.add("waiting for data", 0, 100, is_user_annotation=True)
    recorded.add("depth network", 100, 300, is_user_annotation=True)
    recorded.add("aten::convolution", 100, 200)
    recorded.add("aten::empty", 120, 150)
    measured = recorded.costs(Timing(1, 500e-6, 100e-6))
    assert measured.parts == pytest.approx({"depth network": 200e-6, "rest": 200e-6}) and measured.gpu_busy is None
    assert [name for name, *_ in measured.operations] == ["convolution", "empty"]
    assert measured.operations[0][1] == pytest.approx(70e-6), "without what it calls"


# ---------------------------------------------------------------- verdicts

CUDA = torch.device("cuda")
ADVICE = Advice(data=("packed frames", "workers"), computing=("--compile",), launching=("a larger --batch_size",))


def said(timing: Timing, busy: float | None, device: torch.device = CUDA) -> tuple[str, str, str, str]:
    costs = Costs({"depth network": 0.3, "objective": 0.2}, [("convolution", 0.25, 30)], busy)
    return tuple(sentences(timing, costs, ADVICE, device))


def test_a_gpu_that_never_waits_is_the_limit():
    assert said(Timing(10, 1.0, 0.0), 0.95)[3] == (
        "Limit: the GPU was busy 95.0% of the time, so its computing. Worth trying: --compile."
    )


def test_an_idle_gpu_without_waiting_for_data_is_launch_bound():
    limit = said(Timing(10, 1.0, 0.05), 0.5)[3]
    assert "the host, which launches kernels too slowly" in limit and "--batch_size" in limit


def test_an_idle_gpu_that_waits_for_data_needs_faster_data():
    waiting, *_, limit = said(Timing(10, 1.0, 0.4), 0.5)
    assert "so the data. Worth trying: packed frames" in limit
    assert waiting.endswith("too much, worth trying: packed frames or workers.")


def test_waiting_while_the_gpu_works_costs_nothing():
    assert "busy with earlier steps" in said(Timing(10, 1.0, 0.1), 0.95)[0]


def test_a_profiler_without_gpu_times_does_not_pretend_to_know_the_limit():
    assert said(Timing(10, 1.0, 0.0), None)[3].startswith("Limit: unknown")


def test_a_cpu_waits_for_itself_or_for_its_data():
    cpu = torch.device("cpu")
    assert said(Timing(10, 1.0, 0.0), None, cpu)[3].startswith("Limit: the CPU's computing. Worth trying: --compile")
    assert said(Timing(10, 1.0, 0.6), None, cpu)[3].startswith("Limit: the data.")


def test_shares_on_a_gpu_are_of_its_work():
    _, parts, operations, _ = said(Timing(10, 1.0, 0.0), 0.5)
    assert "depth network 60.0%" in parts and "objective 40.0%" in parts
    assert operations.endswith("convolution 50.0% (3 a step).")


def test_a_task_without_advice_gets_none():
    costs = Costs({"backward": 0.5}, [], 0.95)
    assert sentences(Timing(1, 1.0, 0.0), costs, Advice(), CUDA)[3].endswith("so its computing.")


def test_the_advice_for_a_v100_in_float32_is_fp16_compile_and_packed_frames(street, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    advice = Monodepth(settings(street, tmp_path)).advice(CUDA, "fp32")
    assert advice.computing[:2] == ("--precision fp16", "--compile")
    assert advice.data[0].startswith("packed frames") and "--num_workers (now 0" in advice.data[1]
