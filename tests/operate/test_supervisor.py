"""The supervisor: what dies or falls silent is started again, ever more slowly; what is told to leave leaves."""

import logging
import os
import signal
import threading

import pytest

from dcis_node.operate.children import SILENT_SECONDS_OTHERS, START_SILENT_SECONDS
from dcis_node.operate.restarts import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MOST_SECONDS,
    INDEX_MOST_SECONDS,
    LOOP_DEATHS,
    PROVEN_SECONDS,
    RECOVERED_SECONDS,
)
from dcis_node.operate.supervisor import DRAIN_SECONDS, RENEW_SECONDS, ChildSpec, Supervisor, child_specs
from tests.operate.programs import BEAT, OBEDIENT, SLEEP, STUCK, FakeClock, Programs, spec
from tests.peers import wait_until

DIES = "raise SystemExit(3)\n"
CLOCK, ANALYSE, RECEIVE = (spec(f"{role}-0") for role in ("clock", "analyse", "receive"))


@pytest.fixture
def programs(monkeypatch):
    """Children that do nothing until told to end."""
    return Programs(monkeypatch)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def start(clock):
    """Supervisors that end their children."""
    made = []

    def supervisor(*specs):
        made.append(Supervisor(specs, clock=clock))
        made[-1].round()
        return made[-1]

    yield supervisor
    for one in made:
        for child in one._children:
            child.tell(signal.SIGKILL)
        one.end()


def only(supervisor):
    (child,) = supervisor._children
    return child


def kill(supervisor):
    process = only(supervisor).process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def until(supervisor, condition, what):
    """Go round until something holds."""

    def holds():
        supervisor.round()
        return condition()

    wait_until(holds, what)


def die_again(supervisor, clock, *, lived=0.0):
    """Let the only child start, live and die once more; give how long it then waits."""
    child = only(supervisor)
    clock.now = max(clock.now, child.start_after)
    supervisor.round()
    clock.now += lived
    child.heard = clock.now
    kill(supervisor)
    supervisor.round()
    return child.start_after - clock.now


def test_a_child_that_dies_is_started_again_after_its_wait(programs, start, clock):
    supervisor = start(CLOCK)
    first = only(supervisor).process.pid
    kill(supervisor)
    supervisor.round()
    assert only(supervisor).process is None
    assert supervisor.told["clock-0"] == {
        "state": "waiting",
        "restarts": 1,
        "silent_ends": 0,
        "last_exit": "signal SIGKILL",
        "reason": "",
        "next_try_at": only(supervisor).next_try_at,
    }
    clock.now += BACKOFF_FIRST_SECONDS
    supervisor.round()
    assert only(supervisor).process.pid != first
    assert supervisor.restarts() == {"clock-0": 1}


def test_deaths_in_a_row_wait_longer_each_time_and_a_proven_child_starts_anew(programs, start, clock):
    supervisor = start(CLOCK)
    waits = [die_again(supervisor, clock, lived=lived) for lived in (0, 0, 0, PROVEN_SECONDS)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 0.2])


def test_a_crash_loop_is_said_once_shown_and_left_when_the_child_has_lived(programs, start, clock, caplog):
    programs.default = (
        "signal.signal(signal.SIGUSR1, lambda *_: os.write(pulse, b'\\n'))\n" + BEAT + "while 1: " + SLEEP
    )
    supervisor = start(CLOCK)
    waits = [die_again(supervisor, clock) for _ in range(14)]
    assert waits[-1] == BACKOFF_MOST_SECONDS
    assert caplog.text.count("event=crash_loop") == 1
    assert (supervisor.told["clock-0"]["state"], supervisor.restarts()) == ("crash_loop", {"clock-0": 14})
    clock.now += BACKOFF_MOST_SECONDS
    until(supervisor, lambda: only(supervisor).beats, "it lives")
    clock.now += RECOVERED_SECONDS - 1
    only(supervisor).heard = clock.now
    supervisor.round()
    assert supervisor.told["clock-0"]["state"] == "crash_loop"
    clock.now += 1
    os.kill(only(supervisor).process.pid, signal.SIGUSR1)  # it beats again
    until(supervisor, lambda: only(supervisor).state != "crash_loop", "it has recovered")
    assert supervisor.told["clock-0"]["state"] == "running"
    assert supervisor.restarts() == {"clock-0": 14}


