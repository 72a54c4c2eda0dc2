"""Index and files held against each other, on files and rows that stand for what a crash leaves."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from storage.database import Database
from storage.digests import KEY_BYTES, Digests
from storage.files import TRASH_SUFFIX, FileStore
from storage.named import read_named
from storage.records import RecordedImage, Records
from storage.schema import Conflict, Exam, Instance, Outbox, Report, Result, ViewAnalysis
from storage.sweep import MOST_NAMED, Swept, compare
from tests.storage.leftovers import HOUR, analysis, image, report, result, rows, swept


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


def test_files_are_for_this_user_only(files: FileStore):
    records = Records(files)
    made = records.keep_report(report(files, ["a" * 64]))
    assert records.path(made.name).stat().st_mode & 0o777 == 0o600
    assert records.root.stat().st_mode & 0o777 == 0o700


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
