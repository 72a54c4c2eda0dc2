"""The clock rings its jobs again and again, and counts what goes wrong."""

import threading

import pytest

from dcis_node.operate.clock import Job, run_clock


def test_a_job_is_rung_again_although_it_failed_and_its_fault_is_shown():
    stop, rung, details = threading.Event(), threading.Semaphore(0), []

    def work():
        rung.release()
        raise ValueError

    def beat(detail):
        details.append(dict(detail))
        if detail.get("sweep_error", 0) >= 2:
            stop.set()

    run_clock((Job("sweep", 0.05, work),), stop=stop, beat=beat)
    assert rung.acquire(blocking=False)
    assert details[-1]["sweep_error"] >= 2


def test_a_clock_whose_scheduler_died_ends_with_an_error(monkeypatch):
    monkeypatch.setattr("dcis_node.operate.clock.BackgroundScheduler._main_loop", lambda self: None)
    with pytest.raises(RuntimeError, match="died"):
        run_clock((Job("sweep", 60, lambda: None),), stop=threading.Event(), beat=lambda _: None)
