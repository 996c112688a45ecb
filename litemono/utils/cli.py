"""What every command shares: flags from a dataclass, errors as one sentence, exit codes."""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import tyro

from litemono.utils.atomic_files import replacing
from litemono.utils.errors import USER_ERRORS, UserError, require
from litemono.utils.flags import groups, show_readably
from litemono.utils.number_flags import check_numbers
from litemono.utils.openmp import choose_waiting
from litemono.utils.path_flags import LONGEST_PATH, check_paths
from networks.errors import DISK_FULL

Config = TypeVar("Config")

# Exit statuses.
FINISHED, CRASHED, BAD_INPUT, TOO_MANY_BAD_STEPS, HUNG, BAD_NODE = 0, 1, 2, 3, 4, 5
FINAL = (FINISHED, BAD_INPUT, TOO_MANY_BAD_STEPS)  # of a training: the same command would end the same way
SIGNAL_BASE = 128  # 128 + N: stopped by signal N; the same command resumes
UNNAMEABLE = {errno.ENAMETOOLONG, errno.ELOOP}  # of a path that no command can look for
INTERRUPTED = SIGNAL_BASE + signal.SIGINT


def print_or_write(text: str, output: Path | None) -> None:
    """A command's result: printed, or written to the file that --output names."""
    if output is None:
        print(text, end="")
        return
    with replacing(output) as file:
        file.write(text.encode())
    print(f"written to {output}")


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
    show_readably(config_type)
    return tyro.cli(  # type: ignore[call-overload]  # its overloads know no optional default
        config_type,
        prog=prog,
        description=description,
        args=args,
        use_underscores=True,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        **({} if default is None else {"default": default}),
    )


def check_device_word(config_type: Any, args: Sequence[str]) -> None:
    """UserError for a --device that other programs take; the parser refuses everything else with a list of the choices."""
    word = re.search(r"^--device[=\n](.*)$", "\n".join(args), re.MULTILINE)
    if word is None or not any(flag.name == "--device" for group in groups(config_type) for flag in group.flags):
        return
    name = word[1].lower()
    if name == "mps":
        raise UserError(
            f"--device {word[1]}: Apple's GPUs are not supported, as nothing was run on one; use --device cpu"
        )
    if card := re.fullmatch(r"(?:cuda|gpu)?:?(\d+)", name):
        raise UserError(
            f"--device {word[1]}: choose the card by CUDA_VISIBLE_DEVICES={card[1]}, and give --device cuda"
        )


def check_lengths(args: Sequence[str]) -> None:
    """UserError for an argument of thousands of letters, which the parser would repeat on a hundred lines."""
    for before, arg in zip(("", *args), args, strict=False):
        flag = f"{before} " if before.startswith("--") and not arg.startswith("--") else ""
        require(
            len(arg) <= LONGEST_PATH,
            f"{flag}{arg[:60]}...: has {len(arg)} letters; give at most {LONGEST_PATH}, which is the longest path",
        )


def exit_status(error: BaseException) -> int:
    """Of a process that ends with this error."""
    if isinstance(error, USER_ERRORS) or isinstance(error, OSError) and error.errno in DISK_FULL:
        return BAD_INPUT
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else CRASHED


def as_typed(prog: str) -> str:
    """`prog`, such as "python -m litemono.train", or "litemono train" where the user typed that.

    litemono/__main__.py then leaves the typed name in sys.argv[0]. What follows the module in `prog` is kept.
    """
    typed = sys.argv[0]
    if not typed.startswith(("litemono ", "python -m litemono ")):
        return prog
    return re.sub(r"^(python -m )?[\w.]+", typed, prog, count=1)


def one_sentence(message: str, args: Sequence[str]) -> str:
    """Without the middle of single words that are longer than any path: values that a message repeats. Line breaks and
    other control characters of values in `args` are shown as \\n."""
    for arg in args:
        value = arg.partition("=")[2] if arg.startswith("--") else arg
        if value and not value.isprintable():
            message = message.replace(value, value.encode("unicode_escape").decode())
    return re.sub(r"(\S{100})\S{800,}(\S{20})", r"\1...\2", message)