def test_others_go_on_beside_a_crash_loop(programs, start, clock):
    programs.by_name = {"analyse-0": DIES, "clock-0": BEAT + SLEEP}
    supervisor = start(ANALYSE, CLOCK)

    def in_loop():
        clock.now += 0.1
        return supervisor.told["analyse-0"]["state"] == "crash_loop"

    until(supervisor, in_loop, "the worker is in a crash loop")
    assert supervisor.told["analyse-0"]["last_exit"] == "code 3"
    assert supervisor.restarts()["analyse-0"] == LOOP_DEATHS
    until(supervisor, lambda: supervisor.told["clock-0"]["state"] == "running", "the clock runs")
    assert supervisor.restarts()["clock-0"] == 0
    assert supervisor.is_started


def test_what_waits_for_its_next_try_can_be_tried_at_once(programs, start, clock):
    supervisor = start(CLOCK)
    for _ in range(8):
        die_again(supervisor, clock)
    supervisor.round()
    assert only(supervisor).process is None
    supervisor.try_at_once()
    supervisor.round()
    assert only(supervisor).process is not None


def test_last_words_are_kept_and_an_index_that_cannot_be_used_is_looked_for_again_soon(programs, start, clock):
    programs.default = 'os.write(pulse, b\'["StorageError", "the index was busy"]\\n\'); raise SystemExit(2)\n'
    supervisor = start(CLOCK)
    child = only(supervisor)
    for _ in range(12):
        until(supervisor, lambda: child.process is None, "it has died")
        clock.now = child.start_after
        supervisor.round()
    until(supervisor, lambda: child.process is None, "it has died")
    assert supervisor.told["clock-0"]["reason"] == "the index was busy"
    assert supervisor.told["clock-0"]["last_exit"] == "code 2"
    assert child.start_after - clock.now == INDEX_MOST_SECONDS


def test_one_that_leaves_to_be_started_anew_is_no_death(programs, start, clock, caplog):
    programs.default = 'os.write(pulse, b\'["", "the device is to be tried again"]\\n\')\n'
    supervisor = start(CLOCK)
    process = only(supervisor).process
    with caplog.at_level(logging.INFO):
        until(supervisor, lambda: only(supervisor).process not in (process, None), "it was started anew")
    assert supervisor.restarts() == {"clock-0": 0}
    assert "event=child_renewed process=clock-0 why='the device is to be tried again'" in caplog.text


class TestSilence:
    def test_a_child_that_is_alive_but_silent_is_ended_and_started_again(self, programs, start, clock, caplog):
        programs.default = STUCK
        supervisor = start(CLOCK)
        child = only(supervisor)
        until(supervisor, lambda: child.beats >= 2, "it beats")
        stuck = child.process
        for _ in range(30):  # not in one leap: that would say that this process had stood still
            clock.now += SILENT_SECONDS_OTHERS / 25
            supervisor.round()
        until(supervisor, lambda: clock_on(clock) and child.process is not stuck, "it is ended")
        assert stuck.returncode == -signal.SIGKILL
        assert (child.restarts, child.silent_ends) == (1, 1)
        assert child.last_exit == "was silent, then signal SIGKILL"
        assert "event=child_silent process=clock-0" in caplog.text

    def test_one_that_was_told_to_leave_has_its_time_for_that_and_is_not_taken_for_silent(self, programs, start, clock):
        programs.default = STUCK
        supervisor = start(CLOCK)
        until(supervisor, lambda: only(supervisor).beats >= 2, "it beats")
        stuck = only(supervisor).process
        supervisor.apply([spec("clock-0", "--new")], renew={"clock"})
        for _ in range(int(RENEW_SECONDS / 10) - 2):
            clock.now += 10.0
            supervisor.round()
        assert (only(supervisor).process, only(supervisor).silent_ends) == (stuck, 0)
        clock.now += 30.0
        until(supervisor, lambda: clock_on(clock) and only(supervisor).process is not stuck, "its time is over")
        assert stuck.returncode == -signal.SIGKILL

    def test_a_worker_may_be_silent_for_longer(self, programs, start, clock):
        programs.default = STUCK
        supervisor = start(ANALYSE)
        until(supervisor, lambda: only(supervisor).beats >= 2, "it beats")
        for _ in range(30):
            clock.now += SILENT_SECONDS_OTHERS / 25
            supervisor.round()
        assert only(supervisor).ending == ""

    def test_a_start_may_take_longer_than_a_round(self, programs, start, clock):
        programs.default = BEAT + SLEEP
        supervisor = start(CLOCK)
        until(supervisor, lambda: only(supervisor).beats, "it beats")
        only(supervisor).heard -= SILENT_SECONDS_OTHERS + 1
        supervisor.round()
        assert only(supervisor).ending == ""
        only(supervisor).heard -= START_SILENT_SECONDS
        supervisor.round()
        assert only(supervisor).ending == "silent"

    def test_when_the_machine_itself_stood_still_nobody_is_ended(self, programs, start, clock):
        programs.default = STUCK
        supervisor = start(CLOCK)
        until(supervisor, lambda: only(supervisor).beats >= 2, "it beats")
        clock.now += 3600.0
        supervisor.round()
        assert only(supervisor).ending == ""


