"""Flags that error messages advise, taken from the message as it is printed and followed: the command then ends as it does with
right flags, which is at the first missing file."""

from __future__ import annotations

import importlib
import re
import shlex
from typing import NamedTuple

import pytest
from tiny_kitti import Outcome, invoke

from litemono.__main__ import COMMANDS

TRAINING = "--data_path . --split split --device cpu --log_dir runs --model_name run"
RIGHT = {
    "train": f"{TRAINING} --weights_init scratch",
    "finetune": f"{TRAINING}",
    "refine": f"{TRAINING} --weights_init scratch --frozen_depth .",
    "segment": "--data_path . --device cpu",
    "segment-apply": "--load_weights missing",
    "submit": f"train {TRAINING} --weights_init scratch --dry_run",
    "submit here": f"train {TRAINING} --weights_init scratch --cluster local",
    "evaluate": "--pred missing.npy --gt_path missing",
    "evaluate network": "--load_weights . --data_path .",
    "predict": "--load_weights missing --input missing",
    "export": "--load_weights missing",
    "compare": "--log_dir missing",
    "status": "--log_dir missing",
    "synthetic": "--output file",
    "demo": "--output file/below",
    "prepare pack": "--from missing --output pack",
    "prepare verify": "--data_path missing",
    "prepare download": "--output file",
    "prepare pack-composites": "--from missing --output pack",
    "export-gt": "--data_path missing",
}
"""Flags with which each command gets as far as its data. The second word is one of `prepare`, or tells cases apart."""
PLACEHOLDERS = {
    "FOLDER": ".",
    "FILE.html": "page.html",
    "fx,fy,cx,cy": "720,720,600,170",
    "hours:minutes:seconds": "1:00:00",
}
"""What a user puts in for words of the advice."""


class Case(NamedTuple):
    command: str
    wrong: str
    """Flags added to the right ones."""
    advice: str
    """Pattern in the message; its group set has flags to give, drop flags to leave out, value another value of the first."""


