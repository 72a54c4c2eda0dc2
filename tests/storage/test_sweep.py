"""Index and files held against each other, on files and rows that stand for what a crash leaves."""

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from dcis_node.errors import StorageError
from storage.database import Database
from storage.digests import KEY_BYTES, Digests
from storage.files import TRASH_SUFFIX, FileStore
from storage.findings import AnalysisKey, StoredAnalysis
from storage.index import ReceivedInstance
from storage.named import read_named
from storage.rebuild import rebuild_index
from storage.records import RecordedAnalysis, RecordedImage, RecordedReport, Records
from storage.replay import Event, Looked, Replay, Stray
from storage.reports import NewResult
from storage.schema import Conflict, Exam, Instance, Outbox, Report, Result, ViewAnalysis
from storage.sweep import MOST_NAMED, Broom, Swept, compare, sweep
from tests.storage.exam_rows import received_values

HOUR = 3600.0


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def image(number: int, **changes) -> bytes:
    """Bytes that `describe` takes for an image."""
    return f"image {number} {changes}".encode()


def describe(path: Path, sha256: str) -> Looked | Stray:
    """Stand in for reception: reads what `image` wrote."""
    words = path.read_bytes().decode("latin-1").split(" ", 2)
    if words[0] == "png":
        return Stray.PICTURE
    if words[0] not in {"image", "own"}:
        return Stray.FOREIGN
    values = received_values(int(words[1]), sha256=sha256)
    return Looked(ReceivedInstance(**values), made_here=words[0] == "own")


def swept(db: Database, files: FileStore, *, later: float = 3 * HOUR, **options) -> Swept:
    """Sweep some time later."""
    return sweep(Broom(db, files, describe, now=time.time() + later, **options))


def rows(db: Database, table: type) -> list:
    with db.read() as session:
        return list(session.query(table).order_by(table.id))


def result(number: int, sha256: str) -> NewResult:
    return NewResult("cad_report", f"2.25.{number}", "1.2", "1.3", "1.4", "1.2.840.10008.1.2.1", "SR", sha256)


def report(files: FileStore, of: list[str], **changes) -> RecordedReport:
    values = {
        "inputs_sha256": "ab" * 32,
        "bundle_sha256": "b" * 64,
        "version": 1,
        "made_at": time.time(),
        "exam": of[0],
        "images": tuple(RecordedImage(sha256, "eligible", "analysed") for sha256 in of),
        "decision": {},
        "views": [],
        "results": (result(1, files.put(b"own 77 result")),),
        "deliveries": {"pacs": ("cad_report",)},
        "completeness": "quiet",
        **changes,
    }
    return RecordedReport(**values)


def analysis(files: FileStore, instance: str) -> RecordedAnalysis:
    stored = StoredAnalysis({"probability": 0.5}, files.put(b"png mask"), files.put(b"png picture"), 1.5)
    return RecordedAnalysis(AnalysisKey(instance, "b" * 64, "c" * 64), stored, time.time())


def test_nothing_there_is_nothing_to_do(db: Database, files: FileStore):
    done = swept(db, files)
    assert done.ok
    assert done.to_json() == Swept().to_json()


def test_a_received_file_without_its_row_is_received_again_at_its_own_moment(db: Database, files: FileStore):
    sha256 = files.put(image(1), moment=time.time() - HOUR)
    assert swept(db, files).adopted == 1
    (instance,) = rows(db, Instance)
    assert instance.sha256 == sha256
    assert instance.received_at == files.moment(sha256)
    assert rows(db, Exam)[0].state == "open"
    again = swept(db, files)
    assert (again.adopted, again.files, again.ok) == (0, 1, True)


def test_other_bytes_under_a_known_uid_are_a_conflict_again(db: Database, files: FileStore):
    now = time.time()
    first, second = files.put(image(1), moment=now - 2), files.put(image(1, other=True), moment=now - 1)
    assert swept(db, files).adopted == 2
    assert [row.sha256 for row in rows(db, Instance)] == [first]
    assert [row.sha256 for row in rows(db, Conflict)] == [second]
    assert swept(db, files).adopted == 0


def test_what_is_young_waits(db: Database, files: FileStore):
    files.put(image(1))
    files.put(b"png another")
    Records(files).keep_analysis(analysis(files, files.put(image(2))))
    done = swept(db, files, later=HOUR)
    assert (done.waiting, done.adopted, done.removed) == (4, 0, 0)
    assert done.ok


