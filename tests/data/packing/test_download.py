"""`litemono.prepare download`, and packing straight from a server, against a real web server that misbehaves."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import zipfile
from pathlib import Path

import pytest
from packing_helpers import DAY, assert_fails, run_prepare, zip_drive
from range_server import serve

from litemono.data.kitti.paths import KITTI_ADDRESS
from litemono.data.packing import download as downloads
from litemono.data.packing import http
from litemono.data.stores import packed_index
from litemono.utils.errors import UserError
from networks.imagenet import WEIGHTS_FOLDER

DRIVE = f"{DAY}/{DAY}_drive_0001_sync"  # one that KITTI's list has
NAME = f"{DAY}_drive_0001_sync.zip"
CALIB = f"{DAY}_calib.zip"
PLACE = f"{DAY}_drive_0001/{NAME}"


@pytest.fixture(scope="session")
def mirror(kitti_sample, tmp_path_factory) -> Path:
    """KITTI's server in small: one drive with ten frames in its own folder, and the calibration."""
    root = tmp_path_factory.mktemp("mirror")
    zip_drive(kitti_sample, root, range(10), drive=DRIVE)
    (root / PLACE).parent.mkdir()
    shutil.move(root / NAME, root / PLACE)
    return root


@pytest.fixture
def server(mirror):
    with serve(mirror) as (address, behaviour):
        yield address, behaviour


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(http, "RETRIES", http.RETRIES.new(total=3, backoff_factor=0))


@pytest.fixture
def split(tmp_path) -> Path:
    folder = tmp_path / "split"
    folder.mkdir()
    (folder / "train_files.txt").write_text(f"{DRIVE} 2 l\n")
    (folder / "val_files.txt").write_text(f"{DRIVE} 8 l\n")
    return folder


@pytest.fixture
def download(capfd, split, tmp_path):
    def run(address, *more):
        flags = ["--output", tmp_path / "zips", "--split", split, "--base_url", address]
        return run_prepare(capfd, "download", *flags, *more)

    return run


@pytest.fixture
def pack(capfd, split):
    def run(source, output, *more):
        flags = ["--from", source, "--output", output, "--split", split, "--size", "160x96"]
        return run_prepare(capfd, "pack", *flags, "--num_workers", "1", *more)

    return run


def assert_complete(mirror: Path, folder: Path) -> None:
    """Both archives, byte by byte, and nothing else."""
    assert {p.name for p in folder.iterdir()} == {NAME, CALIB}
    assert (folder / NAME).read_bytes() == (mirror / PLACE).read_bytes()
    assert (folder / CALIB).read_bytes() == (mirror / CALIB).read_bytes()


def test_only_what_the_split_needs_is_fetched_after_the_plan_is_printed(mirror, server, download, tmp_path):
    process = download(server[0])
    assert process.returncode == 0, process.stderr
    plan = process.stdout.splitlines()[0]
    assert plan.startswith("2 archives, 0.0 GB in all; 0 are here, 0.0 GB to fetch; ") and "GB free" in plan
    assert_complete(mirror, tmp_path / "zips")


def test_a_dry_run_prints_the_plan_and_fetches_nothing(server, download, tmp_path):
    process = download(server[0], "--dry_run")
    assert process.returncode == 0
    assert NAME in process.stdout and CALIB in process.stdout and "2 archives" in process.stdout
    assert not (tmp_path / "zips").exists()
    assert not server[1].gets(NAME)


def test_archives_that_are_here_are_not_fetched_again(server, download):
    download(server[0])
    server[1].requests.clear()
    process = download(server[0])
    assert "2 are here, 0.0 GB to fetch" in process.stdout
    assert not server[1].gets(".zip")


def test_an_interrupted_download_goes_on_where_it_was(mirror, server, download, tmp_path):
    content = (mirror / PLACE).read_bytes()
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / f"{NAME}.part").write_bytes(content[:1_000_000])
    assert download(server[0]).returncode == 0
    assert server[1].gets(NAME) == ["bytes=1000000-"]
    assert_complete(mirror, tmp_path / "zips")


def test_another_programs_unfinished_zip_is_completed(mirror, server, download, tmp_path):
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / NAME).write_bytes((mirror / PLACE).read_bytes()[:500_000])
    assert download(server[0]).returncode == 0
    assert server[1].gets(NAME) == ["bytes=500000-"]
    assert_complete(mirror, tmp_path / "zips")


def test_dropped_connections_are_taken_up_again_by_range(mirror, server, download, tmp_path):
    server[1].drop_after, server[1].drops = 700_000, 9
    assert download(server[0]).returncode == 0
    assert len(server[1].gets(NAME)) == 10
    assert_complete(mirror, tmp_path / "zips")


