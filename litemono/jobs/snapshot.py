"""The code that was submitted: a copy of the checkout, from which the job and each of its requeues run.

RUN_FOLDER/slurm/code/NUMBER/ holds what git has of the code's folders as they are (the commit, what differs from it, new
files that git does not ignore), snapshot.json with the commit, and changes.diff. Its name is made of the content, so that
submitting the same code again adds no copy.

    python -m litemono.jobs.snapshot FOLDER    # for slurm/requeue.sh: copy at the job's first start, print where the code lies
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from litemono.utils import cli
from litemono.utils.atomic_files import full_disk_explained, writable
from litemono.utils.commit import FOLDERS, SNAPSHOT, CodeState, code_state, git, is_checkout, untracked, working_changes
from litemono.utils.errors import UserError
from litemono.utils.packages import ROOT

LARGEST = 50 * 2**20  # bytes; a checkout's code has a fifth of it
NAMED = 3  # of the largest files, in the refusal


@dataclass(frozen=True)
class Snapshot:
    """A checkout's code at one moment; `write` copies it."""

    root: Path
    files: tuple[str, ...]
    state: CodeState
    number: str
    """First digits of the SHA-256 of names and contents."""

    def path(self, folder: Path) -> Path:
        """Of the copy, below the folder that holds a job's batch script."""
        return folder.absolute() / "code" / self.number

    def write(self, folder: Path) -> Path:
        """Copy the files, unless the same code is there already. Returns the copy's path."""
        target = self.path(folder)
        if target.exists():
            return target
        fresh = target.with_name(f".{self.number}.{uuid.uuid4().hex}.tmp")
        try:
            with writable(target), full_disk_explained(target):
                for name in self.files:
                    (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self.root / name, fresh / name)
                (fresh / "changes.diff").write_bytes(working_changes(self.root))
                (fresh / SNAPSHOT).write_text(json.dumps({**self.state._asdict(), "checkout": str(self.root)}) + "\n")
            with contextlib.suppress(FileExistsError):
                _rename(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return target


def _rename(fresh: Path, target: Path) -> None:
    """FileExistsError where another submission of the same code was faster."""
    try:
        os.rename(fresh, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError from None
        raise


def of_checkout(root: Path = ROOT) -> Snapshot | None:
    """None where the code is installed, not a checkout of git. UserError for more than LARGEST bytes."""
    if not is_checkout(root):
        return None
    tracked = (git(root, "ls-files", "-z", "--", *FOLDERS) or b"").decode(errors="surrogateescape").split("\0")
    files = tuple(sorted(name for name in {*tracked, *untracked(root)} if name and (root / name).is_file()))
    check_size(root, files)
    digest = hashlib.sha256()
    for name in files:
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return Snapshot(root, files, code_state(root), digest.hexdigest()[:12])


def check_size(root: Path, files: tuple[str, ...]) -> None:
    sizes = {name: (root / name).stat().st_size for name in files}
    total = sum(sizes.values())
    if total > LARGEST:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:NAMED]
        named = ", ".join(f"{name} {sizes[name] / 2**20:.0f} MB" for name in largest)
        raise UserError(
            f"{root}: its code has {total / 2**20:.0f} MB, and a job's copy may have {LARGEST // 2**20} MB ({named}); move what "
            "is no code elsewhere or add it to .gitignore, or run the job from the checkout: --follow_checkout"
        )


def describe(snapshot: Snapshot | None, follow_checkout: bool) -> str:
    """What code the job runs, for the summary of submit."""
    state = code_state() if snapshot is None else snapshot.state
    version = f"litemono {state.litemono}"
    if follow_checkout:
        return f"{version}, whatever {ROOT} holds when the job starts (--follow_checkout)"
    if snapshot is None:
        return f"{version} as installed in {ROOT} when the job starts; no git checkout, so there is no copy"
    changed = ", with changes" if state.diff else ""
    return f"{version}, commit {state.commit[:10]}{changed}, copied"


def for_script(folder: Path) -> Path:
    """Where a job of slurm/*.sh takes its code from: the copy that its first start made in `folder`."""
    if os.environ.get("LITEMONO_FOLLOW_CHECKOUT", "") not in ("", "0"):
        return ROOT
    copies = [path.parent for path in sorted(folder.glob(f"code/*/{SNAPSHOT}"))]
    if copies:
        return copies[0]
    snapshot = of_checkout()
    return snapshot.write(folder) if snapshot else ROOT


if __name__ == "__main__":
    try:
        print(for_script(Path(sys.argv[1])))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(cli.BAD_INPUT)
