"""Our own packages beside `litemono`, told from packages of other programs with the same names.

`networks` is also a folder of monodepth2 and its descendants, and `evaluate` a library of Hugging Face. Imports nothing of
ours: `litemono/__init__.py` asks before anything else is imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or site-packages."""


def evaluation() -> str:
    """Name of the package with the evaluate command: in an installed wheel it must not overwrite Hugging Face's."""
    return "litemono_evaluate" if (ROOT / "litemono_evaluate").is_dir() else "evaluate"


def not_installed(arguments: list[str]) -> str | None:
    """What to tell the user who starts a command (`python -m MODULE`) by an interpreter without the packages that it needs.

    arguments: of the interpreter. What a batch script calls outside its container, litemono.jobs, needs none.
    """
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""
    ours = module.split(".")[0] in ("litemono", "evaluate", "litemono_evaluate", "export_gt")
    if not ours or module.startswith("litemono.job") or find_spec("tyro") is not None:
        return None
    ways = [f"pip install -c envs/cpu.txt -e . (docs/install.md) in {ROOT}"]
    if (ROOT / ".venv/bin/activate").is_file():
        ways.insert(0, f". {ROOT / '.venv/bin/activate'}")
    return f"{sys.executable} does not have litemono's packages; type {', or '.join(ways)}"


def hidden_by_another(name: str) -> str | None:
    """What to tell the user where `import NAME` would find another program's package; None where it finds ours."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module without a spec
        spec = None
    places = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else []
    if not places or not places[0]:
        return f"{ROOT} has no package `{name}`: litemono is not there completely; install it again"
    found = Path(places[0]).resolve()
    if found.parent == ROOT:
        return None
    return (
        f"`import {name}` finds {found}, a package of another program, and not litemono's own in {ROOT}; take "
        f"{found.parent} out of PYTHONPATH, or start the command from another folder"
    )