CASES = [
    # a value of the same flag
    Case("train", "--accumulate 5", r"must divide --batch_size (?P<value>\d+)"),
    Case("train", "--scales 0 3", r"choose from (?P<value>0 1 2)"),
    Case("train", "--frame_ids 1 0", r"for example (?P<value>0 -1 1)"),
    Case("train", "--height 1", r"at least (?P<value>\d+)"),
    Case("finetune", "--width 31", r"at least (?P<value>\d+)"),
    Case("train", "--keep_checkpoints 0", r"at least (?P<value>\d+)"),
    Case("train", "--reduction_factor 1 --stop_early loss", r"at least (?P<value>\d+)"),
    Case("predict", "--ply --intrinsics 1,2,3", r"in pixels \((?P<intrinsics>[\d.,]+)\)"),
    Case("train", "--model_name /elsewhere/run", r"to put the run elsewhere: (?P<set>--log_dir \S+ --model_name \S+)"),
    Case("train", "--model_name ../run", r"to put the run elsewhere: (?P<set>--log_dir \S+ --model_name \S+)"),
    Case("finetune", "--mix half", r"such as (?P<value>2),1"),
    Case("segment", "--ssim_window 4", r"odd and at least (?P<value>\d+)"),
    Case("segment", "--val_share 1", r"such as (?P<value>[\d.]+)"),
    Case("segment-apply", "--batch_size 0", r"at least (?P<value>\d+)"),
    Case("segment-apply", "--mask_similarity 1", r"between (?P<value>-1) and 1"),
    Case("evaluate", "--protocol none", r"choose one of (?P<value>\w+)"),
    Case("evaluate", "--num_workers 0", r"at least (?P<value>\d+)"),
    Case("predict", "--batch_size 0", r"at least (?P<value>\d+)"),
    Case("predict", "--fps 0", r"and (?P<value>\d+) at most"),
    Case("export", "--opset 3", r"from (?P<value>\d+) to 20"),
    Case("export", "--size 64", r"such as (?P<value>\w+)"),
    Case("prepare pack", "--size small", r"such as (?P<value>\w+)"),
    Case("prepare pack", "--jpeg 0", r"such as (?P<value>\d+)"),
    Case("prepare pack-composites", "--num_workers 0", r"at least (?P<value>\d+)"),
    Case("prepare verify", "--num_workers 0", r"at least (?P<value>\d+)"),
    Case("prepare download", "--parallel 0", r"at least (?P<value>\d+)"),
    Case("export-gt", "--num_workers 0", r"at least (?P<value>\d+)"),
    Case("synthetic", "--drives 2", r"at least (?P<value>\d+)"),
    Case("synthetic", "--frames_per_drive 2", r"at least (?P<value>\d+)"),
    Case("submit", "--time soon", r"write (?P<value>hours:minutes:seconds)"),
    Case("submit", "--mem much", r"like (?P<value>\w+)"),
    Case("submit", "--sweep lr", r"like (?P<value>lr=[\d.e,-]+)"),
    Case("submit", "--sbatch exclude=", r"like (?P<value>\S+=\S+)"),
    Case("submit", "--gpus_per_node -1", r"at least (?P<value>\d+)"),
    # a flag to give
    Case("train", "--frame_ids 0", r"or (?P<set>--use_stereo)"),
    Case("train", "--frame_ids 0", r"add (?P<more>-1 1)"),
    Case("train", "--compile --no_ssim", r"or give (?P<set>--compile_parts decoder)"),
    Case("finetune", "--gradient_weight 1 --loss silog", r"or take (?P<loss>ssi-mse) or"),
    Case("segment", "--combine uncertainty --mask_weight 2", r"or take (?P<set>--combine weighted)"),
    Case("submit", "--stop_early loss", r"such as (?P<set>--sweep \S+),"),
    Case("submit here", "--nodes 2", r"one node: (?P<set>--nodes 1)"),
    Case("submit here", "--cluster debug --gpus_per_node 2", r"or use (?P<set>--cluster local)"),
    Case("evaluate network", "--severities 1", r"give (?P<set>--load_weights FOLDER --corruptions all)"),
    Case("predict", "--depth_factor 1000", r"belongs to (?P<set>--depth_png)"),
    Case("predict", "--ply", r"(?P<set>--intrinsics fx,fy,cx,cy)"),
    Case("export", "--compat tensorrt8", r"add (?P<set>--input float)"),
    Case("export", "--precision int8", r"add (?P<set>--images FOLDER)"),
    Case("compare", "--format html", r"write it: (?P<set>--output FILE.html)"),
    # a flag to leave out
    Case(
        "train",
        "--compile --no_ssim",
        r"(?P<drop>--compile) has no loss to fuse with --no_ssim; leave one of the two out",
    ),
    Case("train", "--compile --no_ssim", r"to fuse with (?P<drop>--no_ssim); leave one of the two out"),
    Case("train", "--mypretrain . --load_weights .", r"(?P<drop>--mypretrain) would .*; give one of the two"),
    Case("train", "--mypretrain . --load_weights .", r"encoder of (?P<drop>--load_weights); give one of the two"),
    Case("finetune", "--attention fused", r"(?P<drop>--attention)"),
    Case("finetune", "--gradient_weight 1 --loss silog", r"(?P<drop>--gradient_weight) 1.*leave it out"),
    Case("refine", "--model affine --predict depth", r"(?P<drop>--predict) .*; leave it out"),
    Case("segment", "--combine uncertainty --mask_weight 2", r"(?P<drop>--mask_weight) .*; leave it out"),
    Case("submit here", "--cluster debug --gpus_per_node 2", r"leave out (?P<drop>--gpus_per_node)"),
    Case("submit", "--stop_early loss", r"(?P<drop>--stop_early) .*or leave it out"),
    Case("submit here", "--sweep lr=1e-4,1e-5", r"leave out (?P<drop>--sweep)"),
    Case("submit here", "--sbatch exclude=n1", r"leave out (?P<drop>--sbatch) and --srun"),
    Case("submit here", "--srun mpi=none", r"leave out --sbatch and (?P<drop>--srun)"),
    Case("submit", "--wait --sweep lr=1e-4,1e-5", r"(?P<drop>--wait) follows one run"),
    Case("submit", "--preflight --sweep lr=1e-4,1e-5", r"without (?P<drop>--sweep) first"),
    Case("evaluate", "--no_median_scaling --align median", r"(?P<drop>--no_median_scaling) and .*leave one out"),
    Case("evaluate", "--no_median_scaling --align median", r"and (?P<drop>--align) .*leave one out"),
    Case("evaluate", "--post_process", r"(?P<drop>--post_process) and .* do not go with --pred"),
    Case("evaluate", "--save_pred out.npy", r"and (?P<drop>--save_pred) .* do not go with --pred"),
    Case("export", "--hub out --output out.onnx", r"(?P<drop>--hub) and --output .* give one of them"),
    Case("export", "--hub out --output out.onnx", r"and (?P<drop>--output) are .* give one of them"),
    Case("export", "--hub out --precision fp16", r"leave out (?P<drop>--precision)"),
    Case("export", "--format pt2 --precision fp16", r"is for (?P<set>--format onnx)"),
    Case("status", "--watch --check", r"not together with (?P<drop>--check)"),
    Case("status", "--cost --watch", r"not together with (?P<drop>--watch)"),
]


