"""Named loops: one sign of life for all, an end in order, an error that ends them all."""

import threading
import time

import pytest

from dcis_node.deliver.loops import Loop, run_loops
from tests.peers import wait_until


def run(loops, stop, beat=lambda: None):
    leave = threading.Event()
    thread = threading.Thread(target=run_loops, args=(loops,), kwargs={"stop": stop, "leave": leave, "beat": beat})
    thread.start()
    return thread


def test_a_loop_that_finds_work_looks_again_at_once_and_one_that_does_not_pauses():
    stop, busy, idle = threading.Event(), [], []

    def work():
        busy.append(time.monotonic())
        return len(busy) < 50

    def nothing():
        idle.append(time.monotonic())
        return False

    thread = run([Loop("busy", work, 60.0), Loop("idle", nothing, 60.0, pause_seconds=1000.0)], stop)
    wait_until(lambda: len(busy) >= 50, "the work is done")
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert len(idle) == 1


def test_a_stuck_loop_holds_back_the_beats_of_all():
    stop, release, beats = threading.Event(), threading.Event(), []
    stuck = Loop("stuck", lambda: release.wait(30) and False, 0.2, pause_seconds=0.01)
    thread = run([stuck, Loop("well", lambda: False, 60.0)], stop, lambda: beats.append(time.monotonic()))
    wait_until(stuck.is_stuck, "it is stuck")
    assert not stop.wait(0.6)
    number = len(beats)
    assert not stop.wait(0.6)
    assert len(beats) == number
    release.set()
    wait_until(lambda: len(beats) > number, "the beats go on")
    stop.set()
    thread.join(20)


def test_an_error_in_one_ends_the_others_and_is_raised():
    def broken():
        raise ValueError("the index is gone")

    leave = threading.Event()
    loops = [Loop("well", lambda: False, 60.0), Loop("broken", broken, 60.0)]
    with pytest.raises(ValueError, match="the index is gone"):
        run_loops(loops, stop=threading.Event(), leave=leave, beat=lambda: None)
    assert leave.is_set()


def test_while_the_others_finish_what_they_have_in_hand_they_are_not_silent():
    entered, release, beats = threading.Event(), threading.Event(), []

    def sends():
        entered.set()
        return release.wait(30) and False

    def broken():
        assert entered.wait(30)
        raise ValueError("the index is gone")

    leave, raised = threading.Event(), []

    def run_them():
        loops = [Loop("sends", sends, 60.0), Loop("broken", broken, 60.0)]
        with pytest.raises(ValueError, match="the index is gone") as error:
            run_loops(loops, stop=threading.Event(), leave=leave, beat=lambda: beats.append(1))
        raised.append(error)

    thread = threading.Thread(target=run_them)
    thread.start()
    assert leave.wait(30)
    number = len(beats)
    wait_until(lambda: len(beats) >= number + 2, "it beats on")
    assert raised == []
    release.set()
    thread.join(20)
    assert len(raised) == 1
