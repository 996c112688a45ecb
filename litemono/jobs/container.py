"""--container: the training inside an image, by what the cluster has: pyxis, a plugin of srun, or apptainer (singularity).

Requeueing stays outside, with the Python that called submit. The image needs `python3` with the packages of envs/; the code comes
from its copy in the run folder. Mounted are the current folder and every folder that a flag names, under their own paths.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

from litemono.engine.settings import TrainingConfig
from litemono.jobs import slurm
from litemono.utils.errors import UserError, require

FILES = (".sif", ".sqsh", ".img", ".simg")


class Launch(NamedTuple):
    """How the processes of a job are started."""

    python: str | None = None
    """What starts Python; None: the Python that runs now."""
    srun: tuple[str, ...] = ()
    """More arguments of srun."""


def launch(image: str | None, runs: Sequence[TrainingConfig], gpus: int, code: Path | None = None) -> Launch:
    """code: the copy to run from, where there is one.

    UserError for an image that cannot be read, and where the cluster has nothing to start it.
    """
    if image is None:
        return Launch()
    mounts = mounted(runs)
    if has_pyxis():
        check_image(image, must_be_file=image.endswith(FILES) or image.startswith(("/", ".")))
        where = ",".join(f"{path}:{path}" for path in mounts)
        workdir = f"--container-workdir={code or Path.cwd()}"
        return Launch("python3", (f"--container-image={image}", f"--container-mounts={where}", workdir))
    program = next((name for name in ("apptainer", "singularity") if shutil.which(name)), None)
    if program is None:
        raise UserError(
            f"--container {image}: neither pyxis (srun --container-image) nor apptainer is here; `module load apptainer` first, "
            "or leave it out"
        )
    check_image(image, must_be_file="://" not in image)
    binds = [word for path in mounts for word in ("--bind", path)]
    return Launch(shlex.join([program, "exec", *["--nv"] * bool(gpus), *binds, image, "python3"]))


@functools.cache
def has_pyxis() -> bool:
    """Whether srun takes --container-image; asked once."""
    try:
        return "--container-image" in slurm.call("srun", "--help")
    except UserError:
        return False


def check_image(image: str, must_be_file: bool) -> None:
    require(
        not must_be_file or os.access(image, os.R_OK),
        f"--container {image}: there is no image that can be read; build it (docs/install.md), or give docker://NAME",
    )


def mounted(runs: Sequence[TrainingConfig]) -> list[str]:
    """The current folder, the run folders' parents and what flags name; those that are inside others are left out."""
    wanted = {Path.cwd(), *(run.folder.absolute().parent for run in runs)}
    wanted |= {place for run in runs for place in _paths(run)}
    chosen = sorted(str(path) for path in wanted if not any(other in path.parents for other in wanted))
    for path in chosen:
        require(not set(path) & set(",:"), f"--container: {path} cannot be mounted, because of the , or : in its name")
    return chosen


def _paths(settings: object) -> set[Path]:
    """Folders, and those of the files, in the fields of settings and of their groups."""
    found: set[Path] = set()
    for field in fields(settings) if is_dataclass(settings) else ():
        value = getattr(settings, field.name)
        if is_dataclass(value):
            found |= _paths(value)
        elif isinstance(value, Path) and value.exists():
            found.add((value if value.is_dir() else value.parent).absolute())
    return found
