"""The findings as one block to paste into a bug report, without what is private."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import socket
from collections.abc import Iterable
from pathlib import Path

from litemono import __version__
from litemono.diagnosis.finding import Finding
from litemono.jobs import slurm
from litemono.utils.commit import UNKNOWN, code_commit
from litemono.utils.errors import UserError
from litemono.utils.parallel import available_cores

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "opencv-python-headless", "submitit", "tyro", "triton")
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "SLURM_JOB_PARTITION")
FOLDERS = re.compile(r"(?<![\w.:/~-])~?/(?:[^\s/:;,()'\"]+/)+")
"""The folders of an absolute path, all but its last part; not of an address such as https://..."""


def block(findings: Iterable[Finding]) -> str:
    """Markdown: versions, then the findings."""
    signs = {True: "ok", False: "BAD", None: "-"}
    lines = [
        f"litemono  {__version__}{commit()}",
        f"system    {platform.system()} {platform.release()} {platform.machine()}, {available_cores()} cores",
        f"packages  {', '.join(f'{name} {version}' for name in PACKAGES if (version := installed(name)))}",
        f"slurm     {slurm_version()}",
        *(f"variable  {name}={os.environ[name]}" for name in VARIABLES if name in os.environ),
        *(f"{signs[finding.good]:<4} {finding.subject:<8} {finding.text}" for finding in findings),
    ]
    return "\n".join(("```text", *map(without_names, lines), "```"))


def installed(name: str) -> str | None:
    """Version of a distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def slurm_version() -> str:
    try:
        return slurm.call("sinfo", "--version", timeout=10).strip()
    except UserError:
        return "none"


def commit() -> str:
    """Of the checkout that this code is in, such as " (commit 1a2b3c4, changed)"; nothing where it is none."""
    found = code_commit()
    return "" if found == UNKNOWN else f" (commit {found})"


def without_names(text: str) -> str:
    """Absolute paths lose their folders; the user's and the machine's names are replaced."""
    text = FOLDERS.sub(".../", text)
    for name, stands_for in (
        (Path.home().name, "USER"),
        (os.environ.get("USER", ""), "USER"),
        (socket.gethostname(), "HOST"),
    ):
        if len(name) > 1 and name != "root":
            text = re.sub(rf"\b{re.escape(name)}\b", stands_for, text)
    return text
