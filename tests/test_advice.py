"""What error messages advise exists, and works: flags and commands that they name, and the important advice followed."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache

import numpy as np
from composites import FEWEST
from conftest import ROOT
from PIL import Image
from tiny_kitti import Outcome, assert_refused, invoke, write_weights, write_world
from utils.test_path_flags import fields, settings_of_all_commands

from litemono.__main__ import COMMANDS
from litemono.demos import DEMOS
from litemono.tasks import resolve
from litemono.utils import cli, flags

PACKAGES = ("litemono", "evaluate", "export_gt", "networks")
RAISING = {"UserError", "NetworkError", "ControllerUnavailable", "require", "Finding"}
SLURMS_OWN = {"gres", "container-image"}


def texts(node: ast.AST) -> str:
    """The text of a string in source code; {} for what is put in when it runs."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(map(texts, values))
        case ast.FormattedValue():
            return "{}"
        case ast.BinOp(left=left, right=right):
            return texts(left) + texts(right)
        case ast.IfExp(body=body, orelse=orelse):
            return f"{texts(body)} {texts(orelse)}"
    return ""


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """Place and text of every message that is raised or reported."""
    return tuple(_messages())


def _messages() -> Iterator[tuple[str, str]]:
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            for argument in call.args if name in RAISING else ():
                if text := texts(argument):
                    yield f"{path.relative_to(ROOT)}:{argument.lineno}", text


def named(pattern: str) -> dict[str, str]:
    """What messages name by this pattern -> the place of one."""
    return {found: place for place, text in messages() for found in re.findall(pattern, text)}


def test_there_are_messages():
    assert len(messages()) > 300


def test_every_flag_in_a_message_is_one_of_a_command():
    known = {"help", "load_pred"}  # the second is another name of --pred
    known |= {name for demo in DEMOS.values() for name, _, _ in fields(resolve(demo.settings))}
    known |= {name for _, settings in settings_of_all_commands() for name, _, _ in fields(settings)}
    for module in ("litemono.synthetic.__main__", "litemono.submit"):
        settings = cli.parts_of(importlib.import_module(module).main, [module]).settings
        for one in (flags.subcommands(settings) or {"": settings}).values():
            known |= {name for name, _, _ in fields(one)}
    unknown = {
        name: place for name, place in named(r"(?<![\w-])--([a-z][\w-]*)").items() if name not in known | SLURMS_OWN
    }
    assert not unknown


def test_every_command_in_a_message_exists():
    for (module, word), place in named(r"python -m ([\w.]+\w)(?: ([a-z]+))?(?=[ `;,)]|$)").items():
        assert importlib.util.find_spec(module) is not None, f"{place}: python -m {module}"
        if word and module == "litemono.prepare":
            settings = cli.parts_of(importlib.import_module(module).main, [module]).settings
            assert word in flags.subcommands(settings), f"{place}: python -m {module} {word}"
    for name, place in named(r"`litemono ([a-z][\w-]+)").items():
        assert name in COMMANDS, f"{place}: litemono {name}"


def test_every_document_in_a_message_is_there():
    for name, place in named(r"\b((?:docs|envs|slurm|splits)/[\w./]+\.(?:md|txt|sh|yml))\b").items():
        assert (ROOT / name).is_file(), f"{place}: {name}"


# ---------------------------------------------------------------- followed


def run(capsys, module: str, *arguments: object) -> Outcome:
    return invoke(importlib.import_module(module).main, capsys, *map(str, arguments))


def test_two_images_of_one_name_are_told_apart_by_ext(tmp_path, capsys):
    for ending in ("jpg", "png"):
        Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / f"a.{ending}")
    weights = write_weights(tmp_path / "weights")
    command = (
        "litemono.predict",
        "--load_weights",
        weights,
        "--input",
        tmp_path,
        "--model",
        "lite-mono-tiny",
        "--device",
        "cpu",
    )
    refused = run(capsys, *command)
    assert_refused(refused, "choose one kind: --ext png")
    assert run(capsys, *command, *refused.err.rstrip().rpartition(": ")[2].split()).code == 0


def test_weights_of_another_network_name_the_model_that_reads_them(tmp_path, capsys):
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / "a.png")
    weights = write_weights(tmp_path / "weights")
    command = ("litemono.predict", "--load_weights", weights, "--input", tmp_path / "a.png", "--device", "cpu")
    refused = run(capsys, *command, "--model", "lite-mono")
    assert_refused(refused, "--model lite-mono-tiny")
    assert run(capsys, *command, *re.search(r"--model lite-mono-tiny", refused.err)[0].split()).code == 0


def test_a_card_by_number_ends_at_a_device_that_is_there(tmp_path, monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / "a.png")
    weights = write_weights(tmp_path / "weights")
    command = (
        "litemono.predict",
        "--load_weights",
        weights,
        "--input",
        tmp_path / "a.png",
        "--model",
        "lite-mono-tiny",
    )
    assert_refused(run(capsys, *command, "--device", "cuda:1"), "CUDA_VISIBLE_DEVICES=1, and give --device cuda")
    assert_refused(run(capsys, *command, "--device", "cuda"), "use --device cpu")
    assert run(capsys, *command, "--device", "cpu").code == 0


def printed_command(message: str) -> tuple[str, list[str]]:
    """Module and arguments of the first `python -m MODULE ARGUMENTS` in a message; it ends at the sentence or a bracket."""
    found = re.search(r"python -m ([\w.]+\w)((?: [^\s();,]+)*)", message.partition("error: ")[2])
    assert found, message
    return found[1], shlex.split(found[2])


def main_of(module: str) -> str:
    """export_gt and evaluate are packages."""
    return module if "." in module and module != "litemono.synthetic" else f"{module}.__main__"


def test_ground_truth_is_made_by_the_printed_command(tmp_path, capsys):
    world = tmp_path / "world"
    split = write_world(world, [2, 4])
    np.save(tmp_path / "pred.npy", np.full((2, 48, 96), 0.1, np.float32))
    command = ("evaluate.__main__", "--pred", tmp_path / "pred.npy", "--data_path", world, "--split", split)
    refused = run(capsys, *command, "--num_workers", 1)
    assert_refused(refused, "there is no such ground-truth file; make it: ")
    module, arguments = printed_command(refused.err)
    assert run(capsys, main_of(module), *arguments, "--num_workers", 1).code == 0
    assert run(capsys, *command, "--num_workers", 1).code == 0


def test_composites_are_rendered_by_the_printed_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused = run(capsys, "litemono.segment", "--data_path", "composites", "--device", "cpu")
    assert_refused(refused, "or render some (python -m litemono.synthetic composites --output composites)")
    module, arguments = printed_command(refused.err)
    assert run(capsys, main_of(module), *arguments, *FEWEST).code == 0
    done = run(capsys, "litemono.segment_apply", "--data_path", "composites", "--load_weights", "missing")
    assert "--data_path" not in done.err and "--load_weights missing: no such folder" in done.err