def options(words: list[str]) -> dict[str, list[str]]:
    """Flag -> its values; "" -> what stands before the first flag."""
    found, name = {"": []}, ""
    for word in words:
        if word.startswith("--"):
            name = word
            found[name] = []
        else:
            found[name].append(word)
    return found


def run(capsys, command: str, given: dict[str, list[str]]) -> Outcome:
    name, *word = command.split() if command.startswith("prepare ") else command.split()[:1]
    first, rest = given.get("", []), [text for flag, values in given.items() if flag for text in (flag, *values)]
    return invoke(importlib.import_module(COMMANDS[name].module).main, capsys, *word, *first, *rest)


def first_line(outcome: Outcome) -> str:
    """The lines below it name files, which another flag may choose."""
    return next(line for line in outcome.err.splitlines() if "error:" in line)


def followed(case: Case, message: str, given: dict[str, list[str]]) -> dict[str, list[str]]:
    found = re.search(case.advice, message)
    assert found, f"{case.advice!r} is not in {message!r}"
    subject = next(word for word in case.wrong.split() if word.startswith("--"))
    changed = dict(given)
    for kind, text in found.groupdict().items():
        if kind == "drop":
            del changed[text]
        elif kind == "value":
            changed[subject] = [PLACEHOLDERS.get(text, text)] if " " not in text else text.split()
        elif kind == "more":
            changed[subject] = [*changed[subject], *text.split()]
        elif kind == "set":
            words = [PLACEHOLDERS.get(word, word) for word in shlex.split(text)]
            changed |= {flag: values for flag, values in options(words).items() if flag}
        else:
            changed[f"--{kind}"] = [text]
    return changed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a list of one frame that is not there, and a file where commands want a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("litemono.jobs.slurm.available", lambda: False)
    (tmp_path / "split").mkdir()
    for name in ("train", "val"):
        (tmp_path / f"split/{name}_files.txt").write_text("2011_09_26/2011_09_26_drive_0001_sync 1 l\n")
    (tmp_path / "file").touch()
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command} {case.wrong} {case.advice}")
def test_followed_advice_leads_to_where_right_flags_lead(case, folder, capsys):
    right = options(RIGHT[case.command].split())
    end = run(capsys, case.command, right)
    wrong = right | {flag: values for flag, values in options(case.wrong.split()).items() if flag}
    refused = run(capsys, case.command, wrong)
    assert refused.code == 2 and refused.err != end.err, refused
    after = run(capsys, case.command, followed(case, " ".join(refused.err.split()), wrong))
    assert after.code == end.code and first_line(after) == first_line(end)
