"""What `dcis-node status` says, as plain values: processes, queues, last exams."""

import json
import time
from typing import Any

from dcis_node import __version__
from dcis_node.config import Configuration
from storage.database import Database
from storage.heartbeat import Beat, beats
from storage.overview import last_exams, queues

# A process beats every two seconds, a worker between two views: one view takes seconds, on a slow processor a minute.
SILENT_SECONDS = {"analyse": 120.0}
SILENT_SECONDS_OTHERS = 15.0


def node_status(configuration: Configuration, db: Database, *, now: float | None = None) -> dict[str, Any]:
    """Read the state of a node from its index; works whether or not the node runs."""
    moment = time.time() if now is None else now
    with db.read() as session:
        seen = beats(session)
        return {
            "version": __version__,
            "aet": configuration.node.aet,
            "listening": _listening(seen),
            "processes": [_process(beat, moment) for beat in seen],
            "queues": queues(session),
            "exams": last_exams(session),
        }


def _listening(seen: tuple[Beat, ...]) -> str:
    for beat in seen:
        if beat.process == "supervisor" and beat.detail:
            return str(json.loads(beat.detail).get("listening", ""))
    return ""


def _process(beat: Beat, now: float) -> dict[str, Any]:
    limit = SILENT_SECONDS.get(beat.process.rpartition("-")[0], SILENT_SECONDS_OTHERS)
    return {
        "process": beat.process,
        "pid": beat.pid,
        "state": "alive" if now - beat.beat_at <= limit else "silent",
        "age_seconds": max(0.0, now - beat.beat_at),
        "started_at": beat.started_at,
        "detail": json.loads(beat.detail) if beat.detail else {},
    }
