"""Rendered rooms with persons: the mask is where the picture differs, the depth is that of the geometry."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import processes
import pytest
from composites import FEWEST, SMALL
from conftest import ROOT
from PIL import Image

from litemono.synthetic.composites import CompositeSettings, write_composites
from litemono.synthetic.rooms import EYE, FOCAL, HORIZON, look, make_figure, make_room
from litemono.utils.errors import UserError

HEIGHT, WIDTH = 64, 80


def views(seed: int):
    """A room empty and with a person, without camera noise."""
    rng = np.random.default_rng(seed)
    room, figure = make_room(rng), make_figure(rng)
    return look(room, HEIGHT, WIDTH, 1, None), look(room, HEIGHT, WIDTH, 1, (figure, rng)), room


@pytest.mark.parametrize("seed", range(6))
def test_the_figure_is_one_plane_in_front_of_what_was_there(seed):
    empty, full, _ = views(seed)
    if full.mask.any():
        assert len(np.unique(full.depth[full.mask])) == 1 and (full.depth < empty.depth)[full.mask].all()
    assert np.array_equal(full.depth[~full.mask], empty.depth[~full.mask])
    # Outside of the mask only the shadow changes the picture, and it only darkens.
    assert (full.colour <= empty.colour + 1e-12)[~full.mask].all()


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_that_of_a_box_seen_by_a_pinhole(seed):
    empty, _, room = views(seed)
    down = ((np.arange(HEIGHT) + 0.5) / HEIGHT - HORIZON) / FOCAL
    floor = EYE / down[-1]
    assert empty.depth.max() <= room.length and empty.depth[-1].max() <= floor + 1e-9
    lowest = empty.depth[-1]
    assert np.isclose(lowest, floor).any() or room.half_width < 2


def test_the_files_fit_each_other_and_a_seed_gives_the_same_again(tmp_path):
    write_composites(tmp_path / "a", SMALL)
    write_composites(tmp_path / "b", SMALL, num_workers=2)
    write_composites(tmp_path / "c", replace(SMALL, seed=4))
    files = [sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))]
    assert len(files[0]) == 4 + 3 * SMALL.count
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files[0])
    assert any((tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes() for name in files[0])
    masks = [np.asarray(Image.open(path)) for path in (tmp_path / "a/mask").iterdir()]
    assert {*np.unique(masks)} == {0, 255}
    with pytest.raises(UserError, match="was rendered with other settings .seed 3, not 5."):
        write_composites(tmp_path / "a", replace(SMALL, seed=5))


@pytest.mark.parametrize("wrong", [{"backgrounds": 0}, {"height": 20}, {"seed": -1}])
def test_settings_that_make_no_pictures_are_refused(tmp_path, wrong):
    with pytest.raises(UserError, match=f"--{[*wrong][0]}"):
        write_composites(tmp_path / "a", replace(CompositeSettings(), **wrong))
    assert not (tmp_path / "a").exists()


def test_the_command_renders_composites_by_their_name(tmp_path):
    words = [sys.executable, "-m", "litemono.synthetic", "composites", "--output", str(tmp_path / "a"), *FEWEST]
    done = processes.run(words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "2 pictures of 2 backgrounds" in done.stdout and len([*(tmp_path / "a/bg").iterdir()]) == 2
