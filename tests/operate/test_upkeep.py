"""`dcis-node sweep` and `rebuild-index` on a data folder, and the node that finds its index gone."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import StorageError
from dcis_node.operate.clock import DailyJob, run_clock
from dcis_node.operate.lock import folder_in_use
from dcis_node.operate.node import prepare
from dcis_node.operate.process import running_process
from dcis_node.operate.upkeep import SweepOrder, describe_file, make_index_again, refuse_lost_index, run_sweep
from storage.database import Database, open_database
from storage.files import FileStore
from storage.findings import AnalysisKey, StoredAnalysis
from storage.maintenance import work_done
from storage.records import RecordedAnalysis, Records
from storage.replay import Looked, Stray
from storage.schema import Instance
from tests.analyse.objects import encoded, mammogram
from tests.analyse.test_index_again import SETTINGS

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node with two images and the record of an analysis, whose index knows nothing of them yet."""
    path = tmp_path / "config.toml"
    path.write_text('[storage]\nfolder = "data"\n')
    prepare(load_configuration(path))
    store = FileStore(tmp_path / "data" / "store")
    first = store.put(encoded(mammogram(1)), moment=NOW)
    store.put(encoded(mammogram(2, "R MLO")), moment=NOW + 1)
    key = AnalysisKey(first, "b" * 64, "c" * 64)
    Records(store).keep_analysis(RecordedAnalysis(key, StoredAnalysis({"probability": 0.5}, "", "", 1.5), NOW + 2))
    return path


@pytest.fixture
def configuration(config: Path) -> Configuration:
    return load_configuration(config)


@pytest.fixture
def db(configuration: Configuration) -> Iterator[Database]:
    database = open_database(configuration.index_url)
    yield database
    database.close()


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    return (2 if isinstance(done.exception, StorageError) else done.exit_code), done.stdout


def received(configuration: Configuration) -> list[tuple[float, str]]:
    database = open_database(configuration.index_url)
    try:
        with database.read() as session:
            return [tuple(row) for row in session.execute(select(Instance.received_at, Instance.analysis))]
    finally:
        database.close()


def test_an_index_is_made_again_from_the_command_line(config: Path, configuration: Configuration):
    code, out = run("rebuild-index", "--config", config, "--json")
    values = json.loads(out)
    assert code == 0
    assert values["ok"]
    assert (values["instances"], values["analyses"]) == (2, 1)
    assert values["rows"]["instance"] == 2
    assert Path(values["old_index"]).is_file()
    assert received(configuration) == [(NOW, "analysed"), (NOW + 1, "pending")]
    code, out = run("rebuild-index", "--config", config, "--assume-delivered")
    assert code == 0
    assert "instances: 2" in out


def test_what_cannot_be_read_is_told_and_left(config: Path, configuration: Configuration):
    store = FileStore(configuration.folder / "store")
    foreign = store.put(b"something else")
    code, out = run("rebuild-index", "--config", config, "--json")
    assert (code, json.loads(out)["unreadable"]) == (1, [foreign])
    assert store.exists(foreign)


def test_while_the_node_runs_no_index_is_made(config: Path, configuration: Configuration):
    with folder_in_use(configuration.folder, alone=False):
        code, _ = run("rebuild-index", "--config", config)
    assert code == 2
    assert received(configuration) == []


def test_while_an_index_is_made_no_process_of_the_node_starts(configuration: Configuration, monkeypatch):
    monkeypatch.setattr("dcis_node.operate.process.signal.signal", lambda *_: None)
    with (
        folder_in_use(configuration.folder, alone=True),
        pytest.raises(StorageError, match="made again or restored"),
        folder_in_use(configuration.folder, alone=False, patience_seconds=0.0),
    ):
        pytest.fail("two had the folder")
    with running_process(configuration, "clock-0"), pytest.raises(StorageError, match="the node runs"):
        make_index_again(configuration, delivered=False)


def test_processes_of_one_node_share_the_folder(configuration: Configuration):
    with folder_in_use(configuration.folder, alone=False), folder_in_use(configuration.folder, alone=False):
        pass


def test_without_files_there_is_nothing_to_make_an_index_from(config: Path, configuration: Configuration):
    shutil.rmtree(configuration.folder / "store")
    assert run("rebuild-index", "--config", config)[0] == 2


