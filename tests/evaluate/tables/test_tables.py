"""Our results beside the paper's."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import processes
import pytest
from tiny_kitti import assert_refused, invoke, snapshot

from evaluate.protocol import EIGEN_METRICS, PRESETS
from evaluate.results import Result
from evaluate.tables import published
from evaluate.tables.__main__ import main
from litemono.metrics import NINE

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

NINE_VALUES = dict(zip(NINE, (0.9, 0.96, 0.98, 0.1, 0.5, 3.5, 0.15, 12.0, 0.04), strict=True))


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


def rows_under(text: str, start: str) -> dict[str, list[str]]:
    """The rows of the Markdown table whose title starts so, in order: label -> input, params, MACs and numbers."""
    block = next(block for block in text.split("### ") if block.startswith(start))
    lines = [line for line in block.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("*"): row[1:] for row in cells}


def numbers_in(part) -> list[float]:
    """Every metric of a kit's tables, wherever it stands."""
    if not isinstance(part, list | dict):
        return []
    if isinstance(part, list):
        return [value for item in part for value in numbers_in(item)]
    names = {"abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "log10", *(f"{x}{n}" for x in "ad" for n in (1, 2, 3))}
    own = [value for name, value in part.items() if name in names and value is not None]
    return own + [value for item in part.values() for value in numbers_in(item)]


def test_every_number_of_both_kits_is_in_the_table_of_published_results(parity, parity_supervised):
    """A kit made with other seeds need not have the published tables again."""
    ours = Counter(value for row in published.rows() for value in row.metrics.values())
    recorded = [path for kit in (parity, parity_supervised) if (path := kit / "published_results.json").is_file()]
    for path in recorded:
        missing = set(numbers_in(json.loads(path.read_text()))) - ours.keys()
        assert not missing, path
    if parity / "published_results.json" not in recorded:
        pytest.skip(f"{parity} has no published tables")
    paper = {(row.network, row.size, row.imagenet_backbone): row for row in published.rows() if row.network}
    for row in json.loads((parity / "published_results.json").read_text())["rows"]:
        found = paper[row["model"], row["size"], row["imagenet_backbone"]].metrics
        expected = [row[name.replace("d", "a") if name in ("d1", "d2", "d3") else name] for name in EIGEN_METRICS]
        assert [found[name] for name in EIGEN_METRICS] == expected


def test_every_published_row_has_a_source_and_a_known_protocol_or_a_reason():
    for row in published.rows():
        assert row.source and row.metrics, row
        assert row.protocol in PRESETS or (row.protocol is None and row.not_comparable), row


def test_ours_stand_among_the_published_rows_best_first_with_the_difference(runs, tables):
    outcome = tables("--runs", runs, "--format", "markdown")
    assert outcome.code == 0 and outcome.err == ""
    rows = rows_under(outcome.out, "eigen, 697 images; protocol eigen: Garg crop")
    ours = ["640x192", "", "", "0.109", "0.700", "4.561", "0.200", "0.900", "0.963", "0.983"]
    assert rows["big_run/weights_9"] == rows["big_run/weights_29"] == ours
    labels = list(rows)
    below = labels[labels.index("big_run/weights_9") + 1]
    assert below == "minus lite-mono"
    assert rows[below][3:] == ["+0.002", "-0.065", "+0.000", "+0.017", "+0.014", "+0.000", "+0.000"]
    assert labels[labels.index("scratch/best_abs_rel") + 1] == "minus lite-mono, no ImageNet"
    assert rows["minus lite-mono, no ImageNet"][3] == "-0.012"
    lines = csv.DictReader(io.StringIO(tables("--runs", runs, "--format", "csv").out))
    order = [float(line["abs_rel"]) for line in lines if line["kind"] in ("ours", "published")
             and line["protocol"].startswith("eigen, 697 images; protocol eigen: Garg")]  # fmt: skip
    assert order == sorted(order) and len(order) > 60


def test_what_is_not_comparable_is_listed_with_the_reason(runs, tables):
    for index, change in enumerate(({"median_scaling": False}, {"pred_depth_scale": 5.4}, {"evaluated": 690})):
        save(runs, f"big_run/models/weights_29/eval_{index}.json", **change)
    text = tables("--runs", runs, "--format", "markdown").out
    titles = {
        "eigen, 697 images; protocol eigen (changed): Garg crop, cap 80 m, no alignment": "alignment is none",
        "eigen, 697 images; protocol eigen (changed): Garg crop, cap 80 m, median scaling per image, depth times 5.4":
            "pred_depth_scale is 5.4",
        "eigen, 690 images": "published are 697 images",
        "mine, 5 images": "published are 697 images",
    }  # fmt: skip
    for title, reason in titles.items():
        block = next(block for block in text.split("### ") if block.startswith(title))
        assert (
            len(rows_under(text, title)) == 1 and f"not comparable: no published row was measured so: {reason}" in block
        )
    assert "monodepth2 stereo (nianticlabs/monodepth2 README.md): trained with stereo pairs" in text


def test_named_protocols_stand_beside_their_own_published_rows(runs, tables):
    for name, protocol in (("a", PRESETS["eigen"]), ("b", PRESETS["eigen-50m"]), ("c", PRESETS["eval-with-pngs"])):
        changes = {"evaluated": 652, "split": "eigen_benchmark", "all_metrics": NINE_VALUES} if name == "c" else {}
        save(runs, f"{name}/models/last/eval_eigen.json", protocol=dataclasses.asdict(protocol), **changes)
    text = tables("--runs", runs, "--format", "markdown").out
    assert "a/last" in rows_under(text, "eigen, 697 images; protocol eigen: Garg")
    assert list(rows_under(text, "eigen, 697 images; protocol eigen-50m")) == ["b/last"]
    supervised = rows_under(text, "eigen_benchmark, 652 images; protocol eval-with-pngs")
    assert supervised["c/last"][3:] == [f"{value:.3f}" for value in NINE_VALUES.values()]
    assert any("BTS ResNext101" in label for label in supervised)
    assert not any("MIX6" in label for label in supervised), "a relative map without alignment"
    assert "a relative map written as metres without alignment" in text


def test_nyu_stands_beside_rows_of_nyus_window(runs, tables):
    parts = {"evaluated": 654, "split": "nyu_test", "data": "nyu", "all_metrics": NINE_VALUES}
    save(runs, "d/models/last/eval_nyu.json", protocol=dataclasses.asdict(PRESETS["eval-with-pngs-nyu"]), **parts)
    rows = rows_under(
        tables("--runs", runs, "--format", "markdown").out, "nyu_test, 654 images; protocol eval-with-pngs-nyu: NYU"
    )
    assert "d/last" in rows and len(rows) > 5


def test_parameters_macs_and_intervals_have_their_places(runs, tables):
    ends = {name: (value - 0.01, value + 0.01) for name, value in NINE_VALUES.items()}
    save(runs, "full/models/last/eval_eigen.json", params=3_074_747, macs=5_030_000_000, all_metrics=NINE_VALUES,
         intervals={"images": ends, "drives": None})  # fmt: skip
    rows = rows_under(tables("--runs", runs / "full", "--format", "markdown").out, "eigen, 697 images")
    assert rows["full/last"][:3] == ["640x192", "3.1", "5.03"]
    assert rows["95 % interval over images"][3] == "0.090-0.110"


def test_csv_has_one_line_for_each_row(runs, tables):
    lines = list(csv.DictReader(io.StringIO(tables("--runs", runs, "--format", "csv").out)))
    ours = [line for line in lines if line["label"] == "big_run/weights_29"]
    assert {line["abs_rel"] for line in ours} == {"0.109"} and len(ours) == 2
    assert any(line["kind"] == "not comparable" for line in lines)


def test_all_published_rows_are_shown_when_asked_for(runs, tables):
    few, everything = (tables("--runs", runs, "--format", "csv", *more).out for more in ((), ("--published",)))
    for name in ("Depth Anything L", "MiDaS v3.1 BEiT_L-512", "BTS DenseNet161", "VDA-L-Metric"):
        assert name not in few and name in everything


def test_weights_of_unknown_origin_are_marked(runs, tables):
    save(runs, "downloaded/models/published/eval_eigen.json", imagenet_backbone=None)
    labels = list(
        rows_under(tables("--runs", runs, "--format", "markdown").out, "eigen, 697 images; protocol eigen: Garg")
    )
    assert "downloaded/published (ImageNet?)" in labels


def test_one_run_folder_is_enough(runs, tables):
    text = tables("--runs", runs / "scratch").out
    assert "scratch/best_abs_rel" in text and "big_run" not in text


def test_sweeps_and_links_to_other_disks_are_found_under_the_names_they_have_here(runs, tables, tmp_path):
    save(runs, "sweep/lr=1e-4/models/last/eval_eigen.json")
    save(tmp_path, "disk/job_4711/models/last/eval_eigen.json")
    (runs / "mytrain").symlink_to(tmp_path / "disk/job_4711")
    labels = list(
        rows_under(tables("--runs", runs, "--format", "markdown").out, "eigen, 697 images; protocol eigen: Garg")
    )
    assert {"sweep/lr=1e-4/last", "mytrain/last", "big_run/weights_29"} <= set(labels)
    assert not any("4711" in label or label == "big_run/last" for label in labels)


def test_the_terminal_table_has_everything_without_cutting_names(runs, command):
    name = "a_run_[1]_with_a_long_name"
    save(runs, f"{name}/models/weights_29/eval_eigen.json")
    done = command("evaluate.tables.__main__", "--runs", runs)
    assert done.returncode == 0 and done.stderr == ""
    assert f"{name}/weights_29 " in done.stdout
    assert "\x1b" not in done.stdout, "no colours in a file"
    assert "] noahzn/Lite-Mono README.md" in done.stdout and "+0.002" in done.stdout


def test_files_are_written_whole_with_their_folders(runs, tables, tmp_path):
    output = tmp_path / "paper" / "table.txt"
    outcome = tables("--runs", runs, "--output", output)
    assert outcome.code == 0 and str(output) in outcome.out
    assert output.read_text() == tables("--runs", runs).out
    assert snapshot(output.parent) == {"table.txt"}


def test_latex_is_balanced_and_escapes_names(runs, tables):
    save(runs, "50%_a&b/models/weights_0/eval_eigen.json")
    text = tables("--runs", runs, "--format", "latex").out
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert r"50\%\_a\&b/weights\_0 & 640x192 &  &  & 0.109" in text and "$-0.065$" in text
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert line.replace(r"\&", "").count("&") == 10
    code = "".join(line for line in text.splitlines() if not line.startswith("%"))
    assert code.replace(r"\{", "").count("{") == code.replace(r"\}", "").count("}")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(runs, tables, tmp_path):
    assert tables("--runs", runs, "--format", "latex", "--output", tmp_path / "table.tex").code == 0
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table}\\end{document}"
    )
    assert processes.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path).returncode == 0


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "text",
    [
        '{"split": "eig',
        "[]",
        "3",
        '{"split": "eigen"}',
        json.dumps({**dataclasses.asdict(PUBLISHED), "metrics": {}}),
        json.dumps({**dataclasses.asdict(PUBLISHED), "split": 3}),
        json.dumps({**dataclasses.asdict(PUBLISHED), "params": 10**400}),
        json.dumps({**dataclasses.asdict(PUBLISHED), "intervals": {"images": {"abs_rel": 0.1}}}),
        json.dumps({**dataclasses.asdict(PUBLISHED), "protocol": {"name": "eigen", "headline": ["speed"]}}),
        json.dumps({**dataclasses.asdict(PUBLISHED), "protocol": {"name": "eigen", "crop": {}}}),
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
    done = command("evaluate.tables.__main__", "--runs", tmp_path, "--output", tmp_path / "t.md")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "no results" in done.stderr and "python -m evaluate --load_weights" in done.stderr
    assert snapshot(tmp_path) == set()
    assert_refused(tables("--runs", tmp_path / "nowhere"), "--runs", "nowhere", "the folder with the runs")
