"""What a machine lacks while a command is refused. Advice says to add it, or to do without."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

Patch = pytest.MonkeyPatch


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


def module(name: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setitem(sys.modules, name, None)


def slurm_commands(patch: Patch) -> None:
    patch.setattr("litemono.jobs.slurm.available", lambda: True)
    patch.setattr("litemono.jobs.slurm.subprocess.run", failing(FileNotFoundError()))


def containers(patch: Patch) -> None:
    patch.setattr("litemono.jobs.container.has_pyxis", lambda: False)
    patch.setattr("litemono.jobs.container.shutil.which", lambda name: None)


def space(patch: Patch) -> None:
    patch.setattr("litemono.data.stores.staging.shutil.disk_usage", lambda path: SimpleNamespace(free=0))


def space_for_composites(patch: Patch) -> None:
    patch.setattr("litemono.data.packing.composites.shutil.disk_usage", lambda path: SimpleNamespace(free=0))


def preadv(patch: Patch) -> None:
    """As on Windows."""
    patch.delattr("os.preadv")


def locks(patch: Patch) -> None:
    from litemono.data.stores import staging

    patch.setattr(staging, "try_shared_lock", failing(staging.NoLocks()))


def memory(patch: Patch) -> None:
    """For more than one process."""
    patch.setattr("litemono.utils.parallel._Workers.submit", failing(BrokenProcessPool()))


def imagenet(patch: Patch) -> None:
    patch.setattr("networks.imagenet.find_pose_imagenet", lambda num_layers: None)


def operators(patch: Patch) -> None:
    """Of OpenVINO."""
    patch.setattr("openvino.Core.compile_model", failing(RuntimeError("no such operator")))


def cpp_compiler(patch: Patch) -> None:
    import torch._inductor

    error = RuntimeError("InvalidCxxCompiler: no working C++ compiler found")
    patch.setattr(torch._inductor, "aoti_compile_and_package", failing(error))
    patch.setattr("torch.compile", lambda *_, **__: failing(error))


def right_compiler(patch: Patch) -> None:
    def compiled(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def wrong(*inputs: Any) -> Any:
            output = function(*inputs)
            return tuple(2 * one for one in output) if isinstance(output, tuple) else 2 * output

        return wrong

    patch.setattr("torch.compile", compiled)


def any_batch(patch: Patch) -> None:
    """A release of torch that exports any number of images."""
    import torch

    export = torch.export.export

    def fixed(*args: Any, dynamic_shapes: Any = None, **kwargs: Any) -> Any:
        if dynamic_shapes is not None:
            raise ValueError("Constraints violated (batch)!")
        return export(*args, **kwargs)

    patch.setattr(torch.export, "export", fixed)


def version(patch: Patch) -> None:
    """The one that wrote the checkpoints."""
    patch.setattr("litemono.engine.resume.FORMAT", 99)


def right_to_read(patch: Patch) -> None:
    """The folder empty."""
    scan = os.scandir

    def refused(folder: str) -> Any:
        if Path(folder).name == "empty":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(folder)

    patch.setattr("evaluate.sources.map_files.os.scandir", refused)


LACKS: dict[str, Callable[[Patch], None]] = {
    "slurm's commands": slurm_commands,
    "containers": containers,
    "space": space,
    "space for composites": space_for_composites,
    "preadv": preadv,
    "locks": locks,
    "memory": memory,
    "ImageNet weights": imagenet,
    "operators": operators,
    "C++ compiler": cpp_compiler,
    "right compiler": right_compiler,
    "any batch": any_batch,
    "version": version,
    "right to read": right_to_read,
    **{name: module(name) for name in ("av", "onnx", "onnxruntime")},
}
