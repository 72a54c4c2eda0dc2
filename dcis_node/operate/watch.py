"""The supervisor's own loop: its rounds, what the service manager is told of it, and its sign of life.

The loop waits for nothing but its own clock. The sign of life, which may have to wait for the index, is written from a
second thread; the watchdog of the service manager is answered from the loop itself, so that it rings if this stands
still. It does not ring for a child, whatever state that is in: a worker in a crash loop must not take the receivers
down.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dcis_node.operate.process import Process
from dcis_node.operate.reloading import Reloader
from dcis_node.operate.supervisor import STOP_SECONDS, Supervisor

log = logging.getLogger(__name__)

TELL_SECONDS = 0.5
# By then the service counts as started, whoever has not shown a sign of life: the receivers must not wait for a worker.
READY_SECONDS = 60.0
# Beyond `STOP_SECONDS`: to write the audit trail and take back the sign of life, if the index is busy.
LEAVE_SECONDS = 45.0


class Watch:
    """One supervisor at work.

    Parameters
    ----------
    process
        Its own process.
    """

    def __init__(self, process: Process, supervisor: Supervisor) -> None:
        self.reloader: Reloader | None = None
        self._process = process
        self._supervisor = supervisor
        self._asked = threading.Event()
        self._is_ready = False
        self._began = time.monotonic()
        self._detail: Mapping[str, Any] = {}

    def run(self, said: Mapping[str, Any]) -> None:
        """Supervise until the process is to stop.

        Parameters
        ----------
        said
            Further values of the sign of life.
        """
        signal.signal(signal.SIGHUP, lambda *_: self._asked.set())
        with self._telling():
            self._supervisor.run(
                self._process.stop, lambda restarts: self._round(said, restarts), leaving=self._tell_leaving
            )

    def tell_manager(self, what: str) -> None:
        """Tell the service manager that a reload begins (`reloading`) or has ended (`ready`)."""
        if what == "reloading":
            self._process.notifier.reloading()
        else:
            self._process.notifier.ready()

    def _round(self, said: Mapping[str, Any], restarts: Mapping[str, int]) -> None:
        self._reload()
        outcome = self.reloader.outcome.to_json() if self.reloader else {}
        told = self._supervisor.told
        # In the index these change with what happens only: each difference is written at once.
        self._detail = {**said, "restarts": restarts, "children": told, "reload": outcome}
        notifier = self._process.notifier
        if not self._is_ready:
            self._is_ready = self._ready()
        notifier.status(status_line(told, outcome))
        notifier.alive()

    def _tell_leaving(self) -> None:
        self._process.notifier.stopping()
        self._process.notifier.extend(STOP_SECONDS + LEAVE_SECONDS)
        log.info("event=leaving most_seconds=%.0f", STOP_SECONDS)

    def _ready(self) -> bool:
        """Tell the service manager that the node has started, once it has; tell whether it was told."""
        late = time.monotonic() - self._began > READY_SECONDS
        if not self._supervisor.is_started and not late:
            return False
        if late:
            log.warning("event=ready_without_all text='not every process has shown a sign of life yet'")
        self._process.notifier.ready()
        return True

    def _reload(self) -> None:
        if self.reloader is None:
            return
        self.reloader.round()
        if self._asked.is_set() and self._is_ready and not self.reloader.is_running:
            self._asked.clear()
            self.reloader.begin()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Write the sign of life beside the loop, until it ends."""
        done = threading.Event()

        def tell() -> None:
            while not done.wait(TELL_SECONDS):
                self._process.beat(self._detail)

        thread = threading.Thread(target=tell, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            if self.reloader is not None:
                self.reloader.leave()
            thread.join(LEAVE_SECONDS)


def status_line(children: Mapping[str, Mapping[str, Any]], reload: Mapping[str, Any]) -> str:
    """Say in one line how the node is, for `systemctl status`."""
    running = sum(child["state"] == "running" for child in children.values())
    odd = [f"{name} {child['state']}" for name, child in sorted(children.items()) if child["state"] != "running"]
    text = f"{running} of {len(children)} processes run"
    if odd:
        text += f"; {', '.join(odd)}"
    return f"{text}; last reload refused" if reload.get("state") == "refused" else text
