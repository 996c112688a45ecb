"""Archives and folders that packing reads from, as they come from elsewhere."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.packing import download as downloads
from litemono.data.packing.sources import FolderSource, ZipSource, find_frame
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def write_zip(path: Path, name: str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


@pytest.mark.parametrize("extension", [".png", ".PNG", ".jpg", ".jpeg", ".JPG", ".JPEG"])
def test_frames_are_found_under_every_extension(tmp_path, extension):
    name = f"{DRIVE}/image_02/data/0000000005{extension}"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"x")
    for source in (FolderSource(tmp_path), ZipSource(write_zip(tmp_path / "a.zip", name), "")):
        assert find_frame(KITTI_RAW, [source], DRIVE, "l", 5).name == name
        source.close()


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xed\xa0", b"\xc3("])
def test_a_zip_whose_names_claim_to_be_utf_8_is_named_and_its_folder_is_read(tmp_path, name):
    path = write_zip(tmp_path / "a.zip", "drive_ä.png")
    path.write_bytes(path.read_bytes().replace("ä".encode(), name))
    with pytest.raises(UserError, match=r"a\.zip: a name in this zip is marked as UTF-8 and is not; extract it"):
        ZipSource(path, "")
    folder = tmp_path / "extracted" / DRIVE / "image_02/data"
    folder.mkdir(parents=True)
    (folder / "0000000005.png").write_bytes(b"frame")
    assert find_frame(KITTI_RAW, [FolderSource(tmp_path / "extracted")], DRIVE, "l", 5).read() == b"frame"


@pytest.mark.parametrize("stranger", [b"stra\xdfe.png", b"\xbd\xd6\xb5\xc0.png"], ids=["latin-1", "gbk"])
def test_names_in_other_alphabets_do_not_hide_a_zips_frames(tmp_path, stranger):
    """Zips made on Windows hold names in the computer's own code page, without the mark of UTF-8."""
    path, name = tmp_path / "a.zip", f"{DRIVE}/image_02/data/0000000005.png"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x" * len(stranger), b"")
        file.writestr(name, b"frame")
    path.write_bytes(path.read_bytes().replace(b"x" * len(stranger), stranger))
    assert ZipSource(path, "").find(name).read() == b"frame"


def test_a_large_download_with_such_names_is_not_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TEST_BYTES", 0)
    path = write_zip(tmp_path / "a.zip", "drive_ä.png")
    assert downloads.what_is_wrong(path, None) is None
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xfe"))
    assert "utf-8" in downloads.what_is_wrong(path, None)


def test_a_member_that_would_unpack_to_gigabytes_is_refused_unread(tmp_path):
    path = write_zip(tmp_path / "a.zip", "0.png", bytes(1000))
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 3_000_000_000)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"member 0\.png: 3\.0 GB unpacked are no frame or scan; delete it and fetch"):
        ZipSource(path, "").find("0.png").read()


def test_a_message_does_not_repeat_the_content_of_a_damaged_zip(tmp_path):
    """A local header whose name is said to be 3000 bytes long: Python's message has all of them."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("frame.png", bytes(range(256)) * 20)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[26:28] = struct.pack("<H", 3000)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match="member frame.png: cannot be read .*fetch it again") as refused:
        ZipSource(tmp_path / "a.zip", "").read("frame.png")
    assert len(str(refused.value)) < 600
