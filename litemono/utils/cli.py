"""What every command shares: flags from a dataclass, errors as one sentence, exit codes."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from litemono.utils.errors import UserError

Config = TypeVar("Config")

# Exit statuses.
FINISHED, BAD_INPUT, TOO_MANY_BAD_STEPS = 0, 2, 3
SIGNAL_BASE = 128  # 128 + N: stopped by signal N, and the same command goes on
INTERRUPTED = SIGNAL_BASE + signal.SIGINT


def parse(
    config_type: type[Config],
    prog: str,
    description: str,
    args: Sequence[str] | None = None,
    default: Config | None = None,
) -> Config:
    """Read `config_type` from the command line; nested dataclasses become flag groups without prefixes.

    default: where to take what the flags leave open, instead of the dataclass's own defaults.
    """
    return tyro.cli(
        config_type,
        prog=prog,
        description=description,
        args=args,
        use_underscores=True,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        **({} if default is None else {"default": default}),
    )


def user_errors() -> tuple[type[Exception], ...]:
    """What the user can mend. Imported when something went wrong: networks brings torch, which --help does not need."""
    from networks import NetworkError

    return UserError, NetworkError, PermissionError


def run(function: Callable[[Config], object], config_type: type[Config], prog: str) -> None:
    """Parse, call, and leave: `function`'s docstring is the head of --help; it may return an exit status.

    What the user can mend ends the command with one sentence on stderr and exit status 2.
    """
    try:
        config = parse(config_type, prog, inspect.cleandoc(function.__doc__ or ""))
        status = function(config)
    except SystemExit:  # of --help: must not ask for user_errors
        raise
    except user_errors() as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)
