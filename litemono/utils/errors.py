"""Errors that the user can correct. Commands print them as one sentence and exit with status 2."""

from __future__ import annotations

from networks.errors import NetworkError


class UserError(Exception):
    """Bad input. The message is one sentence: what is wrong, which file or flag, what to do."""


USER_ERRORS = (UserError, NetworkError, PermissionError)
"""A job that ends with one of these is not requeued: it would end the same way."""


def require(ok: object, message: str) -> None:
    """UserError(message) unless ok."""
    if not ok:
        raise UserError(message)
