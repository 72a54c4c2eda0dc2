"""The supervisor: what dies is started again, ever more slowly; what is told to leave leaves."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from dcis_node.operate import supervisor as module
from dcis_node.operate.supervisor import BACKOFF_FIRST_SECONDS, ChildSpec, Supervisor, child_specs


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def sleeping(monkeypatch):
    """Children that do nothing until told to end."""
    real = subprocess.Popen

    def popen(command, **options):
        return real([sys.executable, "-c", "import signal; signal.pause()"], **options)

    monkeypatch.setattr(module.subprocess, "Popen", popen)


def kill(supervisor):
    process = supervisor._children[0].process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_child_that_dies_is_started_again_after_its_wait(sleeping):
    clock = FakeClock()
    supervisor = Supervisor([ChildSpec("clock-0", ())], clock=clock)
    try:
        supervisor.round()
        first = supervisor._children[0].process.pid
        kill(supervisor)
        supervisor.round()
        assert supervisor._children[0].process is None
        clock.now += BACKOFF_FIRST_SECONDS
        supervisor.round()
        assert supervisor._children[0].process.pid != first
        assert supervisor.restarts() == {"clock-0": 1}
    finally:
        supervisor.end()


def test_a_crash_loop_waits_longer_each_time_and_a_proven_child_starts_anew(sleeping):
    clock = FakeClock()
    supervisor = Supervisor([ChildSpec("clock-0", ())], clock=clock)
    waits = []
    try:
        supervisor.round()
        for lived in (0, 0, 0, 100):
            clock.now += lived
            kill(supervisor)
            supervisor.round()
            waits.append(supervisor._children[0].start_after - clock.now)
            clock.now = supervisor._children[0].start_after
            supervisor.round()
    finally:
        supervisor.end()
    assert waits == pytest.approx([0.2, 0.4, 0.8, 0.2])


def test_children_are_told_to_leave_when_the_stop_is_set(sleeping):
    stop = threading.Event()
    supervisor = Supervisor([ChildSpec("a-0", ()), ChildSpec("b-0", ())])
    seen = []

    def beat(restarts):
        seen.extend(child.process for child in supervisor._children)
        stop.set()

    supervisor.run(stop, beat)
    assert [process.returncode for process in seen] == [-signal.SIGTERM, -signal.SIGTERM]


def test_a_whole_node_is_receivers_on_one_socket_a_worker_a_courier_and_a_clock(tmp_path):
    specs = child_specs(tmp_path / "config.toml", receivers=2, listener=7)
    assert [spec.name for spec in specs] == ["receive-0", "receive-1", "analyse-0", "deliver-0", "clock-0"]
    assert [spec.inherited for spec in specs] == [(7,), (7,), (), (), ()]
    assert specs[0].arguments[:2] == ("run", "receive")


def test_a_retriever_is_started_only_where_there_is_a_source_to_ask(tmp_path):
    specs = child_specs(tmp_path / "config.toml", receivers=1, listener=7, retriever=True)
    assert [spec.name for spec in specs] == ["receive-0", "retrieve-0", "analyse-0", "deliver-0", "clock-0"]
    assert specs[1].arguments[:2] == ("run", "retrieve")
    assert specs[1].inherited == ()
