"""The trail goes to the repository in order and at least once, whoever dies; what is old and sent is removed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from dcis_node.config import configuration_from
from dcis_node.errors import DeliveryError
from dcis_node.operate.audit import forwarder as module
from dcis_node.operate.audit.backlog import audit_status
from dcis_node.operate.audit.forwarder import DAY_SECONDS, Forwarder, forwarder_of, forwarding
from dcis_node.operate.audit.journal import Journal, journals
from dcis_node.operate.audit.progress import NAME, Progress, read_progress, write_progress
from dcis_node.operate.audit.repository import Repository
from dcis_node.operate.audit.syslog import syslog_line
from dcis_node.operate.audit.telling import messages_of
from tests.operate.audit.events_told import RECEIVED, SOURCE
from tests.peers import free_port, wait_until
from tests.syslog_server import read_one_and_reset, syslog_server

NOWHERE = Repository("127.0.0.1", 1)


def line(at, number=1):
    (message,) = messages_of(RECEIVED, SOURCE, at=at)
    return syslog_line(message, SOURCE, number=number)


@pytest.fixture
def write(tmp_path):
    """Write messages of a process; the file is finished."""

    def write_all(name, lines):
        journal = Journal(tmp_path, name)
        for one in lines:
            journal.append(one)
        journal.close()

    return write_all


@pytest.fixture
def sent():
    return []


@pytest.fixture
def forwarder(tmp_path, sent):
    return Forwarder(tmp_path, NOWHERE, keep_days=30, send=lambda _, lines: sent.extend(lines))


def test_messages_of_all_processes_go_in_the_order_of_time(forwarder, write, sent):
    write("receive-0", [line(1.0), line(4.0)])
    write("receive-1", [line(2.0), line(3.0)])
    assert forwarder.forward_next()
    assert sent == [line(1.0), line(2.0), line(3.0), line(4.0)]
    assert not forwarder.forward_next()


def test_a_process_keeps_its_own_order_when_the_clock_goes_back(forwarder, write, sent):
    write("receive-0", [line(5.0), line(1.0), line(2.0)])
    forwarder.forward_next()
    assert sent == [line(5.0), line(1.0), line(2.0)]


def test_a_long_trail_goes_in_batches_and_each_is_remembered(forwarder, write, sent, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    write("receive-0", [line(float(number)) for number in range(5)])
    assert [forwarder.forward_next() for _ in range(4)] == [True, True, True, False]
    assert sent == [line(float(number)) for number in range(5)]


def test_what_was_not_taken_is_sent_again_with_growing_pauses(forwarder, write, sent, tmp_path, caplog):
    def refuse(*_):
        raise DeliveryError("audit repository: nobody there", permanent=False)

    write("receive-0", [line(1.0)])
    take, forwarder.send = forwarder.send, refuse
    assert forwarder.wait_seconds() == module.POLL_SECONDS
    pauses = [(forwarder.forward_next(), forwarder.wait_seconds())[1] for _ in range(9)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert read_progress(tmp_path).failure == "audit repository: nobody there"
    forwarder.send = take
    assert forwarder.forward_next()
    assert sent == [line(1.0)]
    assert read_progress(tmp_path).failure == ""
    assert "event=audit_forwarded_again attempts=10" in caplog.text


def test_without_a_repository_nothing_is_sent(tmp_path, write):
    write("receive-0", [line(1.0)])
    assert not Forwarder(tmp_path, None, keep_days=1).forward_next()


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"offsets": {}, "other": 1}', b"\xff"])
def test_a_damaged_memory_sends_all_again(forwarder, write, sent, tmp_path, damage, caplog):
    write("receive-0", [line(1.0)])
    forwarder.forward_next()
    (tmp_path / NAME).write_bytes(damage)
    forwarder.forward_next()
    assert sent == [line(1.0)] * 2
    assert "all is sent again" in caplog.text


def age(path, days):
    moment = time.time() - days * DAY_SECONDS
    os.utime(path, (moment, moment))


def test_what_was_sent_goes_when_it_is_old(forwarder, write, tmp_path):
    write("receive-0", [line(1.0)])
    write("receive-0", [line(2.0)])
    forwarder.forward_next()
    old, new = journals(tmp_path)
    age(old, 31)
    age(new, 29)
    assert forwarder.clean() == 1
    assert journals(tmp_path) == [new]
    assert set(read_progress(tmp_path).offsets) == {new.name}


def test_what_was_not_sent_stays_however_old(forwarder, write, tmp_path):
    write("receive-0", [line(1.0)])
    age(journals(tmp_path)[0], 3000)
    assert forwarder.clean() == 0
    assert Forwarder(tmp_path, None, keep_days=30).clean() == 1


def test_what_is_still_being_written_stays(forwarder, tmp_path):
    journal = Journal(tmp_path, "receive-0")
    journal.append(line(1.0))
    forwarder.forward_next()
    age(journals(tmp_path)[0], 3000)
    assert forwarder.clean() == 0
    journal.close()
    assert forwarder.clean() == 1


@pytest.fixture
def configuration(tmp_path):
    def make(port):
        values = {"storage": {"folder": str(tmp_path)}, "audit": {"repository": f"tcp://127.0.0.1:{port}"}}
        return configuration_from(values, tmp_path / "config.toml")

    (tmp_path / "audit").mkdir()
    return make


def test_the_status_counts_what_waits_and_says_why(configuration, tmp_path):
    journal = Journal(tmp_path / "audit", "receive-0")
    for number in range(3):
        journal.append(line(float(number)))
    configured = configuration(free_port())
    assert audit_status(configured, now=time.time())["waiting"] == 3
    forwarder_of(configured).forward_next()
    status = audit_status(configured, now=time.time())
    assert status["waiting"] == 3
    assert status["failure"].endswith("Connection refused")
    assert (status["sent_at"], status["alarm"]) == (None, True)
    with syslog_server(port=int(configured.audit.repository.rpartition(":")[2])) as server:
        assert forwarder_of(configured).forward_next()
    status = audit_status(configured, now=time.time())
    assert (status["waiting"], status["failure"], len(server.messages)) == (0, "", 3)
    assert status["kept_bytes"] > 0
    assert not status["alarm"]
    journal.append(line(4.0))
    forwarder_of(configured).forward_next()
    status = audit_status(configured, now=time.time() + 3500)
    assert (bool(status["failure"]), status["alarm"]) == (True, False)
    assert audit_status(configured, now=time.time() + 3700)["alarm"]
    journal.close()
    alone = configuration_from({"storage": {"folder": str(tmp_path)}}, tmp_path / "config.toml")
    assert (audit_status(alone, now=time.time())["waiting"], audit_status(alone, now=time.time())["repository"]) == (
        0,
        "",
    )


def test_the_thread_goes_on_after_a_defect(forwarder, write, monkeypatch, caplog):
    monkeypatch.setattr(module, "BACKOFF_FIRST_SECONDS", 0.01)
    taken = threading.Event()

    def fails_once(*_):
        if "event=audit_forwarder_failed" in caplog.text:
            taken.set()
            return
        raise RuntimeError("secret")

    forwarder.send = fails_once
    write("receive-0", [line(1.0)])
    with forwarding(forwarder):
        assert taken.wait(20)
    assert "error=RuntimeError" in caplog.text
    assert "secret" not in caplog.text


# What a clock process does, with small batches; killed by the test again and again.
PROCESS = """
import pathlib, sys, threading
from dcis_node.operate.audit import forwarder
from dcis_node.operate.audit.repository import Repository
forwarder.BATCH, forwarder.POLL_SECONDS, forwarder.BACKOFF_FIRST_SECONDS = 3, 0.01, 0.01
print("up", flush=True)
forwarder.run_forwarder(
    forwarder.Forwarder(pathlib.Path(sys.argv[1]), Repository("127.0.0.1", int(sys.argv[2])), 30),
    stop=threading.Event(),
)
"""


def test_kills_in_the_middle_of_batches_lose_nothing(tmp_path, write):
    lines = [line(float(number), number=number + 1) for number in range(400)]
    write("receive-0", lines[::2])
    write("receive-1", lines[1::2])
    rng = random.Random(37)  # noqa: S311 -- the moments of the kills
    pause = threading.Event()
    kills = 0
    with syslog_server() as server:
        while len(set(server.messages)) < len(lines):
            process = subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), str(server.port)], stdout=-1)
            with process:
                assert process.stdout.readline() == b"up\n"
                pause.wait(rng.uniform(0.01, 0.15))
                process.send_signal(signal.SIGKILL)
            kills += process.returncode == -signal.SIGKILL
            assert kills < 100
    counted = Counter(server.messages)
    assert kills >= 3
    assert set(counted) == set(lines)
    assert list(dict.fromkeys(server.messages)) == lines


def test_a_repository_that_dies_in_the_middle_of_batches_loses_nothing_it_has_not_read(tmp_path, write):
    lines = [line(float(number), number=number + 1) for number in range(30)]
    write("receive-0", lines)
    port = free_port()
    forwarder = Forwarder(tmp_path, Repository("127.0.0.1", port), keep_days=30)
    with syslog_server(port=port, serve=read_one_and_reset) as dying:
        assert not forwarder.forward_next()
    with syslog_server(port=port) as server:
        assert forwarder.forward_next()
    assert dying.messages == lines[:1]
    assert server.messages == lines


def test_progress_is_kept_as_it_was_written(tmp_path):
    progress = Progress({"a": 1}, 2.0, 3.0, "why")
    write_progress(tmp_path, progress)
    assert read_progress(tmp_path) == progress
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    wait_until(lambda: not list(tmp_path.glob("*.part")), "nothing is left beside it")