def print_any_name() -> None:
    """A file's name that is no text in the terminal's encoding is printed with escapes, not an error. Where a stream was closed
    by the shell (`>&-`), what is printed is dropped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(text: str) -> None:
    """Print on stderr. A log that cannot be written changes no exit status."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def leave(status: int, prog: str) -> NoReturn:
    """Exit with this status; a result that could not be printed is an error. Python itself would exit with 120, which is no
    status of ours, because of what stays in the buffer of an output that is full or closed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # not a file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if status == FINISHED and stream is sys.stdout:
                status = unprinted(error, prog)
    sys.exit(status)


def unprinted(error: OSError, prog: str) -> int:
    """Say that stdout takes nothing; returns the exit status. A pipe whose reader has seen enough is silent."""
    if not isinstance(error, BrokenPipeError):
        complain(f"{prog}: error: the output cannot be written ({error.strerror}); send it to another place")
    return exit_status(error)


def limit_umask() -> None:
    """Whatever the umask allows, nothing that this process writes may be changed by everyone."""
    os.umask(os.umask(0o077) | 0o002)


def note_start() -> None:
    """Write $LITEMONO_STARTED_FILE, by which the end of a batch script tells our exit statuses from srun's."""
    file = os.environ.get("LITEMONO_STARTED_FILE")
    if file:
        with contextlib.suppress(OSError):
            Path(file).touch()


def enter_folder() -> None:
    """Change to $LITEMONO_FOLDER, where relative paths start: a job begins in the copy of the code from which it runs."""
    folder = os.environ.pop("LITEMONO_FOLDER", None)
    if folder:
        os.chdir(folder)


class Parts(NamedTuple):
    """What a command is made of."""

    function: Callable[[Any], object]
    """Its docstring is the head of --help."""
    settings: Any
    """The dataclass of its flags, or a union of them that is chosen by a word."""


_asked: list[Parts] | None = None  # while parts_of looks: run adds to it instead of running


def parts_of(main: Callable[[], None], argv: Sequence[str]) -> Parts:
    """What a command's main() would run; for documentation and completion. argv: as typed, such as ["litemono train"]."""
    global _asked
    before, sys.argv, _asked = sys.argv, [*argv], []
    try:
        main()
        return _asked[0]
    finally:
        sys.argv, _asked = before, None


def run(
    function: Callable[[Config], object],
    config_type: type[Config],
    prog: str,
    defaults: Callable[[Sequence[str]], Config] | None = None,
) -> None:
    """Parse, call, and leave: `function`'s docstring is the head of --help; it may return an exit status.

    prog: the command as `python -m` starts it. defaults: arguments -> what flags leave open, where arguments decide that, such
    as --recipe. An error that the user can correct is printed as one sentence on stderr; the
    exit status is then 2.
    """
    if _asked is not None:
        _asked.append(Parts(function, config_type))
        return
    limit_umask()
    print_any_name()
    prog = as_typed(prog)
    note_start()
    enter_folder()
    try:
        check_lengths(sys.argv[1:])
        check_device_word(config_type, sys.argv[1:])
        default = None if defaults is None else defaults(sys.argv[1:])
        config = parse(config_type, prog, inspect.cleandoc(function.__doc__ or ""), default=default)
        check_paths(config)
        check_numbers(config)
        choose_waiting()
        status = function(config)
    except USER_ERRORS as error:
        complain(f"{prog}: error: {one_sentence(str(error), sys.argv[1:])}")
        status = BAD_INPUT
    except OSError as error:
        status = of_system(error, prog)
    except KeyboardInterrupt:
        complain(f"{prog}: interrupted")
        status = INTERRUPTED
    except SystemExit as left:
        status = left.code
        if status is not None and not isinstance(status, int):
            raise
    leave(status if isinstance(status, int) else 0, prog)


def of_system(error: OSError, prog: str) -> int:
    """Say what the system refused, as far as a user can correct it; returns the exit status."""
    if isinstance(error, BrokenPipeError) or error.errno in DISK_FULL and error.filename is None:
        return unprinted(error, prog)
    if error.errno not in UNNAMEABLE:
        raise error
    complain(f"{prog}: error: {str(error.filename)[:100]}: {error.strerror}; give another path")
    return BAD_INPUT
