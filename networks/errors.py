"""The exceptions of the project, and which failures of the file system are worth another try."""

from __future__ import annotations

import errno

MOST_LETTERS = 200  # of a library's message

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
UNUSABLE_PATH = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENXIO,
        errno.EINVAL,
    }
)
PERMANENT_ERRNOS = DISK_FULL | NO_PERMISSION | UNUSABLE_PATH
"""The same call fails again until someone fixes the cause."""


class UserError(Exception):
    """Bad input. The message is one sentence: what is wrong, which file or flag, what to do."""


class NetworkError(UserError, ValueError):
    """A network, size or weight file that cannot be used. The message says which, and the way out."""


def reason(error: BaseException) -> str:
    """What a library says of a file that it cannot read, for a sentence: one line, cut where it repeats the file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."


def may_pass(error: BaseException) -> bool:
    """Whether the same call may work later: a file server's temporary failure (stale handle, I/O error), not a full disk.

    A job that ends with such an error is requeued. One that ends with an error of the user's is not.
    """
    return isinstance(error, OSError) and error.errno is not None and error.errno not in PERMANENT_ERRNOS
