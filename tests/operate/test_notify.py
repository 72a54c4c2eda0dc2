"""sd_notify without a library: what is sent, to which sort of socket, and when the watchdog is answered."""

import os
import socket

import pytest

from dcis_node.operate import notify
from dcis_node.operate.notify import Notifier


class Manager:
    """Receives what a service says."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)

    def said(self):
        return self.socket.recv(4096).decode().split("\n")

    def is_quiet(self):
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(10)
        return False


@pytest.fixture(params=["path", "abstract"])
def place(request, tmp_path):
    """The two ways in which a manager names its socket, and the address of each."""
    if request.param == "path":
        return str(tmp_path / "notify"), str(tmp_path / "notify")
    name = f"dcis-node-test-{os.getpid()}-{os.urandom(4).hex()}"
    return f"@{name}", f"\0{name}"


@pytest.fixture
def manager(place):
    made = Manager(place[1])
    yield made
    made.socket.close()


def test_each_word_is_one_datagram(manager, place):
    notifier = Notifier.of({"NOTIFY_SOCKET": place[0]})
    notifier.ready()
    assert manager.said() == ["READY=1"]
    notifier.reloading()
    begun, moment = manager.said()
    assert begun == "RELOADING=1"
    assert moment.startswith("MONOTONIC_USEC=")
    assert moment.partition("=")[2].isdecimal()
    notifier.stopping()
    assert manager.said() == ["STOPPING=1"]
    notifier.extend(1.5)
    assert manager.said() == ["EXTEND_TIMEOUT_USEC=1500000"]


def test_a_status_is_one_line_and_said_once(manager, place):
    notifier = Notifier.of({"NOTIFY_SOCKET": place[0]})
    notifier.status("all\nwell")
    notifier.status("all well")
    assert manager.said() == ["STATUS=all well"]
    assert manager.is_quiet()


def test_the_watchdog_is_answered_twice_in_its_time(manager, place, monkeypatch):
    moments = iter([100.0, 100.1, 114.9, 115.0, 129.0])
    monkeypatch.setattr(notify.time, "monotonic", lambda: next(moments))
    notifier = Notifier.of({"NOTIFY_SOCKET": place[0], "WATCHDOG_USEC": "30000000"})
    said = []
    for _ in range(5):
        notifier.alive()
        said.append(not manager.is_quiet())
    assert said == [True, False, False, True, False]


def test_a_ping_that_did_not_get_through_is_sent_again_with_the_next_call(manager, place, monkeypatch, tmp_path):
    moments = iter([100.0, 100.5, 101.0])
    monkeypatch.setattr(notify.time, "monotonic", lambda: next(moments))
    notifier = Notifier(str(tmp_path / "nobody"), watchdog_seconds=30.0)
    notifier.alive()
    notifier._address = place[1]
    notifier.alive()
    assert manager.said() == ["WATCHDOG=1"]
    notifier.alive()
    assert manager.is_quiet()


def test_a_watchdog_of_another_process_is_not_answered(manager, place):
    environment = {"NOTIFY_SOCKET": place[0], "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    Notifier.of(environment, pid=2).alive()
    assert manager.is_quiet()
    Notifier.of(environment, pid=1).alive()
    assert manager.said() == ["WATCHDOG=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_is_said_and_nothing_fails(environment):
    notifier = Notifier.of(environment)
    for word in (notifier.ready, notifier.reloading, notifier.stopping, notifier.alive):
        word()


def test_a_manager_that_is_gone_is_no_fault(tmp_path):
    Notifier(str(tmp_path / "nobody")).ready()
