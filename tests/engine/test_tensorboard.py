"""Curves cut back to the step that a run resumes from."""

import struct

import numpy as np
import pytest

from litemono.engine.tensorboard import Curves, events_in, trim


def write(folder, steps):
    curves = Curves(folder, suffix=".0")
    for step in steps:
        curves.scalar("loss", step / 10, step)
    curves.close()


def steps(folder):
    return [event.step for event in events_in(folder) if event.summary.value]


def test_steps_after_the_given_one_go_and_the_others_stay(tmp_path):
    write(tmp_path, range(1, 8))
    assert trim(tmp_path, 5) == 2
    assert steps(tmp_path) == [1, 2, 3, 4, 5]


def test_several_files_of_a_resumed_run_are_all_cut(tmp_path):
    write(tmp_path / "a", range(1, 4))
    write(tmp_path / "b", range(4, 8))
    for number, part in enumerate("ab"):
        file = next((tmp_path / part).iterdir())
        file.rename(tmp_path / f"events.out.tfevents.{number}")
    assert trim(tmp_path, 2) == 5
    assert steps(tmp_path) == [1, 2]


def test_a_record_torn_by_a_kill_is_cut_off(tmp_path):
    write(tmp_path, range(1, 4))
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-5])
    assert trim(tmp_path, 3) == 0
    assert steps(tmp_path) == [1, 2]


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_cost_records_but_never_the_resume(tmp_path, seed):
    rng = np.random.default_rng(seed)
    write(tmp_path, range(1, 41))
    file = next(tmp_path.iterdir())
    whole = file.read_bytes()
    for bit in rng.integers(8 * len(whole), size=60):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        trim(tmp_path, 40)
        before = records_before(bit // 8, whole)  # the first is the file's own
        assert steps(tmp_path)[: max(0, before - 1)] == list(range(1, before))


def records_before(byte: int, data: bytes) -> int:
    """How many records of an event file end before this byte: each has 8 bytes of length, two checksums of 4, content."""
    count = at = 0
    while (at := at + 16 + struct.unpack_from("<Q", data, at)[0]) <= byte:
        count += 1
    return count


def test_a_tail_of_zeros_is_cut_off(tmp_path):
    write(tmp_path, range(1, 4))
    file = next(tmp_path.iterdir())
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(4096))
    trim(tmp_path, 3)
    assert file.read_bytes() == whole


def test_files_without_later_steps_are_left_untouched(tmp_path):
    write(tmp_path, range(3))
    file = next(tmp_path.iterdir())
    before = file.stat().st_mtime_ns
    trim(tmp_path, 2)
    assert file.stat().st_mtime_ns == before


def test_flushed_events_are_on_disk_without_closing(tmp_path):
    curves = Curves(tmp_path, suffix=".0")
    for step in range(50):
        curves.scalar("loss", 0.5, step)
        curves.flush()
        assert steps(tmp_path) == list(range(step + 1))
    curves.close()


def test_records_have_the_checksums_and_contents_tensorboard_expects(tmp_path):
    from tensorboardX.record_writer import masked_crc32c

    curves = Curves(tmp_path, suffix=".0")
    curves.image("picture", np.zeros((3, 4, 6)), 7)
    curves.scalar("loss", 0.25, 8)
    curves.close()
    data = next(tmp_path.iterdir()).read_bytes()
    length, crc = struct.unpack_from("<QI", data)
    assert crc == masked_crc32c(data[:8])
    events = [event for event in events_in(tmp_path) if event.summary.value]
    assert [event.step for event in events] == [7, 8]
    assert (events[0].summary.value[0].image.height, events[0].summary.value[0].image.width) == (4, 6)
    assert events[1].summary.value[0].simple_value == pytest.approx(0.25)
