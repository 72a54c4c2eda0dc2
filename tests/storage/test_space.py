import errno
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.space import LEAST_FREE_FILES, Reserve, Space, shortage, space_of

GIGABYTE = 10**9
LONGEST_COMMENT = 64  # PS3.7: Error Comment (0000,0902) is LO


@given(free=st.integers(0, 10**18), reserve=st.integers(1, 10**18))
def test_less_than_the_reserve_is_too_little_and_is_said_in_one_comment(free: int, reserve: int) -> None:
    text = shortage(Space(free, free_files=10**6), reserve)
    assert bool(text) == (free < reserve)
    assert len(text) <= LONGEST_COMMENT


def test_the_text_names_both_figures() -> None:
    assert shortage(Space(812 * 10**6), 2 * GIGABYTE) == "disk: 812 MB free, 2000 MB are kept free"


def test_a_full_table_of_inodes_is_too_little_too() -> None:
    assert "inodes" in shortage(Space(GIGABYTE, free_files=LEAST_FREE_FILES - 1), 1)
    assert shortage(Space(GIGABYTE, free_files=LEAST_FREE_FILES), 1) == ""
    assert shortage(Space(GIGABYTE, free_files=None), 1) == ""


def test_no_reserve_refuses_nothing() -> None:
    assert shortage(Space(0, free_files=0), 0) == ""


def test_the_space_of_a_folder_is_its_file_systems(tmp_path: Path) -> None:
    assert space_of(tmp_path).free_bytes > 0
    with pytest.raises(FileNotFoundError):
        space_of(tmp_path / "missing")


def test_a_shortage_stands_in_the_log_once_when_it_begins_and_once_when_it_ends(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    spaces = iter([9, 3, 2, 1, 9, 9, 2])
    reserve = Reserve(tmp_path, 5, ask=lambda _: Space(next(spaces)))
    refused = [bool(reserve.refusal()) for _ in range(7)]
    assert refused == [False, True, True, True, False, False, True]
    began, ended, again = (record.getMessage() for record in caplog.records)
    assert began.startswith("event=disk_short ")
    assert ended == "event=disk_short_ended"
    assert again.startswith("event=disk_short ")


def test_a_disk_that_does_not_answer_takes_nothing(tmp_path: Path) -> None:
    def broken(_: Path) -> Space:
        raise OSError(errno.EIO, "Input/output error")

    assert Reserve(tmp_path, 1, ask=broken).refusal() == "disk: Input/output error"
