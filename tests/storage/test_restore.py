import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from dcis_node.errors import StorageError
from storage import restore
from storage.backup import BackupOrder, Scope, make_backup
from storage.files import FileStore
from storage.heartbeat import record_beat
from storage.index import open_association
from storage.index_file import check_index
from storage.migrate import HEAD
from storage.outbox import claim
from storage.records import Records
from storage.restore import restore_backup
from storage.work import claim_instance
from tests.storage.older import assert_kept, make_older, read_rows
from tests.storage.small_node import NOW, SmallNode, die, ended


@pytest.fixture
def backup(node: SmallNode, tmp_path: Path) -> Path:
    return make_backup(BackupOrder(node.index, node.files, tmp_path / "backup", NOW, kept=3, scope=Scope.ALL)).path


def put_back(node: SmallNode, backup: Path):
    node.db.close()
    return restore_backup(backup, node.index, node.files, now=NOW + 1000)


def test_every_row_comes_back_and_the_index_before_is_kept(node: SmallNode, backup: Path) -> None:
    rows = read_rows(node.index)
    node.receive(9)
    later = read_rows(node.index)
    restored = put_back(node, backup)
    assert read_rows(node.index) == rows
    assert restored.aside is not None
    assert restored.aside.name == "index.sqlite.before-restore-20261118T112320Z"
    assert read_rows(restored.aside) == later
    assert node.index.stat().st_mode & 0o777 == 0o600
    assert restored.to_json()["rows"]["instance"] == 3
    assert [p.name for p in node.root.iterdir() if "restoring" in p.name] == []


def test_a_lost_disk_is_made_good(node: SmallNode, backup: Path) -> None:
    rows, moments = read_rows(node.index), {d: node.files.moment(d) for d in node.files.digests()}
    records = set(Records(node.files).names())
    node.db.close()
    shutil.rmtree(node.root)
    files = FileStore(node.root / "store")
    restored = restore_backup(backup, node.index, files, now=NOW)
    assert restored.aside is None
    assert read_rows(node.index) == rows
    assert {digest: files.moment(digest) for digest in files.digests()} == moments
    assert set(Records(files).names()) == records
    assert restored.copied.files == len(moments)


def test_what_processes_held_that_are_gone_is_given_back(node: SmallNode, tmp_path: Path) -> None:
    assert claim_instance(node.db, owner="gone", now=NOW + 100, lease_seconds=1e9)
    assert claim(node.db, owner="gone", now=NOW + 100, lease_seconds=1e9)
    with node.db.write() as session:
        open_association(session, owner="gone", calling_aet="PACS", address="10.0.0.1", now=NOW)
        record_beat(session, "clock-0", pid=1, started_at=NOW, now=NOW)
        session.execute(text("UPDATE exam SET state = 'due', lease_owner = 'gone', lease_until = 1e12 WHERE id = 2"))
    backup = make_backup(BackupOrder(node.index, node.files, tmp_path / "backup", NOW, kept=3)).path
    put_back(node, backup)
    found = read_rows(node.index)
    assert {row["analysis"] for row in found["instance"]} == {"analysed", "pending"}
    assert [(row["state"], row["attempts"]) for row in found["outbox"]] == [("due", 1)]
    assert {row["lease_owner"] for table in ("instance", "exam", "outbox") for row in found[table]} == {""}
    assert all(row["closed_at"] is not None for row in found["association"])
    assert found["heartbeat"] == []


