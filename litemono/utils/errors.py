"""The one exception for everything the user can mend."""


class UserError(Exception):
    """Bad input. The message is one sentence that names the file or flag and the way out; commands exit with 2."""


def demand(ok: object, message: str) -> None:
    """UserError(message) unless ok."""
    if not ok:
        raise UserError(message)