def test_a_busy_server_is_asked_again(mirror, server, download, tmp_path):
    server[1].busy = 2
    assert download(server[0], "--parallel", "1").returncode == 0
    assert_complete(mirror, tmp_path / "zips")


def test_a_server_without_ranges_works(mirror, server, download, tmp_path):
    server[1].ranges = False
    server[1].drop_after, server[1].drops = 700_000, 2
    assert download(server[0]).returncode == 0
    assert_complete(mirror, tmp_path / "zips")


def test_a_server_that_never_gets_further_is_given_up_and_the_next_run_goes_on(mirror, server, download, tmp_path):
    server[1].ranges, server[1].drop_after = False, 700_000
    assert_fails(download(server[0]), PLACE, "cannot be read", "same command again")
    assert not (tmp_path / "zips" / NAME).exists()
    assert (tmp_path / "zips" / f"{NAME}.part").stat().st_size <= 700_000
    server[1].drop_after = None
    assert download(server[0]).returncode == 0
    assert_complete(mirror, tmp_path / "zips")


@pytest.mark.parametrize("hidden", [{"head": False}, {"lengths": False}])
def test_servers_that_tell_little_work(mirror, server, download, tmp_path, hidden):
    for name, value in hidden.items():
        setattr(server[1], name, value)
    process = download(server[0])
    assert process.returncode == 0, process.stderr
    assert_complete(mirror, tmp_path / "zips")


def test_a_truncated_file_on_the_server_is_told_and_not_kept(server, download, tmp_path):
    server[1].cut = 5000
    assert_fails(download(server[0]), PLACE, "arrives damaged", "not a whole zip")
    assert not list((tmp_path / "zips").glob(f"{NAME}*"))


def test_a_damaged_beginning_from_an_earlier_run_is_fetched_anew(mirror, server, download, tmp_path):
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / f"{NAME}.part").write_bytes(b"x" * 1_000_000)
    assert download(server[0]).returncode == 0
    assert server[1].gets(NAME) == ["bytes=1000000-", ""]
    assert_complete(mirror, tmp_path / "zips")


def test_a_flat_mirror_and_a_local_folder_work(mirror, download, tmp_path):
    flat = tmp_path / "a mirror"
    flat.mkdir()
    for path in (mirror / PLACE, mirror / CALIB):
        shutil.copy(path, flat)
    process = download(flat.as_uri())
    assert process.returncode == 0, process.stderr
    assert_complete(mirror, tmp_path / "zips")


def test_chosen_archives_alone(server, download, tmp_path):
    assert download(server[0], "--archives", CALIB).returncode == 0
    assert not (tmp_path / "zips" / NAME).exists()
    assert_fails(download(server[0], "--archives", "other.zip"), "--archives other.zip")


def test_a_wrong_address_is_told_and_the_right_one_works(mirror, server, download, tmp_path):
    assert_fails(download(server[0] + "/nothing"), CALIB, "is --base_url right?")
    assert_fails(download("ftp://127.0.0.1"), "--base_url ftp://127.0.0.1")
    assert download(server[0]).returncode == 0
    assert_complete(mirror, tmp_path / "zips")


def test_an_unreachable_server_is_told_and_the_same_command_works_later(mirror, server, download, tmp_path):
    assert_fails(download("http://127.0.0.1:9"), "cannot be read", "same command again")
    server[1].busy = 1000
    assert_fails(download(server[0]), "cannot be read (HTTP 503", "run the same command again later")
    server[1].busy = 0
    assert download(server[0]).returncode == 0
    assert_complete(mirror, tmp_path / "zips")


def test_a_split_of_ones_own_drives_has_no_archives(capfd, tmp_path):
    (tmp_path / "train_files.txt").write_text("my/drive 1 l\n")
    process = run_prepare(capfd, "download", "--output", tmp_path / "zips", "--split", tmp_path)
    assert_fails(process, "no published archive of --dataset kitti has its drives")


def test_too_little_room_is_told_before_anything_is_fetched_and_packing_from_the_server_works(
    server, download, pack, tmp_path, monkeypatch
):
    monkeypatch.setattr(downloads, "free_bytes", lambda folder: 1000)
    process = download(server[0])
    assert_fails(process, "0.0 GB are free", f"python -m litemono.prepare pack --from {KITTI_ADDRESS}")
    assert not server[1].gets(NAME)
    assert pack(server[0], tmp_path / "pack").returncode == 0


