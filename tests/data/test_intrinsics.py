"""--intrinsics: published, calib, or the user's numbers."""

from __future__ import annotations

import pytest

from litemono.data.intrinsics import normalised_intrinsics, parse_intrinsics
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_originals
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def test_published_intrinsics_are_one_k_for_all(parity):
    line = SplitLine(DRIVE, 5, "r")
    store = open_originals("kitti", parity / "mini_kitti", png=True)
    assert normalised_intrinsics("published", store, line) == (0.58, 1.92, 0.5, 0.5)


def test_intrinsics_in_pixels_are_divided_by_the_original_size(parity):
    store = open_originals("kitti", parity / "mini_kitti", png=True)
    numbers = normalised_intrinsics("600,610,621,187.5", store, SplitLine(DRIVE, 5, "l"))
    assert numbers == pytest.approx((600 / 1242, 610 / 375, 0.5, 0.5))


@pytest.mark.parametrize("text", ["kitti", "1,2,3", "1,2,3,4,5", "0,1,2,3", "nan,1,2,3", "a,b,c,d", ""])
def test_other_intrinsics_are_refused_with_the_choices(text):
    with pytest.raises(UserError, match="must be published, calib, or fx,fy,cx,cy"):
        parse_intrinsics(text)
