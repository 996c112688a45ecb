"""The packages of a wheel; everything else is in pyproject.toml.

`evaluate/` is installed as `litemono_evaluate`: under its own name it would overwrite Hugging Face's library `evaluate`. Its
modules import each other relatively, so both names work. In the checkout it stays `python -m evaluate`.
"""

from setuptools import find_namespace_packages, setup

FOUND = find_namespace_packages(include=["litemono*", "networks*", "export_gt*", "benchmarks*", "splits"])

setup(
    packages=[*(name for name in FOUND if "egg-info" not in name), "litemono_evaluate"],
    package_dir={"litemono_evaluate": "evaluate"},
)