def test_a_disk_that_fills_up_keeps_what_was_fetched(mirror, server, download, tmp_path):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, old[1]))
    try:
        process = download(server[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert_fails(process, f"{NAME}.part", "the disk is full")
    assert download(server[0]).returncode == 0
    assert_complete(mirror, tmp_path / "zips")


def test_two_downloads_into_one_folder_are_refused(server, download, tmp_path):
    (tmp_path / "zips").mkdir()
    with open(tmp_path / "zips" / ".download.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_fails(download(server[0]), "another download runs")


# ---------------------------------------------------------------- packing from a server


def test_packing_from_a_server_fetches_only_the_frames_and_gives_the_same_pack(mirror, server, pack, tmp_path):
    server[1].drop_after, server[1].drops = 1_500_000, 2
    process = pack(server[0], tmp_path / "a")
    assert process.returncode == 0, process.stderr
    shutil.copytree(mirror, tmp_path / "zips")
    assert pack(tmp_path / "zips", tmp_path / "b").returncode == 0
    for first in sorted(p for p in (tmp_path / "b").rglob("*") if p.is_file()):
        assert (tmp_path / "a" / first.relative_to(tmp_path / "b")).read_bytes() == first.read_bytes()
    assert packed_index.read_index(tmp_path / "a").drives[DRIVE].scans == [8]


def test_gaps_between_the_frames_are_not_fetched(kitti_sample, server, pack, tmp_path, monkeypatch):
    """A zip of which four frames are wanted: the rest stays on the server, but for what is on its way."""
    monkeypatch.setattr(http, "SKIP_BYTES", 100_000)
    big = tmp_path / "mirror"
    path = zip_drive(kitti_sample, big, range(40), drive=DRIVE)
    (big / PLACE).parent.mkdir()
    shutil.move(path, big / PLACE)
    server[1].root = big
    assert pack(server[0], tmp_path / "a").returncode == 0
    asked = server[1].gets(NAME)
    assert len(asked) < 12
    assert server[1].sent < os.path.getsize(big / PLACE)


def test_packing_from_a_flat_mirror_works(mirror, server, pack, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (mirror / PLACE, mirror / CALIB):
        shutil.copy(path, flat)
    server[1].root = flat
    assert pack(server[0], tmp_path / "a").returncode == 0


@pytest.mark.parametrize("hidden", [("ranges",), ("ranges", "lengths", "head")], ids=" and ".join)
def test_archives_are_fetched_first_from_a_server_without_ranges_or_lengths(server, pack, download, tmp_path, hidden):
    for name in hidden:
        setattr(server[1], name, False)
    problem = "does not tell the file's size" if "lengths" in hidden else "does not send parts of files"
    assert_fails(pack(server[0], tmp_path / "a"), problem, "(python -m litemono.prepare download) and pack from their")
    assert download(server[0]).returncode == 0
    assert pack(tmp_path / "zips", tmp_path / "a").returncode == 0


def test_without_zips_here_none_are_deleted(server, pack, tmp_path):
    assert_fails(
        pack(server[0], tmp_path / "a", "--delete_zips"), "there are no zips to delete when --from is an address"
    )
    assert pack(server[0], tmp_path / "a").returncode == 0


def test_a_truncated_zip_on_the_server_is_named(server, pack, tmp_path):
    server[1].cut = 5000
    assert_fails(pack(server[0], tmp_path / "a"), PLACE, "not a complete zip")


def test_a_wrong_address_to_pack_from_is_told(server, pack, tmp_path):
    assert_fails(pack(server[0] + "/nothing", tmp_path / "a"), CALIB, "no such archive")


def test_a_remote_file_reads_as_the_local_one(mirror, server):
    server[1].drop_after = 300_000
    with zipfile.ZipFile(http.RemoteFile(f"{server[0]}/{PLACE}")) as far, zipfile.ZipFile(mirror / PLACE) as near:
        assert far.namelist() == near.namelist()
        for name in reversed(near.namelist()):
            assert far.read(name) == near.read(name)


def test_a_file_that_vanishes_while_it_is_read_is_named(mirror, server, tmp_path):
    shutil.copytree(mirror, tmp_path / "mirror")
    server[1].root, server[1].drop_after = tmp_path / "mirror", 300_000
    address = f"{server[0]}/{PLACE}"
    with http.RemoteFile(address) as file:
        assert file.read(1000) == (mirror / PLACE).read_bytes()[:1000]
        (tmp_path / "mirror" / PLACE).unlink()
        file.seek(-1000, os.SEEK_END)
        with pytest.raises(UserError, match=f"{address}: is no longer there"):
            file.read(1000)


# ---------------------------------------------------------------- weights


def test_weights_go_to_the_folder_where_training_looks(capfd, monkeypatch):
    asked = []
    monkeypatch.setattr("networks.weights.fetch_pose_imagenet", lambda *what: asked.append(what) or "the file")
    assert "the file" in run_prepare(capfd, "weights").stdout
    assert run_prepare(capfd, "weights", "--num_layers", "50", "--output", "elsewhere").returncode == 0
    assert asked == [(18, WEIGHTS_FOLDER), (50, Path("elsewhere"))]
