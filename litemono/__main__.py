"""litemono COMMAND, or python -m litemono COMMAND: every command of the project, in the order of a project's life.

`litemono train ...` is `python -m litemono.train ...`. Nothing here imports a command before it is asked for, so the list and
a wrong name are answered without torch.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path
from typing import NamedTuple

from litemono import __version__
from litemono.utils.packages import evaluation, hidden_by_another


class Entry(NamedTuple):
    """A command."""

    module: str
    """Its main() reads sys.argv."""
    summary: str


COMMANDS = {
    "doctor": Entry("litemono.doctor", "check this machine, its GPU, the data and the cluster"),
    "prepare": Entry("litemono.prepare", "download, pack and verify data; fetch ImageNet weights"),
    "demo": Entry("litemono.demo", "render a small street, train on it, evaluate, show depth pictures"),
    "synthetic": Entry(
        "litemono.synthetic.__main__", "render a street in KITTI's layout, or rooms with persons, with exact depth"
    ),
    "train": Entry("litemono.train", "train from video, without labels"),
    "finetune": Entry("litemono.finetune", "train with ground truth in metres"),
    "refine": Entry("litemono.refine", "turn another network's depth into metres for your camera"),
    "segment": Entry("litemono.segment", "train masks and depth of figures in front of known backgrounds"),
    "segment-apply": Entry("litemono.segment_apply", "write and judge masks and depths by a trained network"),
    "submit": Entry("litemono.submit", "queue a training as a Slurm job that resumes until it is finished"),
    "status": Entry("litemono.status", "list runs: state, progress, speed, time to go"),
    "compare": Entry("litemono.compare", "set the runs of a sweep side by side: flags, results, intervals"),
    "export-gt": Entry("export_gt.__main__", "make the ground-truth file of a test split"),
    "evaluate": Entry(f"{evaluation()}.__main__", "measure depth errors on a test split"),
    "tables": Entry(f"{evaluation()}.tables.__main__", "set the results of all runs among published ones"),
    "export": Entry("litemono.export", "write a network as one ONNX, torch.export or AOTInductor file"),
    "predict": Entry("litemono.predict", "turn images, videos or a camera into depth pictures"),
    "completion": Entry("litemono.completion", "write a script that completes litemono's flags in your shell"),
}


def main() -> None:
    """List the commands, or run the one that is named. Exit status 2 for a name that is not a command's."""
    prog = "litemono" if Path(sys.argv[0]).name == "litemono" else "python -m litemono"
    given = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if given in ("-h", "--help"):
        print(listing(prog))
        return
    if given == "--version":
        print(f"litemono {__version__}")
        return
    name = given.replace("_", "-")  # export_gt is also the name of its package
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean {prog} {near[0]}?" if near else f"{prog} lists all of them"
        print(f"{prog}: error: there is no command {given}; {advice}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"{prog} {name}", *sys.argv[2:]]  # cli.run shows this name in help and errors
    package = COMMANDS[name].module.partition(".")[0]
    if problem := hidden_by_another(package):
        print(f"{prog} {name}: error: {problem}", file=sys.stderr)
        sys.exit(2)
    importlib.import_module(COMMANDS[name].module).main()


def listing(prog: str) -> str:
    """The usage line and a line for each command."""
    width = max(map(len, COMMANDS))
    rows = (f"  {name:<{width}}  {entry.summary}" for name, entry in COMMANDS.items())
    return "\n".join((f"usage: {prog} COMMAND [FLAGS]", "", *rows, "", f"{prog} COMMAND --help explains its flags."))


if __name__ == "__main__":
    main()
