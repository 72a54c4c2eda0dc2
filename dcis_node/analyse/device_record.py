"""What a worker remembers of its device beyond its own death: a small file, as a spoilt device ends the process.

Where the index lies is no matter for it, and a worker that starts reads it before anything else.
"""

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from storage.durable import replace_file

log = logging.getLogger(__name__)

# A record's name ends so; before it stands the process's.
SUFFIX = ".device.json"
# So many failures without a view computed in between: the next worker does not try the device.
MOST_FAILURES = 3
# After so long it is tried again: a driver may have been loaded anew, another program have ended.
RETRY_SECONDS = 3600.0


@dataclass(frozen=True)
class DeviceHistory:
    """How a device has served.

    Parameters
    ----------
    kind
        `cuda` once a view was computed on such a device; "" before.
    failures
        Since the last view that was computed on it.
    since, last_at
        When the first and the last of them were (Unix seconds).
    because
        What the last was, in our words.
    """

    kind: str = ""
    failures: int = 0
    since: float = 0.0
    last_at: float = 0.0
    because: str = ""

    def another(self, because: str, *, now: float) -> "DeviceHistory":
        """Count a failure."""
        since = self.since if self.failures else now
        return replace(self, failures=self.failures + 1, since=since, last_at=now, because=because)

    def is_given_up(self, now: float) -> bool:
        """Tell whether the device is not to be tried now."""
        # A wall clock that was set back must not keep it away for longer.
        return self.failures >= MOST_FAILURES and 0 <= now - self.last_at < RETRY_SECONDS


class DeviceRecord:
    """The history of one worker's device, kept in a file.

    Parameters
    ----------
    path
        The file; None keeps it in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.history = _read(path)

    def failed(self, because: str, *, now: float) -> None:
        """Note a failure."""
        self._keep(self.history.another(because, now=now))

    def served(self, kind: str) -> None:
        """Note that a view was computed on the device; written only if it tells anything new."""
        good = DeviceHistory(kind=kind)
        if self.history != good:
            self._keep(good)

    def forgive(self) -> None:
        """Let the device be tried again: somebody may have repaired it."""
        if self.history.failures:
            self._keep(DeviceHistory(kind=self.history.kind))

    def _keep(self, history: DeviceHistory) -> None:
        self.history = history
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(asdict(history)).encode(), mode=0o600)
        except OSError as error:
            log.warning("event=device_record_not_written error=%s", error.strerror)


def forgive_all(folder: Path) -> None:
    """Let the devices of all workers with a record in a folder be tried again."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        DeviceRecord(path).forgive()


def _read(path: Path | None) -> DeviceHistory:
    """Read a file; one that is missing or damaged tells nothing."""
    if path is None:
        return DeviceHistory()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return DeviceHistory(
            kind=str(values["kind"]),
            failures=int(values["failures"]),
            since=float(values["since"]),
            last_at=float(values["last_at"]),
            because=str(values["because"]),
        )
    except FileNotFoundError:
        return DeviceHistory()
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("event=device_record_unreadable error=%s", type(error).__name__)
        return DeviceHistory()
