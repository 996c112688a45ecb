"""python -m networks.timm_train TRAIN_PY [FLAGS]: timm's train script with Lite-Mono's encoders registered.

timm's wheels do not contain train.py; it is in timm's repository, at the tag of the release. slurm/pretrain_imagenet.sh names it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        given = f"{sys.argv[1]}: there is no such file" if len(sys.argv) > 1 else "give the path of timm's train.py"
        print(
            f"python -m networks.timm_train: error: {given}; slurm/pretrain_imagenet.sh says where it comes from",
            file=sys.stderr,
        )
        sys.exit(2)
    from networks import timm_models  # noqa: F401  # registers the models

    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
