"""Ask the running node of a data folder for a reload, and wait for what comes of it."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.config import load_configuration
from dcis_node.errors import ConfigurationError, StorageError
from dcis_node.operate.lock import is_held
from storage.database import Database, open_database
from storage.heartbeat import beats

POLL_SECONDS = 0.1
SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Asked:
    """What came of asking for a reload; `done` is False if it was refused, or nobody answered."""

    done: bool
    text: str


def request_reload(config: Path, *, seconds: float) -> Asked:
    """Send the supervisor SIGHUP and wait for its outcome.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    try:
        configuration = load_configuration(config)
    except ConfigurationError as error:
        return Asked(done=False, text=f"refused, the node goes on with the old settings: {error}")
    if not is_held(configuration.folder, SUPERVISOR):
        return Asked(done=False, text=f"no node runs on {configuration.folder}")
    db = open_database(configuration.index_url)
    try:
        return _asked(db, seconds)
    finally:
        db.close()


def _asked(db: Database, seconds: float) -> Asked:
    pid, before = _last(db)
    if not pid:
        return Asked(done=False, text="the node has not shown a sign of life yet")
    os.kill(pid, signal.SIGHUP)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(POLL_SECONDS)
        try:
            _, now = _last(db)
        except StorageError:  # busy; it is asked again
            continue
        if now.get("count", 0) > before.get("count", 0):
            return _outcome(now)
    return Asked(done=False, text=f"no outcome within {seconds:g} s: see `dcis-node status`")


def _outcome(now: dict[str, Any]) -> Asked:
    if now["state"] != "done":
        return Asked(done=False, text=f"refused, the node goes on with the old settings: {now['text']}")
    roles = ", ".join(now["roles"]) or "nothing"
    return Asked(done=True, text=f"reloaded; started anew: {roles}{'; ' if now['text'] else ''}{now['text']}")


def _last(db: Database) -> tuple[int, dict[str, Any]]:
    """Give the process id of the supervisor, and how its last reload ended."""
    with db.read() as session:
        found = next((beat for beat in beats(session) if beat.process == SUPERVISOR), None)
    if found is None:
        return 0, {}
    return found.pid, json.loads(found.detail or "{}").get("reload", {})
