"""From every earlier schema to this one: nothing is lost, also if the upgrading process is killed."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from dcis_node.errors import StorageError
from storage import migrate
from storage.index_file import check_index
from storage.migrate import HEAD, upgrade
from tests.storage.older import EARLIER, assert_kept, make_older, read_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "index.sqlite"


@pytest.mark.parametrize("schema", EARLIER)
def test_every_row_of_an_earlier_schema_is_kept(path: Path, schema: str) -> None:
    rows = make_older(path, schema)
    upgrade(f"sqlite:///{path}")
    facts = check_index(path)
    assert facts.schema == HEAD
    assert_kept(path, rows)
    new = ("maintenance", "commitment", "commitment_item", "destination_state", "retrieval")
    assert facts.rows == {**dict.fromkeys(new, 0), **dict.fromkeys(rows, 1), "alembic_version": 1}


@pytest.mark.parametrize("schema", EARLIER)
def test_the_index_before_an_upgrade_is_kept_beside_it(path: Path, schema: str) -> None:
    make_older(path, schema)
    before = read_rows(path)
    (path.parent / "index.sqlite.before-0000").write_bytes(b"of the upgrade before")
    upgrade(f"sqlite:///{path}")
    kept = path.with_name(f"index.sqlite.before-{HEAD}")
    assert check_index(kept).schema == schema
    assert read_rows(kept) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in path.parent.glob("*before*")) == [kept.name]


def test_an_index_that_is_new_or_up_to_date_is_not_copied(path: Path) -> None:
    upgrade(f"sqlite:///{path}")
    upgrade(f"sqlite:///{path}")
    assert not list(path.parent.glob("*before*"))


def test_without_room_for_the_copy_nothing_is_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_older(path, "0003")

    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrate, "copy_in_one_go", full)
    with pytest.raises(StorageError, match="No space left"):
        upgrade(f"sqlite:///{path}")
    assert check_index(path).schema == "0003"
    assert_kept(path, rows)
    assert [p.name for p in path.parent.iterdir() if "before" in p.name] == []


def killed_at(path: Path, number: int) -> bool:
    """Upgrade in a process that kills itself before its n-th statement; False if it had fewer."""

    def child() -> None:
        left = [number]

        def count(*_: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", count)
        event.listen(Engine, "commit", count)
        upgrade(f"sqlite:///{path}")

    return ended(child) == -signal.SIGKILL


def ended(work: Callable[[], None]) -> int | None:
    process = get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


# Every statement: DCIS_NODE_KILL_STEP=1 (a minute). Left out, some of them, which differ from schema to schema.
@pytest.mark.parametrize(("schema", "step"), [("0001", 11), ("0002", 9), ("0003", 7), ("0004", 5)])
def test_a_kill_at_any_statement_leaves_the_old_index_and_the_next_start_finishes(
    tmp_path: Path, schema: str, step: int
) -> None:
    step = int(os.environ.get("DCIS_NODE_KILL_STEP", step))
    made = tmp_path / "made.sqlite"
    rows = make_older(made, schema)
    number, whole = 1, False
    while not whole:
        path = tmp_path / f"{number}" / "index.sqlite"
        path.parent.mkdir()
        path.write_bytes(made.read_bytes())
        whole = not killed_at(path, number)
        with closing(sqlite3.connect(path)) as connection:
            # The first who opens it takes back what was half done.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        assert check_index(path).schema == (HEAD if whole else schema), number
        assert_kept(path, rows)
        upgrade(f"sqlite:///{path}")
        assert check_index(path).schema == HEAD
        assert_kept(path, rows)
        number += step
    assert number > 5


def test_a_kill_while_the_copy_is_made_changes_nothing(path: Path) -> None:
    rows = make_older(path, "0002")

    def child() -> None:
        def half(_source: Path, target: Path) -> None:
            target.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

        migrate.copy_in_one_go = half
        upgrade(f"sqlite:///{path}")

    assert ended(child) == -signal.SIGKILL
    assert check_index(path).schema == "0002"
    upgrade(f"sqlite:///{path}")
    assert_kept(path, rows)
    assert [p.name for p in path.parent.iterdir() if "before" in p.name] == [f"index.sqlite.before-{HEAD}"]
