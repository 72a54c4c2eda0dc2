import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcis_node.receive import sink as sink_module
from dcis_node.receive.sink import BUFFER_BYTES, Sink, SinkFault
from storage.files import FileStore


def new(files: FileStore, *, preface: bytes = b"head", limit: int = 10 * BUFFER_BYTES) -> Sink:
    return Sink(files, preface=preface, limit_bytes=limit)


def parts(files: FileStore) -> list[Path]:
    return list(files.incoming.iterdir())


@given(pieces=st.lists(st.sampled_from([b"", b"a", b"b" * 1000, b"c" * (BUFFER_BYTES // 2), b"d" * BUFFER_BYTES])))
@settings(max_examples=25, deadline=None)
def test_what_was_written_is_in_the_file_with_its_digest(tmp_path_factory, pieces: list[bytes]) -> None:
    sink = Sink(FileStore(tmp_path_factory.mktemp("sink")), preface=b"head", limit_bytes=1 << 30)
    for piece in pieces:
        sink.write(memoryview(piece))
    sink.sync()

    whole = b"head" + b"".join(pieces)
    assert sink.part().read_bytes() == whole
    assert (sink.sha256, sink.size_bytes) == (hashlib.sha256(whole).hexdigest(), len(whole))
    sink.discard()


def test_the_part_is_for_this_user_only(files: FileStore) -> None:
    sink = new(files)
    assert sink.part().stat().st_mode & 0o777 == 0o600
    sink.discard()


def test_a_discarded_part_is_gone_and_its_descriptor_closed(files: FileStore) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    sink = new(files)
    sink.discard()
    sink.discard()
    sink.write(b"late")
    sink.sync()

    assert parts(files) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(SinkFault, match="association ended"):
        sink.part()


def test_a_released_file_stays(files: FileStore) -> None:
    sink = new(files)
    sink.sync()
    kept = files.adopt(sink.part(), sink.sha256)
    sink.release()
    sink.discard()
    assert kept.read_bytes() == b"head"


def test_over_the_cap_the_bytes_go_at_once_and_the_fault_stays(files: FileStore) -> None:
    sink = new(files, limit=10)
    sink.write(b"123456")
    assert not sink.fault
    sink.write(b"7")
    sink.write(b"8")

    assert parts(files) == []
    with pytest.raises(SinkFault, match=r"larger than receive\.max_dataset_bytes = 10"):
        sink.part()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_remembered_not_raised(files: FileStore, monkeypatch, call: str) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    sink = new(files)
    monkeypatch.setattr(sink_module.os, call, full)
    sink.write(b"x" * BUFFER_BYTES)
    sink.sync()
    sink.write(b"more")

    assert parts(files) == []
    with pytest.raises(SinkFault, match="disk: No space left on device"):
        sink.part()


def test_a_disk_that_takes_only_some_bytes_gets_the_rest(files: FileStore, monkeypatch) -> None:
    write = os.write
    monkeypatch.setattr(sink_module.os, "write", lambda descriptor, view: write(descriptor, view[:7]))
    sink = new(files, preface=b"0123456789" * 3)
    sink.flush()
    assert sink.part().read_bytes() == b"0123456789" * 3
    sink.discard()


def test_where_no_part_can_be_made_the_fault_is_remembered(files: FileStore, monkeypatch) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(files, "new_part", none_left)
    sink = new(files)
    sink.write(b"x")
    with pytest.raises(SinkFault, match="Too many open files"):
        sink.part()
