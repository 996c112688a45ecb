"""litemono COMMAND, or python -m litemono COMMAND: every command of the project, in the order of a run's life."""

from __future__ import annotations

import difflib
import importlib
import sys

COMMANDS = {
    "demo": ("litemono.demo", "the whole story on a small rendered street"),
    "doctor": ("litemono.doctor", "is this machine, its GPU, the data and the cluster fit to train?"),
    "prepare": ("litemono.prepare", "download, pack and verify KITTI; fetch ImageNet weights"),
    "train": ("litemono.train", "self-supervised training from video"),
    "finetune": ("litemono.finetune", "supervised training with ground truth"),
    "submit": ("litemono.submit", "either of them as a Slurm job"),
    "status": ("litemono.status", "what my runs are doing"),
    "export-gt": ("export_gt.__main__", "ground truth of a test split"),
    "evaluate": ("evaluate.__main__", "depth errors on a test split"),
    "predict": ("litemono.predict", "depth pictures of images"),
}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("", "-h", "--help"):
        print("usage: litemono COMMAND [flags]; litemono COMMAND --help explains the flags\n")
        for command, (_, summary) in COMMANDS.items():
            print(f"  {command:<10} {summary}")
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1) or ["--help"]
        print(f"litemono: error: there is no command {name}; try litemono {near[0]}", file=sys.stderr)
        sys.exit(2)
    del sys.argv[1]
    importlib.import_module(COMMANDS[name][0]).main()


if __name__ == "__main__":
    main()
