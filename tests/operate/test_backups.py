"""The night's work on a node, what status and check tell of it, and the way back by the command line."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import DamagedIndexError, DcisNodeError, StorageError
from dcis_node.operate import backups as backups_module
from dcis_node.operate.backups import back_up, backup_named, is_backup_overdue, nightly_backup
from dcis_node.operate.doctor import examine
from dcis_node.operate.findings import Verdict
from dcis_node.operate.lock import folder_in_use
from dcis_node.operate.nightly import OVERDUE_SECONDS, index_status, maintenance_status
from dcis_node.operate.role_clock import run_clock_role
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import status_view
from storage.backup import Scope, backups
from storage.heartbeat import Beat
from storage.maintenance import WorkDone, record_work, work_done
from tests.analyse.objects import encoded, mammogram
from tests.storage.older import read_rows
from tests.storage.small_node import NOW, SmallNode, small_node

CONFIG = "[storage]\nreserve_bytes = 0\n[receive]\nport = 0\n"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SmallNode]:
    (tmp_path / "config.toml").write_text(CONFIG)
    made = small_node(tmp_path / "data")
    yield made
    made.db.close()


@pytest.fixture
def configuration(node: SmallNode, tmp_path: Path) -> Configuration:
    return load_configuration(tmp_path / "config.toml")


def works(node: SmallNode) -> dict[str, WorkDone]:
    with node.db.read() as session:
        return {done.name: done for done in work_done(session)}


def command(tmp_path: Path, *arguments: str):
    return CliRunner().invoke(app, [*arguments, "--config", str(tmp_path / "config.toml")])


def test_the_night_backs_up_and_tells_of_backup_and_check(node: SmallNode, configuration: Configuration) -> None:
    nightly_backup(configuration, node.db)
    done = works(node)
    assert (done["backup"].ok, done["integrity"].ok) == (True, True)
    assert done["backup"].detail["rows"]["instance"] == 3
    assert len(backups(configuration.backup_folder)) == 1


def test_a_damaged_index_is_told_by_both(
    node: SmallNode, configuration: Configuration, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise DamagedIndexError("it is damaged (quick_check)")

    monkeypatch.setattr(backups_module, "make_backup", damaged)
    with pytest.raises(DamagedIndexError):
        nightly_backup(configuration, node.db)
    done = works(node)
    assert (done["backup"].ok, done["integrity"].ok) == (False, False)
    assert "event=integrity ok=False" in caplog.text
    shown = drawn(node_status(configuration, node.db))
    assert "integrity: FAILED: a person has to look" in shown
    assert "it is damaged (quick_check)" in shown


def test_a_full_disk_says_nothing_of_the_index(node: SmallNode, configuration: Configuration, tmp_path: Path) -> None:
    full = configuration.model_copy(
        update={"storage": configuration.storage.model_copy(update={"reserve_bytes": 2**60})}
    )
    with pytest.raises(StorageError, match="No space left"):
        nightly_backup(full, node.db)
    assert set(works(node)) == {"backup"}
    assert command(tmp_path, "status").exit_code == 1


def test_a_backup_by_hand_makes_up_for_a_night_that_failed(
    node: SmallNode, configuration: Configuration, tmp_path: Path
) -> None:
    full = configuration.model_copy(
        update={"storage": configuration.storage.model_copy(update={"reserve_bytes": 2**60})}
    )
    with pytest.raises(StorageError):
        nightly_backup(full, node.db)
    assert command(tmp_path, "backup", "--files", "none").exit_code == 0
    assert command(tmp_path, "backup", "--to", str(tmp_path / "elsewhere")).exit_code == 0
    assert not works(node)["backup"].ok
    assert command(tmp_path, "backup").exit_code == 0
    assert (works(node)["backup"].ok, works(node)["integrity"].ok) == (True, True)


def test_a_backup_by_hand_that_fails_is_told_like_that_of_the_night(
    node: SmallNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(backups_module, "make_backup", fail)
    assert isinstance(command(tmp_path, "backup").exception, StorageError)
    assert works(node)["backup"].detail == {"fault": "no room"}


def test_a_damaged_index_is_called_so_by_status_and_by_a_backup(node: SmallNode, tmp_path: Path) -> None:
    node.db.close()
    node.index.write_bytes(b"no database at all, but long enough to be one" * 100)
    for name in ("status", "backup"):
        ended = command(tmp_path, name)
        assert isinstance(ended.exception, StorageError)
        assert "damaged" in str(ended.exception)
    assert "dcis-node restore latest" in str(command(tmp_path, "status").exception)
    node.index.unlink()
    assert "rebuild-index" in str(command(tmp_path, "status").exception)


@pytest.mark.parametrize(
    "arguments", [("backup",), ("restore", "latest"), ("rebuild-index",), ("sweep",), ("retention",), ("run", "clock")]
)
def test_nobody_but_its_owner_writes_into_a_data_folder(
    node: SmallNode, configuration: Configuration, tmp_path: Path, monkeypatch, arguments: tuple[str, ...]
) -> None:
    assert command(tmp_path, "backup").exit_code == 0
    before = sorted(configuration.folder.rglob("*"))
    monkeypatch.setattr("dcis_node.cli.common.os.geteuid", lambda: 4711)
    refused = command(tmp_path, *arguments)
    assert isinstance(refused.exception, StorageError)
    assert f"runuser -u {configuration.folder.owner()}" in str(refused.exception)
    assert sorted(configuration.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("detail", "cause"),
    [
        ({"error": "disk: no space"}, "disk: no space"),
        ({"missing_count": 2, "damaged_count": 0, "set_aside_count": 1}, "2 files missing, 1 files set_aside; the log"),
        ({"files": {"missing_count": 0, "damaged_count": 3}}, "3 files damaged; the log names them"),
    ],
)
def test_status_says_why_a_nightly_work_failed(node: SmallNode, configuration: Configuration, detail, cause) -> None:
    with node.db.write() as session:
        record_work(session, WorkDone("sweep", NOW, NOW, ok=False, detail=detail))
    assert cause in drawn(node_status(configuration, node.db))


def test_a_postgresql_index_is_for_its_own_tools(configuration: Configuration, node: SmallNode) -> None:
    storage = configuration.storage.model_copy(update={"index_url": "postgresql+psycopg://host/index"})
    other = configuration.model_copy(update={"storage": storage})
    nightly_backup(other, node.db)
    assert works(node) == {}
    with pytest.raises(DcisNodeError, match="pg_dump"):
        back_up(other, scope=Scope.OWN)
    assert [work["work"] for work in maintenance_status(other, (), (), now=1.0)] == ["sweep", "retention"]
    assert index_status(other)["kind"] == "PostgreSQL"


def done_at(name: str, at: float, *, ok: bool = True) -> WorkDone:
    return WorkDone(name, at - 1, at, ok, {})


def clock(started_at: float) -> Beat:
    return Beat("clock-0", 1, started_at, started_at, "")


@pytest.mark.parametrize(
    ("done", "started_at", "overdue"),
    [
        (None, None, False),  # a node that does not run owes nothing
        (None, 0.0, True),
        (None, OVERDUE_SECONDS - 1, False),  # it has not had its night yet
        (10.0, 0.0, True),
        (OVERDUE_SECONDS, 0.0, False),
    ],
)
def test_a_work_is_overdue_when_a_running_node_has_not_done_it_for_a_night(
    configuration: Configuration, done: float | None, started_at: float | None, overdue: bool
) -> None:
    last = () if done is None else (done_at("sweep", done),)
    seen = () if started_at is None else (clock(started_at),)
    told = maintenance_status(configuration, last, seen, now=OVERDUE_SECONDS + 11)
    assert told[0]["overdue"] is overdue


def test_a_backup_is_made_up_for_only_if_there_was_one_before(node: SmallNode) -> None:
    assert not is_backup_overdue(node.db, now=1e12)
    with node.db.write() as session:
        record_work(session, done_at("backup", 100.0))
    assert not is_backup_overdue(node.db, now=100.0 + OVERDUE_SECONDS)
    assert is_backup_overdue(node.db, now=101.0 + OVERDUE_SECONDS)


def test_the_clock_sweeps_at_its_start_and_makes_up_for_a_night(
    node: SmallNode, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []

    def ring(jobs, *, stop, beat, watch) -> None:
        night = next(job for job in jobs if job.name == "night")
        assert (night.at, night.at_start) == (configuration.maintenance.time, True)
        for part in night.parts:
            part.work()
        rung.append(f"{len(backups(configuration.backup_folder))} after the start")
        assert "retention" not in works(node)
        for part in night.parts:
            part.work()
        rung.append(f"{len(backups(configuration.backup_folder))} after the night")

    monkeypatch.setattr("dcis_node.operate.role_clock.run_clock", ring)
    run_clock_role(configuration, "clock-0", lifeline=None)
    assert rung == ["0 after the start", "1 after the night"]
    assert set(works(node)) == {"sweep", "backup", "integrity", "retention", "volumes"}


def drawn(status) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(status_view(status))
    return out.getvalue()


def test_the_status_tells_of_the_night_and_of_the_index(
    node: SmallNode, configuration: Configuration, tmp_path: Path
) -> None:
    shown = drawn(node_status(configuration, node.db))
    assert "index: SQLite" in shown
    assert "backup: not yet" in shown
    nightly_backup(configuration, node.db)
    values = json.loads(command(tmp_path, "status", "--json").stdout)
    assert {work["work"]: work["ok"] for work in values["maintenance"]} == dict.fromkeys(
        ("sweep", "backup", "integrity", "retention"), True
    )
    assert values["index"]["size_bytes"] == node.index.stat().st_size
    assert bool(values["index"]["note"]) == (values["index"]["journal_mode"] != "WAL")


def test_an_overdue_night_is_exit_code_1(node: SmallNode, configuration: Configuration) -> None:
    status = node_status(configuration, node.db)
    status["maintenance"][0].update(overdue=True, finished_at=1.0)
    assert "OVERDUE" in drawn(status)


def finding(configuration: Configuration):
    return next(found for found in examine(configuration) if found.check == "backups")


def test_check_warns_of_backups_on_the_disk_of_the_data(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finding(configuration).verdict is Verdict.WARN
    assert "SAME DISK" in finding(configuration).detail
    monkeypatch.setattr("dcis_node.operate.doctor._device_of", hash)
    assert finding(configuration).verdict is Verdict.OK
    back_up(configuration, scope=Scope.INDEX)
    assert backups(configuration.backup_folder)[0].name in finding(configuration).detail


def test_check_before_the_first_start_of_a_new_program_says_that_the_schema_is_brought_up(
    node: SmallNode, configuration: Configuration
) -> None:
    with node.db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    found = next(found for found in examine(configuration) if found.check == "index")
    assert (found.verdict, "schema 0005, brought to" in found.detail) == (Verdict.WARN, True)
    with node.db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    found = next(found for found in examine(configuration) if found.check == "index")
    assert (found.verdict, "install the newer program" in found.detail) == (Verdict.FAIL, True)


def test_check_refuses_backups_inside_the_files(configuration: Configuration) -> None:
    maintenance = configuration.maintenance.model_copy(update={"backup_folder": "data/store/backup"})
    assert finding(configuration.model_copy(update={"maintenance": maintenance})).verdict is Verdict.FAIL


def test_backup_and_restore_by_the_command_line_take_up_what_is_newer(node: SmallNode, tmp_path: Path) -> None:
    made = json.loads(command(tmp_path, "backup", "--files", "all", "--json").stdout)
    assert (made["ok"], made["rows"]["instance"]) == (True, 3)
    # After the backup: an image came, and the exam that waited was answered.
    image = node.files.put(encoded(mammogram(9)), moment=NOW + 500)
    result = node.answer(2)
    bytes_before = node.files.read(result)
    node.db.close()
    node.index.write_bytes(b"the disk has eaten it")
    ended = command(tmp_path, "restore", "latest", "--json")
    values = json.loads(ended.stdout)
    found = read_rows(node.index)
    assert (ended.exit_code, values["ok"]) == (0, True)
    assert values["seconds"] >= values["in_place_seconds"] > 0
    assert {row["received_at"] for row in found["instance"] if row["sha256"] == image} == {NOW + 500}
    assert len(found["instance"]) == 4
    assert result in {row["sha256"] for row in found["result"]}
    assert [row["state"] for row in found["outbox"]] == ["due", "due"], "what nobody saw delivered is sent again"
    assert node.files.read(result) == bytes_before


def test_a_restore_meets_no_running_node(node: SmallNode, configuration: Configuration, tmp_path: Path) -> None:
    assert command(tmp_path, "backup").exit_code == 0
    before = node.index.read_bytes()
    with folder_in_use(configuration.folder, alone=False):
        refused = command(tmp_path, "restore", "latest")
    assert isinstance(refused.exception, StorageError)
    assert "the node runs" in str(refused.exception)
    assert node.index.read_bytes() == before


def test_a_backup_is_found_by_name_by_path_and_as_the_latest(configuration: Configuration) -> None:
    with pytest.raises(StorageError, match="none"):
        backup_named(configuration, "latest")
    made = back_up(configuration, scope=Scope.INDEX).path
    assert {backup_named(configuration, name) for name in ("latest", made.name, str(made))} == {made}
    with pytest.raises(StorageError, match=made.name):
        backup_named(configuration, "20200101T000000Z")


def test_what_cannot_be_backed_up_is_told_by_the_exit_code(node: SmallNode, tmp_path: Path) -> None:
    assert command(tmp_path, "backup", "--files", "some").exit_code == 2
    next(node.files.path(digest) for digest in node.files.digests()).unlink()
    ended = command(tmp_path, "backup", "--files", "all", "--to", str(tmp_path / "elsewhere"))
    assert ended.exit_code == 1
    assert "missing_count 1" in ended.stdout
    assert len(backups(tmp_path / "elsewhere")) == 1
