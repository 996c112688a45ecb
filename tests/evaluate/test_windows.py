"""Which rows and columns published protocols score."""

from __future__ import annotations

import json

import pytest

from evaluate.windows import WINDOWS
from litemono.utils.errors import UserError


def box(name: str, height: int, width: int) -> list[int]:
    rows, columns = WINDOWS[name](height, width)
    return [rows.start, rows.stop, columns.start, columns.stop]


def test_windows_are_the_recorded_ones(parity_supervised):
    recorded = json.loads((parity_supervised / "arithmetic.json").read_text())["crops"]
    for size, windows in recorded.items():
        height, width = map(int, size.split("x"))
        assert box("garg", height, width) == windows["garg_rows_cols"], size
        assert box("eigen", height, width) == windows["eigen_kitti_rows_cols"], size
        if windows["kb_top_left"]:
            assert box("kb", height, width)[::2] == windows["kb_top_left"], size
    assert box("nyu", 480, 640) == recorded["480x640"]["eigen_nyu_rows_cols"]


def test_the_garg_crop_of_the_kb_crop_is_another_window_than_the_garg_crop():
    assert box("kb-garg", 375, 1242) == [166, 372, 56, 1185]  # 143:349, 43:1172 of the 352x1216 below row 23, column 13
    assert box("garg", 375, 1242) == [153, 371, 44, 1197]
    assert box("none", 375, 1242) == [0, 375, 0, 1242]


@pytest.mark.parametrize("name", ["kb", "kb-garg", "kb-eigen", "nyu"])
def test_a_window_that_does_not_fit_is_refused(name):
    with pytest.raises(UserError, match="--protocol"):
        WINDOWS[name](300, 1000)