def test_the_grace_counts_from_the_name_and_not_from_the_moment(db: Database, files: FileStore):
    """Bytes that came long ago and came again just now have their old moment, and their sender still waits."""
    files.put(image(1), moment=1000.0)
    assert swept(db, files, later=0.0).waiting == 1


def test_what_nobody_finished_is_removed(db: Database, files: FileStore):
    left = [files.put(b"png mask"), files.put(b"own 5 result")]
    done = swept(db, files)
    assert (done.removed, done.ok) == (2, True)
    assert not any(map(files.exists, left))


def test_what_a_record_names_is_never_removed(db: Database, files: FileStore):
    kept = report(files, ["f" * 64])
    Records(files).keep_report(kept)
    done = swept(db, files)
    assert (done.kept, done.removed) == (1, 0)
    assert files.exists(kept.results[0].sha256)


def test_what_is_nothing_of_ours_is_set_aside_and_told_until_somebody_has_looked(db: Database, files: FileStore):
    foreign = files.put(b"something else")
    assert not swept(db, files).ok
    done = swept(db, files)
    assert (done.ok, done.set_aside) == (False, [foreign])
    assert (files.root / "quarantine" / foreign).read_bytes() == b"something else"
    (files.root / "quarantine" / foreign).unlink()
    assert swept(db, files).ok


def test_a_file_that_was_damaged_before_it_had_its_row_is_not_received(db: Database, files: FileStore):
    sha256 = files.put(image(1))
    files.path(sha256).write_bytes(image(2))
    assert swept(db, files).set_aside == [sha256]
    assert rows(db, Instance) == []


def test_a_record_without_rows_gets_them(db: Database, files: FileStore):
    now = time.time()
    sha256 = files.put(image(1), moment=now - 100)
    made = analysis(files, sha256)
    Records(files).keep_analysis(made)
    Records(files).keep_report(report(files, [sha256]))
    assert swept(db, files).adopted == 3
    (row,) = rows(db, ViewAnalysis)
    assert (row.mask_sha256, row.analysed_at) == (made.analysis.mask_sha256, made.analysed_at)
    assert rows(db, Instance)[0].analysis == "analysed"
    assert (rows(db, Exam)[0].state, rows(db, Exam)[0].completeness) == ("reported", "quiet")
    assert [parcel.state for parcel in rows(db, Outbox)] == ["due"]
    assert swept(db, files).to_json() == {**Swept().to_json(), "files": 4, "records": 2}


def test_of_several_answers_only_the_last_is_sent(db: Database, files: FileStore):
    now = time.time()
    sha256 = files.put(image(1), moment=now - 100)
    records = Records(files)
    records.keep_report(report(files, [sha256], made_at=now - 50))
    second = (result(2, files.put(b"own 78 result")),)
    records.keep_report(report(files, [sha256], version=2, inputs_sha256="cd" * 32, results=second))
    assert swept(db, files).adopted == 3
    assert [(parcel.result_id, parcel.state) for parcel in rows(db, Outbox)] == [(1, "sent"), (2, "due")]


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs_sha256": "cd" * 32, "results": ()},
        {"inputs_sha256": "cd" * 32, "version": 2, "made_at": 1.0, "results": ()},
        {"inputs_sha256": "cd" * 32, "version": 2},
    ],
    ids=["its version is taken", "an image came after it", "its result is another's"],
)
def test_an_answer_that_was_overtaken_is_kept_and_not_sent(db: Database, files: FileStore, changes: dict):
    sha256 = files.put(image(1), moment=time.time() - 100)
    Records(files).keep_report(report(files, [sha256]))
    swept(db, files)
    Records(files).keep_report(report(files, [sha256], **changes))
    done = swept(db, files)
    assert (done.adopted, done.kept, done.ok) == (0, 1, True)
    assert len(rows(db, Report)) == 1


def test_a_view_that_failed_is_not_analysed_again(db: Database, files: FileStore):
    sha256 = files.put(image(1), moment=time.time() - 100)
    failed = (RecordedImage(sha256, "pixels_undecodable", "failed"),)
    Records(files).keep_report(report(files, [sha256], images=failed))
    swept(db, files)
    (instance,) = rows(db, Instance)
    assert (instance.analysis, instance.reason) == ("failed", "pixels_undecodable")