def test_a_backup_of_an_earlier_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    index = tmp_path / "data" / "index.sqlite"
    rows = make_older(index, "0002")
    files = FileStore(tmp_path / "data" / "store")
    made = make_backup(BackupOrder(index, files, tmp_path / "backup", NOW, kept=3))
    assert (made.manifest.schema, made.copied.missing_count) == ("0002", 2)
    backup = made.path
    index.unlink()
    restore_backup(backup, index, files, now=NOW)
    del rows["heartbeat"]
    rows["association"].pop("closed_at", None)
    assert check_index(index).schema == HEAD
    assert_kept(index, rows)
    assert [p.name for p in index.parent.iterdir() if "before" in p.name or "restoring" in p.name] == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def rewrite(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda b: flip(b / "index.sqlite"), "damaged"),
        (lambda b: (b / "index.sqlite").write_bytes(b""), "damaged"),
        (lambda b: (b / "index.sqlite").unlink(), "cannot be read"),
        (lambda b: (b / "manifest.json").unlink(), "is no backup"),
        (lambda b: (b / "manifest.json").write_text("{}"), "manifest"),
        (lambda b: (b / "manifest.json").write_text("["), "manifest"),
        (lambda b: rewrite(b / "manifest.json", '"instance":3', '"instance":4'), "does not hold"),
        (lambda b: rewrite(b / "manifest.json", '"format":1', '"format":2'), "newer program"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_is_changed(node: SmallNode, backup: Path, harm, told: str) -> None:
    node.db.close()
    before, names = node.index.read_bytes(), sorted(node.root.iterdir())
    harm(backup)
    with pytest.raises(StorageError, match=told):
        restore_backup(backup, node.index, node.files, now=NOW)
    assert node.index.read_bytes() == before
    assert sorted(node.root.iterdir()) == names


def test_a_backup_of_a_newer_program_is_refused(node: SmallNode, tmp_path: Path) -> None:
    with node.db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backup = make_backup(BackupOrder(node.index, node.files, tmp_path / "backup", NOW, kept=3)).path
    with pytest.raises(StorageError, match="newer"):
        put_back(node, backup)


def test_a_full_disk_leaves_the_present_index(node: SmallNode, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = read_rows(node.index)
    monkeypatch.setattr(restore, "_copy", full)
    with pytest.raises(StorageError, match="No space left"):
        put_back(node, backup)
    assert read_rows(node.index) == before


def test_an_index_that_cannot_be_settled_is_not_put_in_place(
    node: SmallNode, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "settle", lambda _: False)
    before = read_rows(node.index)
    with pytest.raises(StorageError, match="settled"):
        put_back(node, backup)
    assert read_rows(node.index) == before


def test_a_journal_that_a_killed_writer_left_is_not_played_into_the_restored_index(
    node: SmallNode, backup: Path
) -> None:
    rows = read_rows(node.index)

    def killed_in_a_commit() -> None:
        connection = sqlite3.connect(node.index, isolation_level=None)
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE filler AS SELECT hex(randomblob(4000)) AS x FROM instance, outbox, study")
        connection.execute("UPDATE instance SET facts = hex(randomblob(40000))")
        die()

    node.db.close()
    assert ended(killed_in_a_commit) == -signal.SIGKILL
    journal = node.index.with_name("index.sqlite-journal")
    assert journal.stat().st_size
    # The present index is damaged too, so that its journal cannot be settled.
    flip(node.index)
    node.index.write_bytes(b"\0" * 100 + node.index.read_bytes()[100:])
    restored = put_back(node, backup)
    assert read_rows(node.index) == rows
    assert not journal.exists() or not journal.stat().st_size
    assert restored.aside is not None
    assert restored.aside.exists()


@pytest.mark.parametrize("where", ["_copy", "upgrade", "_let_go", "_bring_back", "settle", "_keep_aside"])
def test_a_kill_before_the_end_leaves_the_present_index_and_a_second_try_succeeds(
    node: SmallNode, backup: Path, where: str
) -> None:
    rows = read_rows(node.index)
    node.receive(9)
    later = read_rows(node.index)
    node.db.close()

    def child() -> None:
        real = getattr(restore, where)

        def work_and_die(*arguments: object) -> None:
            real(*arguments)
            die()

        setattr(restore, where, work_and_die)
        restore_backup(backup, node.index, node.files, now=NOW + 1000)

    assert ended(child) == -signal.SIGKILL
    assert read_rows(node.index) == later
    with closing(sqlite3.connect(node.index)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    put_back(node, backup)
    assert read_rows(node.index) == rows
    assert [p.name for p in node.root.iterdir() if "restoring" in p.name] == []
