"""Show that two checkouts train to the same bits: python tests/compare_checkouts.py OTHER_CHECKOUT [--cases NAME ...]

Each case runs `python -m litemono.train` with the same flags, data and seed in both checkouts on a CPU and compares every
tensor of models/last bit by bit. One line per case; exit status 1 if any tensor differs, or if a run fails.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LITEMONO_SHARED", HERE.parent / "shared"))
DRIVE = "2011_09_26/2011_09_26_drive_9001_sync"
HEIGHT, WIDTH = 64, 96
TRAINING = (
    f"--model lite-mono-tiny --height {HEIGHT} --width {WIDTH} --weights_init scratch --device cpu --seed 3 "
    "--batch_size 4 --num_epochs 2 --max_steps 5 --num_workers 1 --log_every 1"
).split()
TIMEOUT_S = 600


class Failed(Exception):
    """A command ended with an error."""


class Skipped(Exception):
    """A case's data is absent."""


@dataclass(frozen=True)
class Case:
    """One training, run in both checkouts."""

    data: Callable[[Path, Path], list[str]]
    """(checkout, work folder) -> the flags that name the data. Raises Skipped."""
    flags: tuple[str, ...] = ()
    processes: int = 1


def run(checkout: Path, module: str, *arguments: object, processes: int = 1) -> None:
    """`python -m module` from `checkout`, in one or several processes. Raises Failed with the end of its stderr."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    if processes > 1:
        environment |= {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=checkout,
            env=environment | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        errors = [child.communicate(timeout=TIMEOUT_S)[1] for child in children]
    except subprocess.TimeoutExpired:
        raise Failed(f"python -m {module} in {checkout} takes more than {TIMEOUT_S} s") from None
    finally:
        for child in children:
            child.kill()
    for child, error in zip(children, errors, strict=True):
        if child.returncode:
            raise Failed(f"python -m {module} in {checkout} ended with {child.returncode}:\n{error[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------- data


def render_street(work: Path) -> None:
    """A stereo world of two training drives, rendered by this checkout for both."""
    new_place = (HERE / "litemono" / "synthetic" / "__main__.py").is_file()
    size = ("--height", HEIGHT, "--width", WIDTH, "--drives", 4, "--frames_per_drive", 6, "--num_workers", 1)
    run(HERE, "litemono.synthetic" if new_place else "litemono.data.synthetic", "--output", work / "street", *size)


def street(checkout: Path, work: Path) -> list[str]:
    return ["--data_path", str(work / "street"), "--split", str(work / "street" / "street"), "--png"]


def real_drive(checkout: Path, work: Path) -> list[str]:
    """Left frames of the KITTI drive beside the checkout."""
    sample = SHARED / "kitti_sample"
    if not (sample / DRIVE).is_dir():
        raise Skipped(f"{sample} is absent; set LITEMONO_SHARED to the folder that has kitti_sample")
    split = work / "real_split"
    split.mkdir(exist_ok=True)
    for which, frames in (("train", range(3, 15)), ("val", range(20, 24))):
        (split / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in frames))
    return ["--data_path", str(sample), "--split", str(split), "--png"]


def zip_street(work: Path) -> None:
    """The street as KITTI's archives: one zip per drive, one with the calibration."""
    (work / "zips").mkdir()
    for day in (path for path in sorted((work / "street").iterdir()) if path.name[:1].isdigit()):
        zip_files(work / "zips" / f"{day.name}_calib.zip", day.glob("calib*.txt"), work / "street")
        for drive in sorted(path for path in day.iterdir() if path.is_dir()):
            zip_files(work / "zips" / f"{drive.name}.zip", drive.rglob("*"), work / "street")


def zip_files(target: Path, paths: Iterator[Path], root: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(path for path in paths if path.is_file()):
            archive.write(path, path.relative_to(root))


def pack(checkout: Path, work: Path) -> list[str]:
    """Each checkout packs the zips itself."""
    output, split = work / checkout_key(checkout) / "pack", work / "street" / "street"
    size = ("--size", f"{WIDTH}x{HEIGHT}", "--num_workers", 1)
    run(checkout, "litemono.prepare", "pack", "--from", work / "zips", "--split", split, "--output", output, *size)
    return ["--data_path", str(output), "--split", str(split)]


def checkout_key(checkout: Path) -> str:
    return "here" if checkout == HERE else "other"


CASES = {
    "street": Case(street),
    "real_drive": Case(real_drive),
    "pack": Case(pack),
    "use_stereo": Case(street, ("--use_stereo",)),
    "accumulate": Case(street, ("--accumulate", "2")),
    "two_processes": Case(street, ("--batch_size", "2"), processes=2),
}

# ---------------------------------------------------------------- comparison


def train(name: str, checkout: Path, work: Path) -> Path:
    """Run a case in a checkout; returns its folder of final weights."""
    case, logs = CASES[name], work / checkout_key(checkout)
    flags = [*case.data(checkout, work), *TRAINING, *case.flags, "--log_dir", logs, "--model_name", name]
    run(checkout, "litemono.train", *flags, processes=case.processes)
    return logs / name / "models" / "last"


def tensors_in(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the .pth files in a folder, as file:key."""
    found = {}
    for path in sorted(folder.glob("*.pth")):
        state = torch.load(path, map_location="cpu", weights_only=True)
        found |= {f"{path.name}:{key}": value for key, value in state.items() if isinstance(value, torch.Tensor)}
    return found


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Same type, shape and bytes: NaN equals NaN, 0.0 does not equal -0.0."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return first.contiguous().numpy().tobytes() == second.contiguous().numpy().tobytes()


def differing(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that differ or that only one side has."""
    names = sorted(first.keys() | second.keys())
    return [n for n in names if n not in first or n not in second or not same_bits(first[n], second[n])]


def compare(name: str, other: Path, work: Path) -> bool:
    """Train a case in both checkouts and print its line; False where they differ."""
    try:
        with ThreadPoolExecutor(2) as both:
            folders = list(both.map(lambda checkout: train(name, checkout, work), (HERE, other)))
    except Skipped as reason:
        print(f"{name}: skipped, {reason}", flush=True)
        return True
    except Failed as error:
        print(f"{name}: {error}", flush=True)
        return False
    here, there = map(tensors_in, folders)
    unequal = differing(here, there)
    examples = f": {', '.join(unequal[:3])}" if unequal else ""
    print(f"{name}: {len(here.keys() | there.keys())} tensors compared, {len(unequal)} differ{examples}", flush=True)
    return bool(here) and not unequal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the checkout to compare this one with")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    arguments = parser.parse_args()
    other = arguments.other.resolve()
    if not (other / "litemono" / "train.py").is_file():
        parser.error(f"{arguments.other}: has no litemono/train.py; give the root of a checkout")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for checkout in (HERE, other):
            (work / checkout_key(checkout)).mkdir(exist_ok=True)
        if set(arguments.cases) - {"real_drive"}:
            render_street(work)
        if "pack" in arguments.cases:
            zip_street(work)
        equal = [compare(name, other, work) for name in arguments.cases]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
