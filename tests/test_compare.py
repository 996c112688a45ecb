"""litemono.compare as a user runs it, on run folders of known results; the page is opened in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import opened
from tiny_kitti import assert_refused, invoke, snapshot

from litemono.compare import main
from litemono.jobs import slurm

BETTER = {"loss": "lower", "abs_rel": "lower", "d1": "higher"}
BATCHES = 20


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)


def write_run(
    folder: Path, abs_rel: list[float], *, task="SupervisedDepth", better=None, seed=0, samples="32", **flags
):
    """A finished run with one validation for each value: its batches scatter around the value, d1 is 1 - abs_rel."""
    folder.mkdir(parents=True)
    config = {"loss": {"loss": flags.pop("loss", "silog")}, "optim": {"lr": [1e-4], "batch_size": 4} | flags}
    config["run"] = {"seed": seed, "model_name": folder.name, "log_dir": str(folder.parent)}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "status.json").write_text(json.dumps({"state": "finished", "step": 8, "total_steps": 8}))
    scatter = np.random.default_rng(5).normal(0, 0.02, BATCHES)
    scatter -= scatter.mean()
    for epoch, value in enumerate(abs_rel):
        weights = folder / f"models/weights_{epoch}"
        weights.mkdir(parents=True)
        results = {"loss": 2 * value, "abs_rel": value, "d1": 1 - value}
        (weights / "validation.json").write_text(
            json.dumps({"epoch": epoch, "task": task, "better": better or BETTER, "validation": results})
        )
        noise = 2e-3 * np.random.default_rng(seed).normal(0, 1, BATCHES)
        parts = {name: [[4 * (result + s + n), 4.0] for s, n in zip(scatter, noise - noise.mean(), strict=True)]
                 for name, result in results.items()}  # fmt: skip
        (weights / "validation_batches.json").write_text(
            json.dumps({"samples": samples, "batch_size": 4, "processes": 1, "batches": parts})
        )
    return folder


@pytest.fixture
def sweep(tmp_path):
    folder = tmp_path / "sweep"
    write_run(folder / "lr=1e-3", [0.3, 0.2, 0.25], lr=[1e-3])
    write_run(folder / "lr=1e-4", [0.21, 0.201], lr=[1e-4])
    write_run(folder / "lr=1e-5", [0.4, 0.35], lr=[1e-5])
    return folder


@pytest.fixture
def compare(capsys):
    return lambda *args: invoke(main, capsys, *args)


def rows_of(compare, folder: Path, *args) -> list[dict[str, str]]:
    done = compare("--log_dir", folder, "--format", "csv", *args)
    assert done.code == 0, done
    return [*csv.DictReader(done.out.splitlines())]


def test_flags_that_change_no_result_are_no_columns(compare, tmp_path):
    write_run(tmp_path / "sweep/a", [0.3], lr=[1e-3], profile=None, log_every=50)
    write_run(tmp_path / "sweep/b", [0.2], lr=[1e-4], profile=20, log_every=1)
    assert {"lr", "profile", "log_every"} & {*rows_of(compare, tmp_path / "sweep")[0]} == {"lr"}


def test_each_run_stands_at_its_best_epoch_best_first_with_its_swept_flags(compare, sweep):
    rows = rows_of(compare, sweep)
    assert [(row["run"], row["epoch"], row["epochs"]) for row in rows] == [
        ("lr=1e-3", "2", "3"), ("lr=1e-4", "2", "2"), ("lr=1e-5", "2", "2")
    ]  # fmt: skip
    assert [row["lr"] for row in rows] == ["0.001", "0.0001", "1e-05"] and "batch_size" not in rows[0]
    assert [row["best"] for row in rows] == ["abs_rel loss d1", "", ""]
    assert float(rows[0]["abs_rel"]) == 0.2


def test_intervals_are_of_the_mean_over_batches_and_differences_are_paired(compare, sweep):
    first, second, third = rows_of(compare, sweep)
    low, high = float(first["abs_rel_low"]), float(first["abs_rel_high"])
    standard_error = 0.02 / BATCHES**0.5
    assert low < 0.2 < high and 2.5 * standard_error < high - low < 5 * standard_error, "about 3.9 of them"
    assert (first["difference_low"], first["difference_high"]) == ("", "")
    low, high = float(second["difference_low"]), float(second["difference_high"])
    assert low <= 0.001 <= high and high - low < 1e-6, "the batches scatter alike, so 0.001 is certain"
    assert float(third["difference_low"]) > 0.1


def test_another_metric_may_rank_and_its_direction_is_the_tasks(compare, sweep):
    write_run(sweep / "lr=1e-2", [0.9], lr=[1e-2])
    assert [row["run"] for row in rows_of(compare, sweep, "--by", "d1")] == ["lr=1e-3", "lr=1e-4", "lr=1e-5", "lr=1e-2"]


def test_seeds_are_averaged_and_losses_of_different_terms_are_not_called_best(compare, tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / f"loss=silog_seed={seed}", [0.2 + seed / 100], seed=seed)
        write_run(tmp_path / f"loss=berhu_seed={seed}", [0.3 - seed / 100], seed=seed, loss="berhu")
    done = compare("--log_dir", tmp_path)
    assert "loss=silog, 3 seeds: abs_rel 0.2100 (0.2000 to 0.2200)" in done.out
    assert "loss=berhu, 3 seeds: abs_rel 0.2900 (0.2800 to 0.3000)" in done.out
    assert "its values are not comparable" in done.out
    best = next(row for row in rows_of(compare, tmp_path) if row["best"])
    assert best["best"] == "abs_rel d1" and best["seed"] == "0"


def test_results_on_test_images_are_those_of_the_epoch_that_validation_chose(compare, sweep):
    assert_refused(compare("--log_dir", sweep, "--test", "eigen"), "--test eigen", "--all_epochs --split eigen")
    for run, epoch, value in (("lr=1e-3", 1, 0.12), ("lr=1e-3", 2, 0.01), ("lr=1e-4", 1, 0.11)):
        found = {"all_metrics": {"abs_rel": value, "rmse": 4.5, "d1": 0.9}}
        found["intervals"] = {"images": {"abs_rel": [value - 0.01, value + 0.01]}}
        (sweep / run / f"models/weights_{epoch}/eval_eigen.json").write_text(json.dumps(found))
    first, second, third = rows_of(compare, sweep, "--test", "eigen")
    assert [first["eval_eigen/abs_rel"], second["eval_eigen/abs_rel"], third["eval_eigen/abs_rel"]] == [
        "0.12",
        "0.11",
        "",
    ]
    assert float(first["eval_eigen/abs_rel_low"]) == pytest.approx(0.11) and first["eval_eigen/rmse_low"] == ""
    assert "eval_eigen/abs_rel" in second["best"] and "eval_eigen/abs_rel" not in first["best"]


@pytest.mark.parametrize("format", ["terminal", "markdown"])
def test_the_best_is_marked_and_the_interval_is_explained(compare, sweep, format):
    done = compare("--log_dir", sweep, "--format", format)
    assert done.code == 0, done
    line = next(line for line in done.out.splitlines() if "lr=1e-3" in line)
    assert re.search(r"0\.2000 \(0\.19\d\d–0\.2[01]\d\d\)(\*\*| \*)", line)
    assert f"bootstrap over the {BATCHES} validation batches" in done.out and "another --seed" in done.out


def test_a_run_of_a_single_batch_or_an_older_version_has_a_result_without_interval(compare, sweep):
    (sweep / "lr=1e-4/models/weights_1/validation_batches.json").write_text("{")
    done = compare("--log_dir", sweep)
    assert done.code == 0 and "Without interval" in done.out
    assert rows_of(compare, sweep)[1]["abs_rel_low"] == ""


def test_other_sample_lists_unfinished_and_diverged_runs_are_told(compare, sweep):
    write_run(sweep / "other", [0.5], samples="16", lr=[3e-3])
    write_run(sweep / "diverged", [float("nan")], lr=[1.0])
    (sweep / "queued").mkdir()
    (sweep / "queued/job.json").write_text(json.dumps({"job_id": "7", "submitted": 1.0}))
    done = compare("--log_dir", sweep)
    assert "different lists of samples" in done.out
    assert "No result: diverged (no finite abs_rel), queued (queued)" in done.out


def test_what_cannot_be_compared_is_refused(compare, sweep, tmp_path):
    before = snapshot(tmp_path)
    output = ("--output", tmp_path / "out.html")
    assert_refused(compare("--log_dir", tmp_path / "nowhere", *output), "nowhere", "there is no run")
    assert_refused(compare("--log_dir", sweep, "--by", "iou", *output), "--by iou", "loss, abs_rel, d1")
    assert_refused(compare("--log_dir", sweep, "--metrics", "iou", *output), "--metrics iou", "loss, abs_rel, d1")
    assert_refused(compare("--log_dir", sweep, "--format", "html"), "--output FILE.html")
    assert_refused(compare("--log_dir", sweep, "--format", "csv", "--output", tmp_path), "cannot be written")
    assert snapshot(tmp_path) == before
    write_run(sweep / "other", [0.1], task="Monodepth")
    assert_refused(compare("--log_dir", sweep, *output), "different tasks", "finetune: lr=1e-3", "train: other")
    (sweep / "other").rename(tmp_path / "other")
    assert compare("--log_dir", sweep, *output).code == 0, "with the folder of one sweep"
    for folder in sweep.iterdir():
        shutil.rmtree(folder / "models")
    assert_refused(compare("--log_dir", sweep, *output), "no run has validated yet", "lr=1e-3 (finished)")


# ---------------------------------------------------------------- the page


SCRIPT = """<script>addEventListener("load", () => {
  const rows = document.querySelector("tbody").rows, titles = [...document.querySelectorAll("th")];
  const first = () => rows[0].cells[0].textContent;
  const before = first(), line = document.getElementById("run-1");
  document.querySelector("[data-run=run-1]").dispatchEvent(new Event("pointerenter"));
  titles.find(title => title.textContent == "lr").click();
  const wide = document.documentElement.scrollWidth > innerWidth;
  document.title = ["checked", before, first(), line.classList.contains("chosen"), wide].join(" ");
});</script></body>"""


@pytest.mark.parametrize(("width", "second_flag"), [(390, False), (1280, True)])
def test_the_page_opens_on_phone_and_desktop_sorts_and_finds_the_line_of_a_run(
    compare, sweep, tmp_path, width, second_flag
):
    if second_flag:
        write_run(sweep / "<i>", [0.5], lr=[1e-3], batch_size=8)
    path = tmp_path / "out.html"
    done = compare("--log_dir", sweep, "--format", "html", "--output", path)
    assert (done.code, done.out) == (0, f"written to {path}\n"), done
    page = path.read_text()
    assert page.count("<svg") == 2 and ("Parallel coordinates" in page) == second_flag and "<i>" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page), "self-contained"
    path.write_text(page.replace("</body>", SCRIPT))
    assert "<title>checked lr=1e-3 lr=1e-5 true false</title>" in opened(path, width)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("eval_eigen.json", {"all_metrics": {"abs_rel": 0.1}, "intervals": 0.5}),
        ("eval_eigen.json", {"all_metrics": {"abs_rel": 0.1}, "intervals": {"images": {"abs_rel": [0, 10**400]}}}),
        ("validation_batches.json", {"samples": ["a"], "batch_size": {}, "processes": 1, "batches": {}}),
        ("validation.json", {"epoch": 0, "better": {}, "validation": {"abs_rel": 10**400, "loss": 0.1}}),
    ],
)
def test_one_run_with_nonsense_in_its_results_leaves_the_others_compared(sweep, compare, file, change):
    """Of lr=1e-4, whose only whole validation is that of its second epoch."""
    path = sweep / "lr=1e-4/models/weights_0" / file
    path.write_text(json.dumps(change))
    for folder in sweep.glob("*/models/*"):
        if file != "eval_eigen.json" or folder != path.parent:
            (folder / "eval_eigen.json").write_text(json.dumps({"all_metrics": {"abs_rel": 0.3}}))
    done = compare("--log_dir", sweep, "--by", "loss", "--test", "eigen")
    assert done.code == 0 and all(name in done.out for name in ("lr=1e-3", "lr=1e-4", "lr=1e-5")), done.err