def clock_on(clock):
    clock.now += 1.0
    return True


class TestRenewal:
    def test_a_worker_finishes_and_is_started_with_the_new_settings(self, programs, start, clock):
        programs.default = OBEDIENT
        supervisor = start(ANALYSE, CLOCK)
        until(supervisor, lambda: supervisor.is_started, "both run")
        before = [child.process.pid for child in supervisor._children]
        supervisor.apply([spec("analyse-0", "--new"), spec("clock-0", "--new")], renew={"analyse"})
        assert not supervisor.is_started
        until(supervisor, lambda: supervisor.is_started, "the worker runs again")
        after = [child.process.pid for child in supervisor._children]
        assert after[0] != before[0]
        assert after[1] == before[1]
        assert "--new" in programs.commands[-1]
        # A clock that dies later takes the settings of now as well.
        assert all("--new" in child.spec.arguments for child in supervisor._children)
        assert supervisor.restarts() == {"analyse-0": 0, "clock-0": 0}

    def test_a_receiver_gives_way_only_when_its_successor_has_begun(self, programs, start, clock):
        programs.by_name = {"receive-0": OBEDIENT, "receive-0.1": SLEEP}
        supervisor = start(RECEIVE)
        until(supervisor, lambda: supervisor.is_started, "it runs")
        old = only(supervisor)
        supervisor.apply([spec("receive-0", "--new")], renew={"receive"})
        for _ in range(5):
            supervisor.round()
        new, retiring = supervisor._children
        assert (new.spec.name, new.slot, retiring) == ("receive-0.1", "receive-0", old)
        assert not old.drain_told
        assert supervisor.told["receive-0"]["state"] == "draining"
        new.beats = 1
        until(supervisor, lambda: supervisor._children == [new], "the old one has left")
        assert "receive-0.1" in new.spec.arguments
        # The next one takes the free name.
        supervisor.apply([RECEIVE], renew={"receive"})
        assert [child.spec.name for child in supervisor._children] == ["receive-0", "receive-0.1"]

    def test_a_receiver_that_is_killed_while_it_drains_is_cleared_up_by_one_of_its_name(self, programs, start, clock):
        programs.by_name = {"receive-0": BEAT + SLEEP, "receive-0.1": BEAT + SLEEP}
        supervisor = start(RECEIVE)
        until(supervisor, lambda: supervisor.is_started, "it runs")
        supervisor.apply([spec("receive-0", "--new")], renew={"receive"})
        new, old = supervisor._children
        until(supervisor, lambda: old.process is None, "SIGUSR1 has killed the old one, as it does not know it")
        programs.by_name["receive-0"] = OBEDIENT
        until(supervisor, lambda: clock_on(clock) and supervisor._children == [new], "the clearing one has left")
        names = [command[command.index("--name") + 1] for command in programs.commands]
        assert names == ["receive-0", "receive-0.1", "receive-0"]
        assert "--new" in programs.commands[-1]

    def test_a_receiver_that_drains_for_too_long_is_ended(self, programs, start, clock):
        programs.by_name = {
            "receive-0": "signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n" + BEAT + SLEEP,
            "receive-0.1": BEAT + SLEEP,
        }
        supervisor = start(RECEIVE)
        until(supervisor, lambda: supervisor.is_started, "it runs")
        supervisor.apply([RECEIVE], renew={"receive"})
        _, old = supervisor._children
        until(supervisor, lambda: old.drain_told, "it was told")
        clock.now += DRAIN_SECONDS + 1
        until(supervisor, lambda: old.ending == "retire", "it is ended")

    def test_a_receiver_too_many_leaves_and_one_more_comes(self, programs, start, clock):
        programs.default = OBEDIENT
        one, two = spec("receive-0"), spec("receive-1")
        supervisor = start(one, two)
        until(supervisor, lambda: supervisor.is_started, "both run")
        supervisor.apply([one], renew=set())
        until(supervisor, lambda: len(supervisor._children) == 1, "one has left")
        supervisor.apply([one, two], renew=set())
        until(supervisor, lambda: supervisor.is_started and len(supervisor._children) == 2, "both run again")

    def test_a_process_that_is_not_wanted_any_more_leaves(self, programs, start, clock):
        programs.default = OBEDIENT
        supervisor = start(ANALYSE, CLOCK)
        until(supervisor, lambda: supervisor.is_started, "both run")
        supervisor.apply([CLOCK], renew=set())
        until(supervisor, lambda: [child.slot for child in supervisor._children] == ["clock-0"], "the worker has left")