def test_a_disk_that_refuses_leaves_the_old_index(configuration: Configuration, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    old = (configuration.folder / "index.sqlite").read_bytes()
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(StorageError, match="No space"):
        make_index_again(configuration, delivered=False)
    assert (configuration.folder / "index.sqlite").read_bytes() == old


@pytest.mark.timeout(60)
def test_killed_in_the_middle_it_leaves_the_old_index_and_can_be_done_again(config: Path, configuration: Configuration):
    index = configuration.folder / "index.sqlite"
    old = index.read_bytes()
    command = [sys.executable, "-m", "tests.operate.rebuilding", str(config)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "3 of 3\n"
            assert run("rebuild-index", "--config", config)[0] == 2
        finally:
            process.kill()
    assert index.read_bytes() == old
    assert index.with_name("index.sqlite.rebuilding").exists()
    assert run("rebuild-index", "--config", config)[0] == 0
    assert len(received(configuration)) == 2
    assert not index.with_name("index.sqlite.rebuilding").exists()


def test_a_node_whose_index_is_gone_does_not_start_with_an_empty_one(config: Path, configuration: Configuration):
    with pytest.raises(StorageError, match="rebuild-index"):
        prepare(configuration)
    assert run("rebuild-index", "--config", config)[0] == 0
    prepare(configuration)


def test_a_node_that_never_answered_starts_with_an_empty_index(tmp_path: Path):
    """One file without its row is what a crash in the first minute leaves."""
    configuration = Configuration(base=tmp_path)
    prepare(configuration)
    FileStore(configuration.folder / "store").put(b"the first image")
    prepare(configuration)
    refuse_lost_index(configuration)


def test_a_sweep_from_the_command_line_says_what_it_did(config: Path, configuration: Configuration):
    code, out = run("sweep", "--config", config, "--json", "--verify")
    values = json.loads(out)
    assert (code, values["ok"], values["waiting"], values["files"], values["verified"]) == (0, True, 3, 2, True)
    quarantine = configuration.folder / "store" / "quarantine"
    quarantine.mkdir()
    (quarantine / "something").touch()
    code, out = run("sweep", "--config", config)
    assert code == 1
    assert "set_aside: something" in out


def test_how_a_sweep_went_is_kept(configuration: Configuration, db: Database):
    store = FileStore(configuration.folder / "store")
    run_sweep(configuration, db, store, SweepOrder(grace_seconds=-1.0))
    with db.read() as session:
        (done,) = work_done(session)
    assert (done.name, done.ok, done.detail["adopted"]) == ("sweep", True, 3)


def test_a_sweep_that_fails_is_kept_as_one_that_failed(configuration: Configuration, db: Database, caplog):
    store = FileStore(configuration.folder / "store")
    shutil.rmtree(store.root / "00")
    with pytest.raises(OSError, match="00"):
        run_sweep(configuration, db, store)
    with db.read() as session:
        (done,) = work_done(session)
    assert (done.ok, done.detail) == (False, {"error": "disk: No such file or directory"})


def test_a_sweep_that_was_stopped_keeps_how_the_last_one_went(configuration: Configuration, db: Database):
    run_sweep(configuration, db, FileStore(configuration.folder / "store"), SweepOrder(should_stop=lambda: True))
    with db.read() as session:
        assert work_done(session) == ()


def test_faults_stand_in_the_log_by_the_name_of_the_file(configuration: Configuration, db: Database, caplog):
    store = FileStore(configuration.folder / "store")
    foreign = store.put(b"something else")
    run_sweep(configuration, db, store, SweepOrder(grace_seconds=-1.0))
    assert f"event=store_fault fault=set_aside file='{foreign}'" in caplog.text
    assert "event=swept ok=False" in caplog.text


class TestWhatAFileIs:
    @pytest.fixture
    def describe(self):
        return describe_file(SETTINGS)

    def test_an_image_is_as_reception_describes_it(self, tmp_path: Path, describe):
        path = tmp_path / "x"
        path.write_bytes(encoded(mammogram(1)))
        found = describe(path, "a" * 64)
        assert isinstance(found, Looked)
        assert (found.made_here, found.received.eligible) == (False, True)
        assert found.received.size_bytes == path.stat().st_size

    def test_what_this_node_made_says_so(self, tmp_path: Path, describe):
        path = tmp_path / "x"
        path.write_bytes(encoded(mammogram(1, ManufacturerModelName="dcis-node", DeviceSerialNumber="DCIS_NODE")))
        assert describe(path, "a" * 64).made_here
        path.write_bytes(encoded(mammogram(1, ManufacturerModelName="dcis-node", DeviceSerialNumber="ANOTHER")))
        assert not describe(path, "a" * 64).made_here

    @pytest.mark.parametrize(
        ("data", "stray"),
        [
            (b"\x89PNG\r\n\x1a\nrest", Stray.PICTURE),
            (b"", Stray.FOREIGN),
            (b"text", Stray.FOREIGN),
            (encoded(mammogram(1))[:300], Stray.FOREIGN),
        ],
    )
    def test_anything_else_is_a_stray(self, tmp_path: Path, describe, data: bytes, stray: Stray):
        path = tmp_path / "x"
        path.write_bytes(data)
        assert describe(path, "a" * 64) is stray

    def test_a_file_that_is_gone_is_a_stray(self, tmp_path: Path, describe):
        assert describe(tmp_path / "x", "a" * 64) is Stray.FOREIGN

    def test_whatever_reading_makes_of_foreign_bytes_is_a_stray(self, tmp_path: Path, describe, monkeypatch, caplog):
        def fail(*_, **__):
            raise ValueError("CANARY")

        monkeypatch.setattr("dcis_node.operate.upkeep.describe", fail)
        path = tmp_path / "x"
        path.write_bytes(encoded(mammogram(1)))
        assert describe(path, "a" * 64) is Stray.FOREIGN
        assert "CANARY" not in caplog.text
        assert "ValueError" in caplog.text


@pytest.mark.timeout(30)
def test_a_daily_job_can_be_done_at_the_start_too():
    done, stop = threading.Event(), threading.Event()

    def work() -> None:
        done.set()
        stop.set()

    run_clock((DailyJob("sweep", "00:00", work, at_start=True),), stop=stop, beat=lambda _: None)
    assert done.is_set()
