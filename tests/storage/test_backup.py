import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dcis_node.errors import DamagedIndexError, StorageError
from storage import backup, file_copies, index_copy
from storage.backup import BackupOrder, Scope, backups, digests_in, make_backup, verify_backup
from storage.files import FileStore
from storage.index_file import check_index, copy_index
from storage.records import Records
from tests.storage.exam_rows import receive
from tests.storage.older import read_rows
from tests.storage.small_node import NOW, SmallNode, die, ended, image_digests, own_digests


@pytest.fixture
def order(node: SmallNode, tmp_path: Path) -> BackupOrder:
    return BackupOrder(node.index, node.files, tmp_path / "backup", now=NOW, kept=2, program="0.1")


def damage(path: Path) -> None:
    """Overwrite the second half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))


def test_a_backup_holds_every_row_and_what_only_the_node_has(node: SmallNode, order: BackupOrder) -> None:
    made = make_backup(order)
    assert made.ok
    assert read_rows(made.path / "index.sqlite") == read_rows(node.index)
    assert made.manifest.rows["instance"] == 3
    store = FileStore(order.folder / "store")
    assert set(store.digests()) == own_digests(node)
    assert set(Records(store).names()) == set(Records(node.files).names())
    assert verify_backup(made.path) == made.manifest
    assert made.path.name == "20261118T110640Z"
    assert [p.stat().st_mode & 0o077 for p in (order.folder, made.path, made.path / "index.sqlite")] == [0, 0, 0]


@pytest.mark.parametrize("scope", Scope)
def test_the_scope_says_which_files_are_copied(node: SmallNode, order: BackupOrder, scope: Scope) -> None:
    make_backup(replace(order, scope=scope))
    wanted = {Scope.INDEX: set(), Scope.OWN: own_digests(node), Scope.ALL: own_digests(node) | image_digests(node)}
    store = order.folder / "store"
    assert (set(FileStore(store).digests()) if store.exists() else set()) == wanted[scope]


def test_what_a_backup_before_has_copied_is_not_copied_again(node: SmallNode, order: BackupOrder) -> None:
    first = make_backup(order)
    new = node.answer(2)
    second = make_backup(order)
    assert (first.copied.files, second.copied.files, second.copied.records) == (3, 1, 1)
    assert second.path != first.path, "two backups of one second have two names"
    assert FileStore(order.folder / "store").read(new) == node.files.read(new)


def test_a_record_that_is_newer_than_the_copy_of_the_index_is_there_with_its_files(
    node: SmallNode, order: BackupOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests: list[str] = []

    def check_and_answer(path: Path):
        facts = check_index(path)
        digests.append(node.answer(2))
        return facts

    monkeypatch.setattr(backup, "check_index", check_and_answer)
    made = make_backup(order)
    assert made.manifest.rows["report"] == 1
    assert set(digests) <= set(FileStore(order.folder / "store").digests())


def test_the_newest_backups_stay_and_nothing_else_is_ever_removed(order: BackupOrder) -> None:
    order.folder.mkdir()
    strangers = ("notes.txt", "20261123", "20261123T020000Z.txt", "old.part")
    for name in strangers:
        (order.folder / name).mkdir()
    (order.folder / "20000101T000000Z").mkdir()
    names = [make_backup(replace(order, now=NOW + 100 * n)).path.name for n in range(4)]
    assert [path.name for path in backups(order.folder)] == [names[3], names[2]]
    assert {"store", "lock", "20000101T000000Z", *strangers, *names[2:]} == {p.name for p in order.folder.iterdir()}


DAY = 86400.0


@pytest.mark.parametrize("kept", [1, 2, 3])
@pytest.mark.parametrize(
    "nights", [(0, 400, 1, 2, 3), (0, 400, 401, 402, 1, 2), (400, 1, 500, 2, 3), (5, 6, 2, 3, 4), (0, 0, 400, 0, 0)]
)
def test_the_backup_made_last_is_the_newest_whatever_the_clock_said(order: BackupOrder, nights, kept: int) -> None:
    made = []
    for number, night in enumerate(nights):
        # The program's version tells the backups apart: those made at a wrong time change their names.
        at = replace(order, now=NOW + night * DAY, kept=kept, program=str(number))
        assert verify_backup(make_backup(at).path).program == str(number)
        made.append(str(number))
        assert [verify_backup(path).program for path in backups(order.folder)] == made[::-1][:kept]


def test_a_name_says_when_a_backup_was_made_unless_the_clock_was_ahead_or_stepped_back(order: BackupOrder) -> None:
    for night in (0, 400, 1):
        make_backup(replace(order, now=NOW + night * DAY, kept=3))
    assert [path.name for path in backups(order.folder)] == ["20261119T110640Z", "20261118T110641Z", "20261118T110640Z"]


def test_the_older_backup_stays_until_the_new_one_is_verified(
    node: SmallNode, order: BackupOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_backup(replace(order, kept=1))
    damage(node.index)
    with pytest.raises(DamagedIndexError):
        make_backup(replace(order, kept=1, now=NOW + 100))
    assert backups(order.folder) == (first.path,)
    assert verify_backup(first.path).rows["instance"] == 3
    assert not list(order.folder.glob("*.part"))


def test_files_that_are_gone_or_damaged_are_told_and_the_rest_is_copied(node: SmallNode, order: BackupOrder) -> None:
    gone, bad, *_ = sorted(own_digests(node))
    node.files.path(gone).unlink()
    node.files.path(bad).write_bytes(b"other bytes")
    name = next(iter(Records(node.files).names()))
    Records(node.files).path(name).write_bytes(b"{}")
    made = make_backup(order)
    assert not made.ok
    assert made.copied.missing_count
    assert made.copied.damaged_count >= 2
    assert {f"missing {gone}", f"damaged {bad}", f"damaged {name}"} <= set(made.copied.faults)
    assert bad not in set(FileStore(order.folder / "store").digests())
    assert made.to_json()["ok"] is False


def test_a_file_that_the_disk_cannot_read_is_damaged(
    node: SmallNode, order: BackupOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copies, "_pour", lambda *_: ("", 0))
    assert make_backup(order).copied.damaged_count >= 3


@pytest.mark.parametrize("inside", ["store", "store/00/backup"])
def test_a_folder_inside_the_files_is_refused(node: SmallNode, order: BackupOrder, inside: str) -> None:
    with pytest.raises(StorageError, match="inside"):
        make_backup(replace(order, folder=node.root / inside))


def test_the_reserve_of_the_disk_is_left_alone(order: BackupOrder) -> None:
    with pytest.raises(StorageError, match="No space left"):
        make_backup(replace(order, reserve_bytes=1 << 60))
    assert {p.name for p in order.folder.iterdir()} == {"lock"}


@pytest.mark.parametrize("path", [Path("/proc/nothing/backup"), Path("/dev/null/backup")])
def test_a_folder_that_cannot_be_made_is_told(order: BackupOrder, path: Path) -> None:
    with pytest.raises(StorageError, match="no backup in"):
        make_backup(replace(order, folder=path))


def test_an_index_that_is_not_there_is_told(order: BackupOrder, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        make_backup(replace(order, index=tmp_path / "none" / "index.sqlite"))


@pytest.mark.parametrize("where", ["check_index", "copy_files", "copy_records", "replace_file", "sync_folder"])
def test_a_kill_leaves_whole_backups_only_and_the_next_one_cleans_up(order: BackupOrder, where: str) -> None:
    first = make_backup(order)

    def child() -> None:
        setattr(backup, where, die)
        make_backup(replace(order, now=NOW + 100))

    assert ended(child) == -signal.SIGKILL
    for path in backups(order.folder):
        verify_backup(path)
    made = make_backup(replace(order, now=NOW + 200, kept=9))
    assert {first.path, made.path} <= set(backups(order.folder))
    assert not list(order.folder.glob("*.part"))
    assert not list((order.folder / "store" / "incoming").iterdir())


def test_a_kill_while_an_older_one_is_removed_leaves_no_half_backup(order: BackupOrder) -> None:
    make_backup(order)

    def child() -> None:
        backup.shutil.rmtree = die
        backup._remove_older(order.folder, 0)

    assert ended(child) == -signal.SIGKILL
    assert backups(order.folder) == ()
    make_backup(replace(order, now=NOW + 100))
    assert not list(order.folder.glob("*.going"))


def test_receivers_go_on_writing_while_the_index_is_copied(node: SmallNode, tmp_path: Path) -> None:
    stop, written = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            receive(node.db, 1000 + written[0], sha256=f"{written[0]:064x}")
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = written[0]
            copy = tmp_path / f"copy-{number}.sqlite"
            copy_index(node.index, copy)
            assert before + 3 <= check_index(copy).rows["instance"] <= written[0] + 4
    finally:
        stop.set()
        writer.join()
    assert written[0] > 5


def test_what_changes_while_the_index_is_copied_is_in_the_copy(
    node: SmallNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = index_copy._nobody_commits

    @contextmanager
    def after_a_change(source: str) -> Iterator[float]:
        for number in range(200):
            receive(node.db, 5000 + number, sha256=f"{number:064x}", facts={"filler": "x" * 9000})
        with held(source) as since:
            yield since

    monkeypatch.setattr(index_copy, "_nobody_commits", after_a_change)
    took = index_copy.copy_twice(str(node.index), str(tmp_path / "copy.sqlite"))
    assert took["changed"] >= 1
    assert (tmp_path / "copy.sqlite").read_bytes() == node.index.read_bytes()
    assert check_index(tmp_path / "copy.sqlite").rows["instance"] == 203


def test_an_index_with_a_write_ahead_log_is_copied_with_it(tmp_path: Path) -> None:
    index = tmp_path / "wal.sqlite"
    with closing(sqlite3.connect(index, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('0004')")
        assert index.with_name("wal.sqlite-wal").stat().st_size
        assert copy_index(index, tmp_path / "copy.sqlite") == 0.0
    assert check_index(tmp_path / "copy.sqlite").rows == {"alembic_version": 1}


def test_an_index_that_cannot_be_copied_leaves_nothing(node: SmallNode, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be copied"):
        copy_index(node.index, tmp_path / "none" / "copy.sqlite")
    target = tmp_path / "copy.sqlite"
    with pytest.raises(StorageError, match="cannot be copied"):
        copy_index(tmp_path, target)
    assert not target.exists()


def test_the_copying_process_says_what_it_took_or_why_not(
    node: SmallNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy.sqlite"
    monkeypatch.setattr("sys.argv", ["index_copy", str(node.index), str(target)])
    assert index_copy.main() == 0
    assert "held_seconds" in capsys.readouterr().out
    assert index_copy.main() == index_copy.CANNOT_COPY
    assert "File exists" in capsys.readouterr().err
    target.unlink()
    other = tmp_path / "other"
    other.write_bytes(b"no database at all" * 100)
    monkeypatch.setattr("sys.argv", ["index_copy", str(other), str(target)])
    assert index_copy.main() == index_copy.CANNOT_COPY
    assert "NOTADB" in capsys.readouterr().err


def test_a_copying_process_that_dies_is_told(node: SmallNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.index_file.sys.executable", "/bin/false")
    with pytest.raises(StorageError, match="cannot be copied: the copying process died"):
        copy_index(node.index, tmp_path / "copy.sqlite")


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE outbox SET result_id = 999", "point nowhere"),
        ("DROP TABLE alembic_version", "no index of this program"),
    ],
)
def test_the_check_of_an_index_sees_what_is_wrong(node: SmallNode, tmp_path: Path, statement: str, fault: str) -> None:
    copy = tmp_path / "copy.sqlite"
    copy_index(node.index, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(DamagedIndexError, match=fault):
        check_index(copy)


def test_a_file_that_is_no_database_is_a_damaged_index(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(os.urandom(8192))
    with pytest.raises(DamagedIndexError):
        check_index(tmp_path / "x.sqlite")


def test_the_digests_an_index_names_are_listed(node: SmallNode) -> None:
    assert set(digests_in(node.index)) == own_digests(node)
