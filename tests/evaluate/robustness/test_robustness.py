"""evaluate --corruptions, as users run it, and the published figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import DRIVE, assert_refused, invoke, snapshot, write_weights, write_world

from evaluate.__main__ import main
from evaluate.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from evaluate.robustness.scores import dee, published, robustness
from export_gt.__main__ import ExportConfig, export
from litemono.api import load
from litemono.utils.commit import typed_command

FRAMES = [0, 1]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    root = tmp_path_factory.mktemp("robustness")
    split = write_world(root, FRAMES)
    export(ExportConfig(data_path=root, split=str(split)))
    write_weights(root / "models" / "last")
    return root


@pytest.fixture
def run(ready, capsys):
    def evaluate(*flags):
        common = ("--data_path", ready, "--split", ready / "split", "--model", "lite-mono-tiny")
        return invoke(main, capsys, "--load_weights", ready / "models" / "last", *common, *flags)

    return evaluate


@pytest.mark.parametrize("row", published(), ids=lambda row: f"{row.model}-{row.size}")
def test_mce_and_mrr_follow_from_the_published_errors(row):
    errors = {name: dict.fromkeys(SEVERITIES, row.dee[name]) for name in CORRUPTIONS}
    found = robustness(row.dee["clean"], errors)
    assert found.mce == pytest.approx(row.mce, abs=0.006) and found.mrr == pytest.approx(row.mrr, abs=0.006)


def test_a_part_of_the_corruptions_has_no_mean_to_compare():
    whole = dict.fromkeys(SEVERITIES, 0.26)
    part = robustness(0.119, {"fog": whole})
    assert part.mce is None and part.ce == {"fog": pytest.approx(100 * 0.26 / 0.155)}
    assert robustness(0.119, {"fog": {1: 0.2}}).ce is None
    assert dee(0.0, 1.0) == 0


def test_figures_are_those_of_the_corrupted_images_evaluated_alone(run, ready, tmp_path, capsys):
    made_by = {"litemono": "0.2.0", "commit": "a" * 40, "diff": "", "command": "python -m litemono.submit --lr 1"}
    (ready / "attempts.jsonl").write_text(json.dumps({**made_by, "attempt": 1}) + "\n")
    path = tmp_path / "robustness.json"
    outcome = run("--corruptions", "fog", "motion_blur", "--severities", "2,5", "--output", path)
    assert outcome.code == 0, outcome
    found = json.loads(path.read_text())
    assert found["severities"] == [2, 5] and list(found["corruptions"]) == ["fog", "motion_blur"]
    assert found["training"] == [made_by] and found["code"]["command"] == typed_command()
    assert found["mce"] is None and "mCE and mRR take all 18 corruptions" in outcome.out
    network = load("lite-mono-tiny", weights=ready / "models" / "last")
    maps = []
    for frame in FRAMES:
        image = Image.open(ready / DRIVE / "image_02" / "data" / f"{frame:010d}.png").resize((64, 32), Image.LANCZOS)
        bad = corrupted(np.asarray(image), "motion_blur", 5, f"{DRIVE} {frame} l")
        maps.append(network.predict(bad).disparity)
    np.save(tmp_path / "maps.npy", np.stack(maps))
    flags = ("--pred", tmp_path / "maps.npy", "--split", ready / "split", "--output", tmp_path / "alone.json")
    assert invoke(main, capsys, "--data_path", ready, *flags).code == 0
    alone = json.loads((tmp_path / "alone.json").read_text())["all_metrics"]
    assert found["corruptions"]["motion_blur"]["5"] == pytest.approx(alone, rel=1e-5)  # batches of other sizes
    clean = tmp_path / "clean.json"
    assert run("--output", clean).code == 0
    assert found["clean"] == pytest.approx(json.loads(clean.read_text())["all_metrics"], rel=1e-5)


def test_all_corruptions_stand_beside_the_published_networks(run, ready):
    outcome = run("--corruptions", "all")
    assert outcome.code == 0, outcome
    found = json.loads((ready / "models" / "last" / "robustness_split.json").read_text())
    errors = {
        name: {int(s): dee(m["abs_rel"], m["d1"]) for s, m in by_severity.items()}
        for name, by_severity in found["corruptions"].items()
    }
    assert list(errors) == list(CORRUPTIONS) and set(errors["snow"]) == set(SEVERITIES)
    expected = robustness(dee(found["clean"]["abs_rel"], found["clean"]["d1"]), errors)
    assert (found["mce"], found["mrr"]) == (expected.mce, expected.mrr)
    lines = outcome.out.splitlines()
    assert any("lite-mono-tiny 640x192" in line and "92.92" in line for line in lines)
    assert any("this: lite-mono-tiny 64x32" in line and f"{expected.mce:.2f}" in line for line in lines)
    assert "not comparable" in outcome.out and "frost is drawn" in outcome.out


def test_frost_takes_photos(run, tmp_path):
    photos = tmp_path / "frost"
    photos.mkdir()
    assert_refused(run("--corruptions", "frost", "--frost_photos", photos), "--frost_photos", "no .png or .jpg")
    Image.fromarray(np.full((40, 80, 3), 200, np.uint8)).save(photos / "frost1.png")
    path = tmp_path / "result.json"
    assert run("--corruptions", "frost", "--severities", "1", "--frost_photos", photos, "--output", path).code == 0
    assert json.loads(path.read_text())["frost"] == "photos"
    (photos / "frost2.jpg").write_bytes(b"no image")
    assert_refused(run("--corruptions", "frost", "--frost_photos", photos), "frost2.jpg", "replace it")
    Image.fromarray(np.full((40, 80, 3), 90, np.uint8)).save(photos / "frost2.jpg")
    assert run("--corruptions", "frost", "--severities", "1", "--frost_photos", photos, "--output", path).code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--corruptions", "rain"], ["--corruptions rain", "snow"]),
        (["--corruptions", "all", "--severities", "0-3"], ["--severities 0-3", "1-5"]),
        (["--corruptions", "all", "--severities", "5-1"], ["--severities 5-1"]),
        (["--severities", "2"], ["--severities", "give --load_weights FOLDER --corruptions all"]),
        (["--corruptions", "fog", "--frost_photos", "nowhere"], ["--frost_photos nowhere", "no such folder"]),
        (["--corruptions", "fog", "--save_pred", "x.npy"], ["--save_pred", "--corruptions"]),
    ],
)
def test_wrong_flags_are_refused(run, ready, flags, said):
    before = snapshot(ready)
    assert_refused(run(*flags), *said)
    assert snapshot(ready) == before
