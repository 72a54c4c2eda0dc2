"""Records of analyses and answers: made once, durable, and refused if anything of them is damaged."""

import os
import shutil
from pathlib import Path

import pytest

from dcis_node.errors import StorageError
from storage.files import FileStore
from storage.records import Records
from tests.storage.leftovers import report


def test_a_record_is_made_once(files: FileStore):
    records = Records(files)
    first = report(files, ["a" * 64])
    assert records.keep_report(first) == first
    assert records.keep_report(report(files, ["a" * 64], made_at=5.0, results=())) == first
    assert records.report(first.inputs_sha256) == first
    assert list(records.names()) == [first.name]
    assert not list(files.incoming.iterdir())


def test_a_record_is_on_disk_before_its_name_and_the_name_before_the_return(files: FileStore, monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr(os, "fsync", _noted(calls, "fsync", os.fsync))
    monkeypatch.setattr(Path, "hardlink_to", _noted(calls, "link", Path.hardlink_to))
    monkeypatch.setattr("storage.records.sync_folder", lambda folder: calls.append(f"folder {folder.name}"))
    records = Records(files)
    records.keep_report(report(files, ["a" * 64], results=()))
    assert calls[-3:] == ["fsync", "link", "folder ab"]


def _noted(calls: list[str], name: str, work):
    def noted(*args):
        calls.append(name)
        return work(*args)

    return noted


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"quiet", b"quoet")),
        lambda path: path.write_bytes(b'{"#dcis-node":"report 1","body":{},"sha256":"x"}'),
        lambda path: path.write_bytes(b"[]"),
    ],
)
def test_a_damaged_record_is_refused(files: FileStore, damage):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    damage(records.path(made.name))
    with pytest.raises(StorageError, match="damaged"):
        records.report(made.inputs_sha256)
    with pytest.raises(StorageError, match="damaged"):
        records.keep_report(made)


def test_a_record_under_another_name_is_refused(files: FileStore):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    other = records.path("ab" + "0" * 62 + ".report")
    shutil.copy(records.path(made.name), other)
    with pytest.raises(StorageError, match="something else"):
        records.read(other.name)


def test_a_record_whose_result_is_gone_is_refused(files: FileStore):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    files.path(made.results[0].sha256).unlink()
    with pytest.raises(StorageError, match="1 files"):
        records.report(made.inputs_sha256)


def test_a_record_of_a_newer_program_is_refused(files: FileStore):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    path = records.path(made.name)
    path.write_bytes(path.read_bytes().replace(b"report 1", b"report 2"))
    with pytest.raises(StorageError, match="newer"):
        records.read(made.name)


def test_a_record_that_cannot_be_read_is_refused(files: FileStore):
    with pytest.raises(StorageError, match="cannot be read"):
        Records(files).read("0" * 64 + ".report")
    with pytest.raises(StorageError, match="name of a record"):
        Records(files).read("../" + "0" * 64 + ".report")


def test_a_full_disk_leaves_no_record(files: FileStore, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    records = Records(files)
    made = report(files, ["a" * 64])
    monkeypatch.setattr("storage.records.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        records.keep_report(made)
    assert not list(records.names())
    assert not list(files.incoming.iterdir())
