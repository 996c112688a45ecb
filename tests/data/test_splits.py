"""Split lists: names, folders, and lines that are none."""

from __future__ import annotations

import pytest

from litemono.data.splits import SPLITS, read_split, split_file
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


@pytest.mark.parametrize("path", sorted(SPLITS.glob("*/*_files*.txt")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_published_list_is_read_line_by_line(path):
    assert len(read_split(path)) == len(path.read_text().split("\n")) - 1


def test_published_lists_have_the_published_sizes():
    sizes = {
        ("eigen_zhou", "train"): 39810,
        ("eigen_zhou", "val"): 4424,
        ("eigen_full", "train"): 45200,
        ("eigen_full", "val"): 1776,
        ("eigen", "test"): 697,
        ("odom", "train"): 36671,
        ("odom", "val"): 4075,
    }
    assert {key: len(read_split(split_file(*key))) for key in sizes} == sizes


def test_blank_lines_and_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path):
    path = tmp_path / "train_files.txt"
    path.write_bytes(f"\ufeff{DRIVE} 5 l\r\n\r\n   \r\nmy video 0000000012 r\r\nimage 3\n\t early 4 l".encode())
    assert read_split(path) == [(DRIVE, 5, "l"), ("my video", 12, "r"), ("image", 3, "l"), ("early", 4, "l")]


@pytest.mark.parametrize("line", ["just_a_folder", "drive five l", "drive 5 x", "drive -1 l", "drive 5.0 l"])
def test_a_malformed_line_is_named_with_its_file_and_number(tmp_path, line):
    path = tmp_path / "train_files.txt"
    path.write_text(f"{DRIVE} 5 l\n\n{line}\n")
    with pytest.raises(UserError, match=rf"train_files\.txt:3: '{line}' is not 'folder frame side'"):
        read_split(path)


def test_a_folder_with_spaces_needs_no_side(tmp_path):
    path = tmp_path / "train_files.txt"
    path.write_text("Movie Right 2\nMovie  of a l 3\nclip 1 4 r\nclip 1 5\nMovie\t6\nl 7\n")
    assert read_split(path) == [
        *[("Movie Right", 2, "l"), ("Movie  of a l", 3, "l"), ("clip 1", 4, "r")],
        *[("clip 1", 5, "l"), ("Movie", 6, "l"), ("l", 7, "l")],
    ]


@pytest.mark.parametrize(
    "folder, problem", [("dri\0ve", "NUL byte"), ("7" * 5000, "too long"), ("ab/" * 500, "too long")]
)
def test_a_folder_that_no_file_system_has_is_refused(tmp_path, folder, problem):
    path = tmp_path / "train_files.txt"
    path.write_text(f"{folder} 1 l\n")
    with pytest.raises(UserError, match=problem) as caught:
        read_split(path)
    assert len(str(caught.value)) < 400 and "\0" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x81"])
def test_an_empty_or_binary_list_is_refused_by_name(tmp_path, content):
    path = tmp_path / "train_files.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="train_files.txt"):
        read_split(path)


def test_a_split_is_a_name_or_a_folder(tmp_path, monkeypatch):
    (tmp_path / "val_files.txt").write_text("drive 1 l\n")
    assert split_file(str(tmp_path), "val") == tmp_path / "val_files.txt"
    monkeypatch.chdir(tmp_path)
    assert split_file(".", "val").parent.name == tmp_path.name, "files are called after their split"
    assert split_file("eigen", "test") == SPLITS / "eigen" / "test_files.txt"


@pytest.mark.parametrize("split, which", [("eigen_zoo", "train"), ("eigen", "train"), ("", "train")])
def test_an_unknown_split_lists_the_ones_that_have_the_file(split, which):
    with pytest.raises(UserError, match="splits with train_files.txt: benchmark, eigen_full, eigen_zhou, odom"):
        split_file(split, which)