def test_what_a_supervisor_before_left_over_is_started_once_and_leaves(programs, clock):
    programs.default = OBEDIENT
    supervisor = Supervisor([RECEIVE], left_over=[spec("receive-0.1")], clock=clock)
    try:
        until(supervisor, lambda: supervisor.is_started and len(supervisor._children) == 1, "it has cleared up")
        assert sorted(command[command.index("--name") + 1] for command in programs.commands) == [
            "receive-0",
            "receive-0.1",
        ]
    finally:
        supervisor.end()


def test_children_are_told_to_leave_when_the_stop_is_set(programs):
    stop = threading.Event()
    supervisor = Supervisor([ChildSpec("a-0", ()), ChildSpec("b-0", ())])
    seen, told = [], []

    def beat(restarts):
        seen.extend(child.process for child in supervisor._children)
        stop.set()

    supervisor.run(stop, beat, leaving=lambda: told.append(True))
    assert [process.returncode for process in seen] == [-signal.SIGTERM, -signal.SIGTERM]
    assert told == [True]


def test_a_child_that_does_not_leave_is_killed_in_time(programs, monkeypatch, caplog):
    monkeypatch.setattr("dcis_node.operate.supervisor.STOP_SECONDS", 0.5)
    programs.default = STUCK
    supervisor = Supervisor([CLOCK])
    until(supervisor, lambda: only(supervisor).beats, "it beats")
    process = only(supervisor).process
    supervisor.end()
    assert process.returncode == -signal.SIGKILL
    assert "event=child_killed process=clock-0" in caplog.text


def test_a_machine_without_room_for_a_process_is_a_death_like_another(programs, start, clock, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("dcis_node.operate.children.subprocess.Popen", full)
    supervisor = start(CLOCK)
    assert supervisor.told["clock-0"]["last_exit"] == "not started: Resource temporarily unavailable"
    assert only(supervisor).start_after > clock.now


def test_what_is_meant_for_the_service_manager_is_not_handed_on(programs, start, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "@nobody")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    start(CLOCK)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & programs.environments[0].keys()


def test_a_whole_node_is_receivers_on_one_socket_a_worker_a_courier_and_a_clock(tmp_path):
    specs = child_specs(tmp_path / "config.toml", receivers=2, listener=7, settings=9)
    assert [spec.name for spec in specs] == ["receive-0", "receive-1", "analyse-0", "deliver-0", "clock-0"]
    assert [spec.inherited for spec in specs] == [(7, 9), (7, 9), (9,), (9,), (9,)]
    assert specs[0].arguments[:2] == ("run", "receive")
    assert all(spec.arguments[spec.arguments.index("--config-fd") + 1] == "9" for spec in specs)


def test_a_retriever_is_started_only_where_there_is_a_source_to_ask(tmp_path):
    specs = child_specs(tmp_path / "config.toml", receivers=1, listener=7, retriever=True)
    assert [spec.name for spec in specs] == ["receive-0", "retrieve-0", "analyse-0", "deliver-0", "clock-0"]
    assert specs[1].arguments[:2] == ("run", "retrieve")
    assert specs[1].inherited == ()