def test_our_own_result_that_came_back_is_received(db: Database, files: FileStore):
    sha256 = files.put(image(1), moment=time.time() - 100)
    Records(files).keep_report(report(files, [sha256], results=(result(1, "0" * 64),)))
    swept(db, files)
    with db.write() as session:
        session.query(Result).one().sop_instance_uid = "1.2.3.9"
    files.put(b"own 9 came back")
    assert swept(db, files).adopted == 1
    assert [row.reason for row in rows(db, Instance)] == ["eligible", "own_result"]


def test_rows_whose_file_is_gone_are_told(db: Database, files: FileStore):
    sha256s = [files.put(image(number)) for number in range(MOST_NAMED + 5)]
    swept(db, files)
    for sha256 in sha256s:
        files.path(sha256).unlink()
    done = swept(db, files)
    assert (done.ok, done.missing_count, len(done.missing)) == (False, MOST_NAMED + 5, MOST_NAMED)
    assert done.missing[0].startswith("instance ")
    assert done.missing[0].split()[2] in sha256s


def test_only_verifying_finds_a_damaged_file(db: Database, files: FileStore):
    first, second = files.put(image(1)), files.put(image(2))
    Records(files).keep_analysis(made := analysis(files, first))
    swept(db, files)
    files.path(second).write_bytes(b"rot")
    Records(files).path(made.name).write_bytes(b'{"rot":1}')
    assert swept(db, files).ok
    done = swept(db, files, verify=True)
    assert sorted(done.damaged) == sorted([second, made.name])
    assert (done.ok, done.verified) == (False, True)
    assert [row.sha256 for row in rows(db, Instance)] == [first, second]


def test_a_damaged_record_without_rows_is_told(db: Database, files: FileStore):
    made = analysis(files, "f" * 64)
    Records(files).keep_analysis(made)
    Records(files).path(made.name).write_bytes(b"")
    done = swept(db, files)
    assert done.damaged == [made.name]


def test_a_file_that_is_stored_again_at_the_very_moment_stays(files: FileStore, monkeypatch):
    """The one that was looked at is gone, the one that took its place is not removed."""
    sha256 = files.put(b"png mask")
    rename = Path.rename

    def stored_again(path: Path, target: Path) -> Path:
        files.put(b"png mask")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stored_again)
    assert not files.remove(sha256, named_before=time.time() + HOUR)
    assert files.read(sha256) == b"png mask"
    assert not list(files.incoming.iterdir())


def test_nothing_is_removed_that_got_its_name_again(files: FileStore):
    sha256 = files.put(b"png mask")
    assert not files.remove(sha256, named_before=time.time() - HOUR)
    assert files.exists(sha256)
    assert not files.remove("0" * 64, named_before=time.time())


@pytest.mark.parametrize("stored_again", [True, False])
def test_what_a_killed_sweep_was_about_to_remove_has_its_name_again(files: FileStore, stored_again: bool):
    sha256 = files.put(b"png mask")
    files.path(sha256).rename(files.incoming / f"{sha256}{TRASH_SUFFIX}")
    if stored_again:
        files.put(b"png mask")
    assert files.restore_trash() == 1
    assert files.read(sha256) == b"png mask"
    assert not list(files.incoming.iterdir())


def test_a_sweep_that_is_told_to_stop_changes_nothing(db: Database, files: FileStore):
    files.put(image(1))
    files.put(b"png mask")
    done = swept(db, files, should_stop=lambda: True)
    assert (done.stopped, done.adopted, done.removed) == (True, 0, 0)


def test_the_folders_are_told_as_they_are_done(db: Database, files: FileStore):
    seen: list[int] = []
    swept(db, files, progress=seen.append)
    assert seen == list(range(1, 257))


def test_no_page_holds_many_rows(db: Database, files: FileStore, monkeypatch):
    """Whoever reads an index in rollback mode keeps others from committing: never for long."""
    monkeypatch.setattr("storage.named.PAGE", 3)
    for number in range(8):
        files.put(image(number))
    swept(db, files)
    statements: list[str] = []
    event.listen(db._readers, "before_cursor_execute", lambda *args: statements.append(args[2]))
    named = read_named(db)
    assert len(named.files) == 8
    instances = [statement for statement in statements if "FROM instance" in statement]
    assert len(instances) == 4
    assert all("LIMIT" in statement for statement in statements if statement != "BEGIN")


digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(there=st.frozensets(digests), named=st.frozensets(digests), both=st.frozensets(digests))
def test_files_and_index_differ_by_what_only_one_has(there: frozenset, named: frozenset, both: frozenset):
    in_index = Digests()
    for digest in named | both:
        in_index.add(digest)
    orphans: list[str] = []
    lost: set[bytes] = set()
    for number in range(256):
        prefix = f"{number:02x}"
        here = [digest for digest in there | both if digest.startswith(prefix)]
        without_row, without_file = compare(here, in_index.of(number))
        orphans += without_row
        lost |= without_file
    assert sorted(orphans) == sorted((there | both) - (named | both))
    assert lost == {Digests.key(digest) for digest in (named | both) - (there | both)}
    assert len(in_index) == len(named | both)


def test_a_digest_costs_sixteen_bytes():
    assert len(Digests.key("ab" * 32)) == KEY_BYTES == 16


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


def test_files_are_for_this_user_only(files: FileStore):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    assert records.path(made.name).stat().st_mode & 0o777 == 0o600
    assert records.root.stat().st_mode & 0o777 == 0o700


class TestReplay:
    def test_what_is_known_is_not_written_twice(self, db: Database, files: FileStore):
        sha256 = files.put(image(1), moment=time.time() - 100)
        records = Records(files)
        made = records.keep_analysis(analysis(files, sha256))
        answer = records.keep_report(report(files, [sha256]))
        events = [Event(1.0, 0, sha256), Event(2.0, 1, made.name), Event(3.0, 2, answer.name)]
        assert Replay(db, records, describe).apply(events).known == 0
        assert Replay(db, records, describe).apply(events).known == 3

    def test_what_has_no_image_has_no_place(self, db: Database, files: FileStore):
        records = Records(files)
        made, answer = records.keep_analysis(analysis(files, "a" * 64)), records.keep_report(report(files, ["a" * 64]))
        events = [Event(2.0, 1, made.name), Event(3.0, 2, answer.name)]
        assert Replay(db, records, describe).apply(events).unplaced == 2

    def test_a_record_that_is_damaged_is_told(self, db: Database, files: FileStore):
        name = "0" * 64 + ".report"
        assert Replay(db, Records(files), describe).apply([Event(1.0, 2, name)]).damaged_records == [name]


class TestRebuild:
    def test_damaged_records_are_told_and_left_out(self, url: str, files: FileStore):
        records = Records(files)
        made = records.keep_analysis(analysis(files, files.put(image(1))))
        records.path(made.name).write_bytes(b"rot")
        rebuilt = rebuild_index(url, files, describe, stamp="old")
        assert (rebuilt.ok, rebuilt.tally.damaged_records, rebuilt.aside) == (False, [made.name], None)
        assert (rebuilt.tally.instances, len(rebuilt.tally.own)) == (1, 2)

    def test_only_a_file_is_made_again(self, files: FileStore):
        with pytest.raises(StorageError, match="SQLite"):
            rebuild_index("postgresql://localhost/x", files, describe, stamp="old")


def test_verifying_stops_when_it_is_told_to(db: Database, files: FileStore):
    files.put(image(1))
    files.put(image(2))
    folders = iter([*[False] * 3, *[True] * 1000])
    done = swept(db, files, verify=True, should_stop=lambda: next(folders))
    assert done.stopped


def test_a_file_that_cannot_be_read_is_damaged_and_one_that_vanishes_is_not(
    db: Database, files: FileStore, monkeypatch
):
    sha256 = files.put(image(1))
    for error, damaged in ((OSError(5, "Input/output error"), [sha256]), (FileNotFoundError(), [])):
        monkeypatch.setattr("storage.sweep.file_sha256", _failing(error))
        assert swept(db, files, later=0.0, verify=True).damaged == damaged
    monkeypatch.setattr(FileStore, "named_at", _failing(FileNotFoundError()))
    assert swept(db, files).to_json() == {**Swept().to_json(), "files": 1}


def _failing(error: OSError):
    def fail(*_):
        raise error

    return fail
