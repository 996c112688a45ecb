"""Errors that the user can correct. Commands print them as one sentence and exit with status 2."""

from __future__ import annotations

from networks.errors import UserError, reason

__all__ = ["USER_ERRORS", "BadNode", "UserError", "reason", "require"]

USER_ERRORS = (UserError, PermissionError)
"""A job that ends with one of these is not requeued: it would end the same way."""


class BadNode(RuntimeError):
    """This machine cannot be trained on, another one may: its card is broken. The job is requeued, and avoids it."""


def require(ok: object, message: str) -> None:
    """UserError(message) unless ok."""
    if not ok:
        raise UserError(message)
