"""What CONTRIBUTING.md, SECURITY.md and the files of the repository's host promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from litemono import __version__
from litemono.__main__ import COMMANDS

PACKAGES = ("litemono", "networks", "evaluate", "export_gt")


def calls() -> list[tuple[str, str, dict[str, object]]]:
    """(place, "torch.load" and the like, constant keyword arguments) of every call in the packages."""
    found = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                keywords = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), keywords))
    return found


LISTINGS = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("__init__.py"))
    if re.search(r"^ *\w+\.py", ast.get_docstring(ast.parse(path.read_text())) or "", re.MULTILINE)
]


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_the_list_of_a_folders_files_is_complete(path):
    listed = set(re.findall(r"(?<![\w/])\w+\.py", ast.get_docstring(ast.parse(path.read_text())) or ""))
    there = {other.name for other in path.parent.glob("*.py")} - {"__init__.py"}
    assert there <= listed | {"__main__.py"}, f"not listed: {sorted(there - listed)}"
    assert [name for name in sorted(listed) if not any(path.parent.rglob(name))] == []


def test_no_file_is_unpickled():
    loads = [(place, keywords) for place, name, keywords in calls() if name == "torch.load"]
    assert loads and all(keywords.get("weights_only") is True for _, keywords in loads), loads
    unsafe = [
        place
        for place, name, keywords in calls()
        if name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "eval", "exec", "os.system")
        or keywords.get("allow_pickle") is True
        or keywords.get("shell") is True
    ]
    assert not unsafe


def test_the_files_that_security_names_are_there():
    named = re.findall(r"`((?:litemono|networks|evaluate|export_gt)/[\w/.]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 5 and all((ROOT / name).exists() for name in named), named


def test_the_version_is_the_same_everywhere():
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == __version__


def test_ci_runs_the_script_that_also_runs_by_hand():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in steps and {"make lint", "make docs", "make test"} <= {*steps}


def test_commits_are_checked_by_the_tools_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    assert [hook["entry"] for hook in hooks] == re.findall(r"\.venv/bin/[a-z]+(?: check| format --check)?", lint)


@pytest.mark.parametrize("template", ["bug", "cluster"])
def test_an_issue_asks_for_the_doctor(template):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{template}.yml").read_text())
    field = next(field for field in form["body"] if field["id"] == "doctor")
    assert "litemono doctor --report" in field["attributes"]["label"] and field["validations"]["required"]
    assert len({field["id"] for field in form["body"]}) == len(form["body"])


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/extending.md"])
def test_commands_in_a_document_exist(document):
    text = (ROOT / document).read_text()
    modules = re.findall(r"python -m ((?:litemono|evaluate|export_gt)[\w.]*)", text)
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or Path(path, "__main__.py").is_file(), module
    assert {name for name in re.findall(r"`litemono ([a-z-]+)", text) if not name.startswith("-")} <= {*COMMANDS}


def sentences(markdown: str) -> list[str]:
    """Of the text: without code blocks, table rulers and addresses; a table's cell and a list's entry end a sentence."""
    text = re.sub(r"^( {4}.*|```.*?```|!\[.*)$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"\n\n|\n(?=- |\||#)|\|", " . ", text)
    return [part for part in re.split(r"[.!?]\s", text.replace("\n", " ")) if part.strip()]


def test_no_sentence_of_the_readme_is_longer_than_30_words():
    long = [part.strip() for part in sentences((ROOT / "README.md").read_text()) if len(part.split()) > 30]
    assert not long


def test_the_sentence_test_finds_a_long_one():
    assert len(sentences("One two. Three [four](https://a.b/c) five.\n\n- six\n- seven | eight | nine\n")) == 6
    assert max(len(part.split()) for part in sentences("word " * 31 + ".\n\nshort.")) == 31
