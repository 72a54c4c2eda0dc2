"""What systemd is told of a service (sd_notify(3)): a datagram each, so that no library is needed."""

import os
import socket
import time
from collections.abc import Mapping

MICROSECONDS = 1_000_000
# One line in `systemctl status`.
LONGEST_STATUS = 400
# Not for children: systemd would take their words for the service's.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Tells the service manager how the service is; without one it does nothing. It never waits and never fails.

    Parameters
    ----------
    address
        The value of NOTIFY_SOCKET: a path, or `@name` of an abstract socket; "" for none.
    watchdog_seconds
        Within which it has to be told that the service lives; 0.0 if nobody asks.
    """

    def __init__(self, address: str = "", *, watchdog_seconds: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._every = watchdog_seconds / 2
        self._next_ping = 0.0
        self._status = ""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int | None = None) -> "Notifier":
        """Take what the service manager says in the environment (sd_notify(3), sd_watchdog_enabled(3))."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):  # no vsock address: it is meant for a manager outside a machine
            return cls()
        named = environment.get("WATCHDOG_PID", "")
        asked = environment.get("WATCHDOG_USEC", "")
        is_ours = not named or named == str(os.getpid() if pid is None else pid)
        return cls(address, watchdog_seconds=int(asked) / MICROSECONDS if asked.isdecimal() and is_ours else 0.0)

    def ready(self) -> None:
        """Say that the service has started, or is done with its reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it. Its moment is that of CLOCK_MONOTONIC."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the service is on its way out."""
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Ask for so much more time to start, reload or stop, counted from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * MICROSECONDS)}")

    def status(self, text: str) -> None:
        """Say in one line how the service is, without patient data; sent only if it differs from the last."""
        line = " ".join(text.split())[:LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Say that the service lives; to be called often, sent twice within the time of the watchdog."""
        now = time.monotonic()
        # One that did not get through (a manager that is busy) is sent again with the next call.
        if self._every and now >= self._next_ping and self._send("WATCHDOG=1"):
            self._next_ping = now + self._every

    def _send(self, *fields: str) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)  # noqa: FBT003 -- the socket module's
                out.sendto("\n".join(fields).encode(), self._address)
        except OSError:
            # A manager that is busy or gone: the next word may reach it.
            return False
        return True
