"""What a journal holds up to its last line end is whole, whatever happens to its writer or its disk."""

import errno
import os
import subprocess
import sys

import pytest

from dcis_node.operate.audit import journal as module
from dcis_node.operate.audit.journal import Journal, is_finished, journals, whole_lines


def lines_of(folder):
    return [line for path in journals(folder) for line, _ in whole_lines(path, 0)]


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "audit", "receive-0")
    yield made
    made.close()


def test_messages_are_lines_of_a_file_that_only_its_user_may_read(journal, tmp_path):
    journal.append(b"one")
    journal.append(b"two")
    journal.sync()
    (path,) = journals(tmp_path / "audit")
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_reading_goes_on_where_it_was(journal, tmp_path):
    journal.append(b"one")
    journal.append(b"two")
    (path,) = journals(tmp_path / "audit")
    (_, behind), _ = whole_lines(path, 0)
    assert list(whole_lines(path, behind)) == [(b"two", 8)]


def test_a_line_without_its_end_is_not_there(journal, tmp_path):
    journal.append(b"one")
    (path,) = journals(tmp_path / "audit")
    with path.open("ab") as file:
        file.write(b"tw")
    assert list(whole_lines(path, 0)) == [(b"one", 4)]


def test_a_message_of_which_only_a_part_fitted_leaves_nothing(journal, tmp_path, monkeypatch):
    journal.append(b"one")
    write = os.write

    def half(descriptor, data):
        if len(data) > 2:
            return write(descriptor, bytes(data)[:2])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(module.os, "write", half)
    with pytest.raises(OSError, match="full"):
        journal.append(b"two")
    monkeypatch.undo()
    journal.append(b"three")
    assert lines_of(tmp_path / "audit") == [b"one", b"three"]


def test_where_a_part_cannot_be_taken_back_the_next_message_goes_into_another_file(journal, tmp_path, monkeypatch):
    journal.append(b"one")

    def refuse(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(module.os, "write", refuse)
    monkeypatch.setattr(module.os, "ftruncate", refuse)
    with pytest.raises(OSError, match="broken"):
        journal.append(b"two")
    monkeypatch.undo()
    journal.append(b"three")
    assert [path.read_bytes() for path in journals(tmp_path / "audit")] == [b"one\n", b"three\n"]


def test_after_a_failed_sync_the_next_message_goes_into_another_file(journal, tmp_path, monkeypatch):
    journal.append(b"one")

    def refuse(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(module.os, "fdatasync", refuse)
    with pytest.raises(OSError, match="broken"):
        journal.sync()
    monkeypatch.undo()
    journal.append(b"two")
    assert [path.read_bytes() for path in journals(tmp_path / "audit")] == [b"one\n", b"two\n"]


def test_a_file_that_is_long_or_old_is_followed_by_another(tmp_path, monkeypatch):
    now = [0.0]
    journal = Journal(tmp_path, "receive-0", clock=lambda: now[0])
    monkeypatch.setattr(module, "LONGEST_BYTES", 8)
    for line in (b"four", b"more", b"next"):
        journal.append(line)
    now[0] = module.LONGEST_SECONDS
    journal.append(b"last")
    journal.close()
    assert [path.read_bytes() for path in journals(tmp_path)] == [b"four\nmore\n", b"next\n", b"last\n"]


def test_a_folder_that_cannot_be_synced_leaves_no_open_file(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(module, "sync_folder", refuse)
    journal = Journal(tmp_path, "receive-0")
    with pytest.raises(OSError, match="broken"):
        journal.append(b"one")
    assert all(is_finished(path) for path in journals(tmp_path))


def test_a_file_is_finished_when_its_writer_has_left_or_was_killed(tmp_path):
    code = (
        "import pathlib, sys, time; from dcis_node.operate.audit.journal import Journal; "
        "j = Journal(pathlib.Path(sys.argv[1]), 'receive-0'); j.append(b'one'); print('up', flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout.readline() == b"up\n"
        (path,) = journals(tmp_path)
        assert not is_finished(path)
        writer.kill()
        writer.wait()
        assert is_finished(path)
    assert lines_of(tmp_path) == [b"one"]
    assert not is_finished(tmp_path / "none")
