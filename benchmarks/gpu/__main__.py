"""python -m benchmarks.gpu: is it correct on this card, how fast, against what, and where does the time go?"""

from __future__ import annotations

import importlib.util
import sys
import textwrap

# What the parts import, by module. torch brings jinja2 and typing_extensions; tyro needs docstring_parser and typeguard,
# submitit cloudpickle, rich the two of markdown and pygments, hypothesis sortedcontainers.
PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "PIL": "pillow",
    "matplotlib": "matplotlib",
    "skimage": "scikit-image",
    "safetensors": "safetensors",
    "huggingface_hub": "huggingface_hub",
    "google.protobuf": "protobuf",
    "tyro": "tyro",
    "docstring_parser": "docstring-parser",
    "typeguard": "typeguard",
    "submitit": "submitit",
    "cloudpickle": "cloudpickle",
    "tensorboardX": "tensorboardX",
    "timm": "timm",
    "rich": "rich",
    "markdown_it": "markdown-it-py",
    "mdurl": "mdurl",
    "pygments": "pygments",
    "cv2": "opencv-python-headless",
    "requests": "requests",
    "urllib3": "urllib3",
    "pytest": "pytest",
    "hypothesis": "hypothesis",
    "sortedcontainers": "sortedcontainers",
}


def missing_packages() -> list[str]:
    """Names, as pip has them, of packages that this Python lacks."""
    return [name for module, name in PACKAGES.items() if not installed(module)]


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is absent
        return False


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
