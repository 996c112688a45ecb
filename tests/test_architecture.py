"""The rules of the house: which part may import which, and that flags are answered without torch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import processes
import pytest
from conftest import ROOT

from litemono.__main__ import COMMANDS

PACKAGES = ("litemono", "networks", "evaluate", "export_gt")
# predictions in files are judged without torch: evaluate.single too
WITHOUT_TORCH = [*(entry.module for entry in COMMANDS.values()), "evaluate.single"]


def modules() -> dict[str, Path]:
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports, also in functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[:-1]
            here = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*here, *([node.module] if node.module else [])])
            found |= {name for a in node.names if (name := f"{module}.{a.name}") in names}
            found |= {module} & names.keys()
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & names.keys()
    return found


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("litemono", ("evaluate", "export_gt")),
        ("networks", ("litemono", "evaluate", "export_gt")),
        ("litemono.engine", ("litemono.tasks", "litemono.losses", "litemono.data", "networks")),
        ("litemono.jobs", ("litemono.tasks.", "litemono.losses", "litemono.data", "networks")),
        ("litemono.losses", ("litemono.engine", "litemono.tasks", "litemono.data", "networks")),
        ("litemono.data", ("litemono.engine", "litemono.tasks", "litemono.losses", "litemono.jobs", "networks")),
        ("litemono.utils", ("litemono.engine", "litemono.tasks", "litemono.data", "litemono.jobs")),
    ],
)
def test_imports_go_one_way(part, forbidden):
    names = modules()
    wrong = [
        f"{name} imports {other}"
        for name, path in names.items()
        if (name + ".").startswith(part + ".")
        for other in imports(path, names)
        if any((other + ".").startswith(prefix.rstrip(".") + ".") for prefix in forbidden)
    ]
    assert not wrong


def check_no_circle(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_no_module_imports_itself_through_others():
    names = modules()
    check_no_circle({name: imports(path, names) - {name} for name, path in names.items()})


def test_no_folder_of_evaluate_imports_itself_through_others():
    """A folder counts as one, a module beside the folders too."""
    names = {name: path for name, path in modules().items() if name.startswith("evaluate.")}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        folder = ".".join(name.split(".")[:2])
        others = {".".join(other.split(".")[:2]) for other in imports(path, names)}
        graph[folder] = graph.get(folder, set()) | others - {folder}
    assert {"evaluate.scoring", "evaluate.sources", "evaluate.reports"} < graph.keys()
    check_no_circle(graph)


def test_the_help_of_a_command_needs_no_torch():
    code = f"""
import sys, importlib
for name in {WITHOUT_TORCH}:
    importlib.import_module(name)
assert "torch" not in sys.modules, "torch was imported before the flags are right"
"""
    done = processes.run([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_wrong_paths_of_evaluate_are_answered_without_torch(tmp_path):
    code = """
import sys
from evaluate.__main__ import main
try:
    main()
finally:
    assert "torch" not in sys.modules, "torch was imported before the paths are right"
"""
    folder = str(tmp_path)
    for flags, word in (
        (["--load_weights", "nowhere"], "--load_weights nowhere"),
        (["--load_weights", "nowhere", "--split", "odom_09"], "--load_weights nowhere"),
        (["--load_weights", folder, "--against", "nowhere"], "--against nowhere"),
        (["--load_weights", folder, "--split", "nowhere"], "--split nowhere"),
        (["--compare", folder, "nowhere", "--report", "r.html"], "--compare nowhere"),
    ):
        done = processes.run([sys.executable, "-c", code, *flags], cwd=ROOT)
        assert done.returncode == 2 and word in done.stderr, done.stderr


def test_data_sets_and_networks_are_compared_by_name_in_their_registries_only():
    from litemono.data.datasets.registry import DATASETS
    from networks import names

    quoted = {*DATASETS, *names()}
    wrong = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                constants = {
                    n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
                wrong += [f"{name}:{node.lineno} compares with {value!r}" for value in constants & quoted]
    assert not wrong
