"""What every process has in common: it lives through an index that cannot be used, and tells who watches it."""

import os
import signal
import socket
import sqlite3
import threading

import pytest

from dcis_node.config import Configuration, StorageSettings
from dcis_node.operate import process as module
from dcis_node.operate.left_over import left_over
from dcis_node.operate.lock import NameLock
from dcis_node.operate.process import running_process
from dcis_node.operate.pulse import VARIABLE, Listener
from dcis_node.operate.supervisor import child_specs
from dcis_node.operate.watch import Watch
from storage import engines
from storage.database import open_database, upgrade
from storage.heartbeat import beats, record_beat


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)
    made = Configuration(base=tmp_path, storage=StorageSettings(folder="data"))
    made.folder.mkdir()
    upgrade(made.index_url)
    return made


def locked(configuration):
    """Hold the index as another program might, for as long as it likes."""
    connection = sqlite3.connect(configuration.folder / "index.sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def seen(configuration):
    db = open_database(configuration.index_url)
    try:
        with db.read() as session:
            return {beat.process: beat.detail for beat in beats(session)}
    finally:
        db.close()


def test_a_child_shows_its_life_though_the_index_is_locked(configuration, monkeypatch, caplog):
    listener = Listener()
    read, write = os.pipe()
    monkeypatch.setenv(VARIABLE, str(listener.handed))
    with running_process(configuration, "clock-0", lifeline=read) as process:
        assert listener.heard() == 1
        holder = locked(configuration)
        process.beat({"a": 1})
        assert listener.heard() == 1
        assert "event=beat_not_written process=clock-0" in caplog.text
        holder.execute("ROLLBACK")
        process.beat({"a": 2})
        assert seen(configuration) == {"clock-0": '{"a": 2}'}
    os.close(write)
    assert seen(configuration) == {}


def test_a_process_leaves_though_the_index_is_locked(configuration, caplog):
    with running_process(configuration, "clock-0"):
        holder = locked(configuration)
    assert "event=beat_not_forgotten process=clock-0" in caplog.text
    holder.close()


def test_one_that_was_started_alone_answers_to_the_service_manager(configuration, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        with running_process(configuration, "deliver-0") as process:
            assert manager.recv(100) == b"WATCHDOG=1"
            process.beat()
            assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STOPPING=1"


class FakeSupervisor:
    """Goes round until told to stop, as the real one does."""

    is_started = True
    told = {"clock-0": {"state": "running"}}  # noqa: RUF012 -- a value of this test

    def __init__(self):
        self.rounds = 0
        self.went_on = threading.Event()

    def run(self, stop, beat, *, leaving):
        while not stop.wait(0.01):
            self.rounds += 1
            beat({"clock-0": 0})
            if self.rounds > 100:
                self.went_on.set()
        leaving()


def test_the_supervisors_loop_goes_on_and_answers_the_watchdog_though_the_index_is_locked(
    configuration, tmp_path, monkeypatch
):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 5.0)
    said = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        supervisor = FakeSupervisor()
        with running_process(configuration, "supervisor", is_supervisor=True) as process:
            holder = locked(configuration)
            watch = Watch(process, supervisor)
            running = threading.Thread(target=watch.run, args=({"listening": "here"},))
            running.start()
            assert supervisor.went_on.wait(20), "the loop waits for the index"
            while "WATCHDOG=1" not in said:
                said.append(manager.recv(1000).decode())
            holder.close()
            process.stop.set()
            running.join(30)
        while "STOPPING=1" not in said:
            said.append(manager.recv(1000).decode())
    assert said[:2] == ["READY=1", "STATUS=1 of 1 processes run"]


def test_only_killed_receivers_of_a_reload_are_left_over(configuration, monkeypatch, caplog):
    db = open_database(configuration.index_url)
    specs = child_specs(configuration.folder / "config.toml", receivers=1, listener=7)
    with db.write() as session:
        for name in ("supervisor", "receive-0", "receive-0.1", "receive-3.2", "receive-0.2", "other-0.1", "clock-0"):
            record_beat(session, name, pid=7, started_at=1.0, now=1.0)
    with NameLock(configuration.folder, "receive-0.2"):
        found = left_over(db, configuration.folder, specs)
    assert [spec.name for spec in found] == ["receive-0.1", "receive-3.2"]
    assert all(spec.name in spec.arguments and spec.inherited == (7,) for spec in found)
    holder = locked(configuration)
    assert left_over(db, configuration.folder, specs) == ()
    assert "event=left_over_unknown" in caplog.text
    holder.close()
    db.close()


def test_signals_of_a_process(tmp_path, monkeypatch):
    handlers = {}
    monkeypatch.setattr(module.signal, "signal", lambda number, handler: handlers.update({number: handler}))
    made = Configuration(base=tmp_path, storage=StorageSettings(folder="data"))
    made.folder.mkdir()
    upgrade(made.index_url)
    with running_process(made, "receive-0") as process:
        assert handlers[signal.SIGHUP] is signal.SIG_IGN
        handlers[signal.SIGUSR1]()
        assert process.drain.is_set()
        assert not process.stop.is_set()
        handlers[signal.SIGTERM]()
        assert process.stop.is_set()
