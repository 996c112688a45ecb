"""python -m benchmarks.gpu: is it correct on this card, how fast, against what, and where does the time go?"""

from __future__ import annotations

import importlib.util
import sys
import textwrap

# Not part of common images with torch; the rest comes with torch and timm. tyro needs docstring_parser and typeguard,
# submitit cloudpickle.
PACKAGES = {
    "tyro": "tyro",
    "docstring_parser": "docstring-parser",
    "typeguard": "typeguard",
    "submitit": "submitit",
    "cloudpickle": "cloudpickle",
    "tensorboardX": "tensorboardX",
    "timm": "timm",
    "rich": "rich",
    "cv2": "opencv-python-headless",
    "requests": "requests",
    "pytest": "pytest",
    "hypothesis": "hypothesis",
}


def missing_packages() -> list[str]:
    """Names, as pip has them, of packages that this Python lacks."""
    return [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]


def how_to_carry(names: list[str]) -> str:
    """What to type where this machine has no internet."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return textwrap.dedent(f"""\
        python -m benchmarks.gpu: error: this Python lacks {", ".join(names)}. With internet:
            python -m pip install {" ".join(names)}
        Without: fetch the wheels where there is internet, and copy the folder here.
            python -m pip download --no-deps --only-binary=:all: --python-version {version} -d wheels {" ".join(names)}
            python -m pip install --no-index --no-deps --target site wheels/*.whl
            export PYTHONPATH=$PWD/site""")


if __name__ == "__main__":
    if absent := missing_packages():
        sys.exit(how_to_carry(absent))
    from benchmarks.gpu.session import main

    main()
