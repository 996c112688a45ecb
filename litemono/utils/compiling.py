"""torch.compile as the commands use it: errors in one sentence, the same random numbers, results kept for the next start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litemono.utils.device import is_out_of_memory
from litemono.utils.errors import UserError

CACHE = "TORCHINDUCTOR_CACHE_DIR"
USERS_OWN = os.environ.get(CACHE)
VARIANTS = 64  # of one function that may be compiled: blocks of many widths share their code


@contextmanager
def compiler_errors() -> Iterator[None]:
    """Around what compiles: whatever torch raises becomes a UserError, except a lack of memory."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        # A missing compiler, Python without headers, a GPU too old for Triton: torch raises what it likes.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise UserError(
            f"--compile: torch cannot compile here ({type(error).__name__}: {reason}); it needs a C++ compiler and, on a "
            "GPU, Triton. Install them or load their module, or leave --compile out"
        ) from error


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Let torch keep compiled code below `folder`, where the next start finds it, from here to the end of the process.

    TORCHINDUCTOR_CACHE_DIR of the user's own wins. Where the block fails, a folder that was not there before is gone again.
    """
    if USERS_OWN:
        yield
        return
    missing = next((path for path in (*reversed(folder.parents), folder) if not path.exists()), None)
    os.environ[CACHE] = str(folder.absolute())
    try:
        yield
    except BaseException:
        if missing is not None:
            shutil.rmtree(missing, ignore_errors=True)
        raise


def prepare_torch() -> None:
    """Compiled code draws the random numbers of plain code, and may exist in as many variants as a network has blocks."""
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    inductor.fallback_random = True
    limit = "recompile_limit" if hasattr(dynamo, "recompile_limit") else "cache_size_limit"
    setattr(dynamo, limit, max(VARIANTS, getattr(dynamo, limit)))
