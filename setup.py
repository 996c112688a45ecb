"""The packages of a wheel; everything else is in pyproject.toml.

`evaluate/` is installed as `litemono_evaluate`: under its own name it would overwrite Hugging Face's library `evaluate`. Its
modules import each other relatively, so both names work. In the checkout it stays `python -m evaluate`.
"""

from setuptools import find_namespace_packages, setup

FOUND = find_namespace_packages(include=["litemono*", "networks*", "export_gt*", "benchmarks*", "splits", "evaluate*"])
EVALUATE = {
    name.replace("evaluate", "litemono_evaluate", 1): name for name in FOUND if name.partition(".")[0] == "evaluate"
}

setup(
    packages=[*(name for name in FOUND if "egg-info" not in name and name not in EVALUATE.values()), *EVALUATE],
    package_dir={installed: name.replace(".", "/") for installed, name in EVALUATE.items()},
)
