"""Our results beside the paper's."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tiny_kitti import assert_refused, invoke, snapshot

from evaluate.protocol import PRESETS, Protocol
from evaluate.results import Result
from evaluate.tables import PAPER, main

PUBLISHED = Result(
    split="eigen",
    gt_path="kitti/gt_depths_eigen.npz",
    images=697,
    evaluated=697,
    skipped=[],
    weights="runs/x/models/weights_29",
    predictions=None,
    model="lite-mono",
    height=192,
    width=640,
    min_depth=0.1,
    max_depth=100.0,
    imagenet_backbone=True,
    crop=True,
    median_scaling=True,
    pred_depth_scale=1.0,
    post_process=False,
    metrics={"abs_rel": 0.1094, "sq_rel": 0.7, "rmse": 4.561, "rmse_log": 0.2, "a1": 0.9, "a2": 0.9627, "a3": 0.983},
    scale_ratios={"median": 30.0, "std": 0.1},
)


def save(runs: Path, place: str, **changes) -> Path:
    """The result of an evaluation at runs/place, published settings with `changes`."""
    path = runs / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(dataclasses.replace(PUBLISHED, **changes))))
    return path


@pytest.fixture
def runs(tmp_path) -> Path:
    folder = tmp_path / "runs"
    save(folder, "big_run/models/weights_29/eval_eigen.json")
    save(folder, "big_run/models/weights_9/eval_eigen.json")
    save(folder, "scratch/models/best_abs_rel/eval_eigen.json", imagenet_backbone=False)
    save(
        folder, "street/models/weights_1/eval_mine.json", split="data/mine", images=5, evaluated=5, height=96, width=320
    )
    save(folder, "big_run/models/weights_29/eval_eigen_pp.json", post_process=True)
    (folder / "big_run" / "models" / "last").symlink_to("weights_29")
    return folder


@pytest.fixture
def tables(capsys):
    return lambda *args: invoke(main, capsys, *args)


def markdown_rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]


def rows_under(text: str, title: str) -> list[list[str]]:
    rows = markdown_rows(text)
    start = next(i for i, row in enumerate(rows) if row[0] == f"**{title}**")
    end = next((i for i in range(start + 1, len(rows)) if rows[i][0].startswith("**")), len(rows))
    return rows[start + 1 : end]


def test_the_papers_rows_are_the_published_ones(parity):
    published = json.loads((parity / "published_results.json").read_text())
    ours = json.loads(PAPER.read_text())
    assert ours["rows"] == published["rows"] and ours["protocol"] == published["protocol"]
    assert len(ours["rows"]) == 9


def test_each_result_stands_below_its_row_of_the_paper_with_the_difference(runs, tables):
    outcome = tables("--runs", runs, "--format", "markdown")
    assert outcome.code == 0 and outcome.err == ""
    ours = ["0.109", "0.700", "4.561", "0.200", "0.900", "0.963", "0.983"]
    difference = ["+0.002", "-0.065", "+0.000", "+0.017", "+0.014", "+0.000", "+0.000"]
    assert rows_under(outcome.out, "lite-mono 640x192") == [
        ["paper", "0.107", "0.765", "4.561", "0.183", "0.886", "0.963", "0.983"],
        ["big_run/weights_9", *ours],
        ["difference", *difference],
        ["big_run/weights_29", *ours],
        ["difference", *difference],
    ]
    rows = rows_under(outcome.out, "lite-mono 640x192, no ImageNet")
    assert [row[0] for row in rows] == ["paper", "scratch/best_abs_rel", "difference"]
    assert rows[2][1] == "-0.012"
    assert len(rows_under(outcome.out, "lite-mono-8m 1024x320")) == 1, "the paper alone"


def test_other_protocols_are_not_compared_with_the_paper(runs, tables):
    changes = {
        "no median scaling": {"median_scaling": False},
        "depth x5.4": {"pred_depth_scale": 5.4},
        "eigen (690 images)": {"evaluated": 690},
    }
    for index, change in enumerate(changes.values()):
        save(runs, f"big_run/models/weights_29/eval_{index}.json", **change)
    text = tables("--runs", runs, "--format", "markdown").out
    for words in (*changes, "flip post-processing"):
        assert [row[0] for row in rows_under(text, f"lite-mono 640x192, {words}")] == ["big_run/weights_29"]
    assert [row[0] for row in rows_under(text, "lite-mono 320x96, mine (5 images)")] == ["street/weights_1"]


def test_named_and_changed_protocols_have_their_own_groups(runs, tables):
    for name, protocol in (("a", PRESETS["eigen"]), ("b", PRESETS["eigen-50m"]), ("c", Protocol(cap=60.0))):
        save(runs, f"{name}/models/last/eval_eigen.json", protocol=dataclasses.asdict(protocol))
    text = tables("--runs", runs, "--format", "markdown").out
    assert "a/last" in [row[0] for row in rows_under(text, "lite-mono 640x192")]
    assert [row[0] for row in rows_under(text, "lite-mono 640x192, protocol eigen-50m")] == ["b/last"]
    assert [row[0] for row in rows_under(text, "lite-mono 640x192, cap 60.0")] == ["c/last"]


def test_weights_of_unknown_origin_are_marked(runs, tables):
    save(runs, "downloaded/models/published/eval_eigen.json", imagenet_backbone=None)
    labels = [row[0] for row in rows_under(tables("--runs", runs, "--format", "markdown").out, "lite-mono 640x192")]
    assert "downloaded/published (ImageNet?)" in labels


def test_one_run_folder_is_enough(runs, tables):
    text = tables("--runs", runs / "scratch").out
    assert "scratch/best_abs_rel" in text and "big_run" not in text


def test_sweeps_and_links_to_other_disks_are_found_under_the_names_they_have_here(runs, tables, tmp_path):
    save(runs, "sweep/lr=1e-4/models/last/eval_eigen.json")
    save(tmp_path, "disk/job_4711/models/last/eval_eigen.json")
    (runs / "mytrain").symlink_to(tmp_path / "disk/job_4711")
    labels = [row[0] for row in rows_under(tables("--runs", runs, "--format", "markdown").out, "lite-mono 640x192")]
    assert {"sweep/lr=1e-4/last", "mytrain/last", "big_run/weights_29"} <= set(labels)
    assert not any("4711" in label or label == "big_run/last" for label in labels)


def test_the_terminal_table_has_everything_without_cutting_names(runs, command):
    name = "a_run_[1]_with_a_long_name"
    save(runs, f"{name}/models/weights_29/eval_eigen.json")
    done = command("evaluate.tables", "--runs", runs)
    assert done.returncode == 0 and done.stderr == ""
    assert f"  {name}/weights_29  " in done.stdout
    assert "\x1b" not in done.stdout, "no colours in a file"
    assert done.stdout.count("paper") == 9 and "+0.002" in done.stdout


def test_files_are_written_whole_with_their_folders(runs, tables, tmp_path):
    output = tmp_path / "paper" / "table.txt"
    outcome = tables("--runs", runs, "--output", output)
    assert outcome.code == 0 and str(output) in outcome.out
    assert output.read_text() == tables("--runs", runs).out
    assert snapshot(output.parent) == {"table.txt"}


def test_latex_is_balanced_and_escapes_names(runs, tables):
    save(runs, "50%_a&b/models/weights_0/eval_eigen.json")
    text = tables("--runs", runs, "--format", "latex").out
    lines = text.strip().splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrrr}" and lines[-1] == r"\end{tabular}"
    assert r"\quad 50\%\_a\&b/weights\_0 & 0.109" in text and "$-0.065$" in text
    for line in lines:
        if line.startswith((r"\quad", " &")):
            assert line.replace(r"\&", "").count("&") == 7 and line.endswith(r"\\")
    assert text.replace(r"\{", "").count("{") == text.replace(r"\}", "").count("}")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(runs, tables, tmp_path):
    assert tables("--runs", runs, "--format", "latex", "--output", tmp_path / "table.tex").code == 0
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table}\\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, env=os.environ)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "text",
    [
        '{"split": "eig',
        "[]",
        "3",
        '{"split": "eigen"}',
        json.dumps({**dataclasses.asdict(PUBLISHED), "metrics": {}}),
        "\0",
    ],
)
def test_broken_results_are_named_and_left_out(runs, tables, text):
    path = save(runs, "broken/models/weights_0/eval_eigen.json")
    path.write_text(text)
    outcome = tables("--runs", runs, "--format", "markdown")
    assert outcome.code == 0 and "big_run/weights_29" in outcome.out and "broken" not in outcome.out
    assert outcome.err.startswith("warning: ") and str(path) in outcome.err and len(outcome.err.splitlines()) == 1


def test_nothing_to_show_names_the_way_out(tmp_path, command, tables):
    done = command("evaluate.tables", "--runs", tmp_path, "--output", tmp_path / "t.md")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "no results" in done.stderr and "python -m evaluate --load_weights" in done.stderr
    assert snapshot(tmp_path) == set()
    assert_refused(tables("--runs", tmp_path / "nowhere"), "--runs", "nowhere", "--log_dir")
