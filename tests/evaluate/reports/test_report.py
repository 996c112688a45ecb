"""The HTML report of one evaluation, and of several side by side; opened in a real browser where there is one."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from browser import opened
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot, write_weights, write_world

from evaluate.__main__ import main
from export_gt import GroundTruth
from export_gt.__main__ import ExportConfig, export


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three images with ground truth, a run of two epochs, and disparities of other programs."""
    root = tmp_path_factory.mktemp("world")
    split = write_world(root, [0, 1, 2])
    export(ExportConfig(data_path=root, split=str(split)))
    settings = {"model": {"model": "lite-mono-tiny"}, "loss": {}, "note": "<script>alert(1)</script>"}
    for epoch in (0, 1):
        folder = write_weights(root / f"run/models/weights_{epoch}")
        (folder / "config.json").write_text(json.dumps(settings))
        (folder / "validation.json").write_text(
            json.dumps({"epoch": epoch, "validation": {"loss": 1.0 - epoch / 2, "abs_rel": 0.3 - epoch / 10}})
        )
    truth = GroundTruth(root / "gt_depths_split.npz")
    good = np.stack([1 / np.where(truth[index] > 0, truth[index], 30) for index in range(3)])
    np.save(root / "good.npy", good.astype("f4"))
    np.save(root / "poor.npy", good.astype("f4") ** 0.7)
    return root


@pytest.fixture
def evaluate(capsys, world):
    def run(*args):
        return invoke(main, capsys, "--data_path", world, "--split", world / "split", "--num_workers", 1, *args)

    return run


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_a_report_has_numbers_figures_pictures_curves_and_settings(world, evaluate, tmp_path):
    outcome = evaluate("--load_weights", world / "run/models/weights_1", "--report", tmp_path / "out.html")
    assert outcome.code == 0, outcome
    page = (tmp_path / "out.html").read_text()
    found = json.loads((world / "run/models/weights_1/eval_split.json").read_text())
    assert f"{found['metrics']['abs_rel']:.3f}" in page and "Garg crop, cap 80 m, median scaling per image" in page
    assert "M parameters" in page and "GMACs" in page
    assert page.count("<svg") == 5, "errors, error and bias over distance, scatter, training curve"
    assert len(pictures(page)) == 3 * 4, "image, prediction, truth, error of each of three images"
    assert all(picture.width == 640 and np.asarray(picture).std() > 1 for picture in pictures(page))
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page), "self-contained"
    assert sum(found["by_distance"]["pixels"]) == sum(found["per_image"]["pixels"])


def test_a_pasted_prediction_is_shown_in_its_place_with_nothing_around(capsys, tmp_path):
    shade = np.linspace(40, 4, 352, dtype="f4")[:, None].repeat(1216, 1)
    truth = np.zeros((375, 1242), np.float32)
    truth[23:, 13:1229] = shade
    for folder, values in (("gt", truth), ("pred", shade)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "1.npy", values)
    flags = ("--pred", tmp_path / "pred", "--pred_is", "depth", "--gt_path", tmp_path / "gt", "--protocol", "bts")
    assert invoke(main, capsys, *flags, "--report", tmp_path / "out.html").code == 0
    prediction = np.asarray(pictures((tmp_path / "out.html").read_text())[0].convert("L"), float)
    assert prediction[:8].max() < 10 < 40 < prediction[15:, 10:-10].mean()


def test_the_error_over_distance_is_that_of_the_pixels(evaluate, world, tmp_path):
    output = tmp_path / "e.json"
    assert evaluate("--pred", world / "good.npy", "--output", output, "--report", tmp_path / "r.html").code == 0
    table = json.loads(output.read_text())["by_distance"]
    assert max(table["abs_rel"]) < 1e-5 and min(table["d1"]) == 1
    assert table["from_m"] == sorted(table["from_m"]) and len(table["from_m"]) > 3


def test_several_are_side_by_side_with_a_slider_and_their_differences(world, evaluate, tmp_path):
    compared = (world / "run/models/weights_0", world / "good.npy", world / "poor.npy")
    outcome = evaluate("--compare", *compared, "--report", tmp_path / "out.html")
    assert outcome.code == 0, outcome
    page = (tmp_path / "out.html").read_text()
    assert page.count('class="slider"') == 3 * 2 and page.count('type="range"') == 3
    for name in ("run/weights_0", "good.npy", "poor.npy"):
        assert page.count(f">{name}<") >= 6, "a choice on both sides of each image"
    assert "abs_rel: " in page and "better, interval" in page and "better, interval" in outcome.out
    shown = pictures(page)
    assert len(shown) == 3 * (4 + 2), "two predictions and two errors, image and truth"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_comparison_opens_in_a_browser_on_phone_and_desktop(world, evaluate, tmp_path, width):
    script = """<script>addEventListener("load", () => {
      const box = document.querySelector(".compare"), range = box.querySelector("input");
      const [left, right] = box.querySelectorAll("select");
      range.value = 20; right.value = 0; right.dispatchEvent(new Event("input"));
      const over = box.querySelector(".over"), under = box.querySelector("img");
      const wide = document.documentElement.scrollWidth > innerWidth;
      const broken = [...document.images].filter(image => !image.naturalWidth).length;
      document.title = ["checked", over.src === under.src, wide, broken,
                        box.querySelector(".slider").style.getPropertyValue("--cut")].join(" ");
    });</script></body>"""
    path = tmp_path / "out.html"
    assert evaluate("--compare", world / "good.npy", world / "poor.npy", "--report", path).code == 0
    path.write_text(path.read_text().replace("</body>", script))
    assert "<title>checked true false 0 20%</title>" in opened(path, width)


def test_what_cannot_be_reported_or_compared_is_refused_and_leaves_nothing(world, evaluate, tmp_path):
    before = snapshot(world)
    good, poor, report = world / "good.npy", world / "poor.npy", ("--report", tmp_path / "out.html")
    cases = [
        (("--pred", good, "--report", tmp_path), ["no file can be written"]),
        (("--compare", good, *report), ["two or more"]),
        (("--compare", good, poor), ["--report comparison.html"]),
        (("--compare", good, poor, "--pred", good, *report), ["--pred", "leave it out"]),
        (("--compare", good, world / "nowhere", *report), ["nowhere", "no such file"]),
    ]
    for args, words in cases:
        assert_refused(evaluate(*args), *words)
    assert snapshot(world) == before and snapshot(tmp_path) == set()
