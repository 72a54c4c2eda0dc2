"""What `dcis-node status` says, as plain values: processes, queues, last exams."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dcis_node import __version__
from dcis_node.config import Configuration
from dcis_node.errors import StorageError
from dcis_node.operate.answering import waiting_status
from dcis_node.operate.audit.backlog import audit_status
from dcis_node.operate.certificate import tls_status
from dcis_node.operate.deliveries import delivery_status
from dcis_node.operate.nightly import index_status, maintenance_status
from dcis_node.operate.supervision import missing_roles, role_of, supervision_status
from storage.database import Database
from storage.heartbeat import Beat, beats
from storage.maintenance import WorkDone, work_done
from storage.overview import failed_exams, last_exams, queues
from storage.registry import Registry
from storage.space import shortage, space_of

# A process beats every two seconds, a worker between two views: one view takes seconds, on a slow processor a minute.
SILENT_SECONDS = {"analyse": 120.0}
SILENT_SECONDS_OTHERS = 15.0


def node_status(configuration: Configuration, db: Database, *, now: float | None = None) -> dict[str, Any]:
    """Read the state of a node from its index; works whether or not the node runs.

    `failures` names the exams at which a person has to look: without an answer, or answered without their analysis.
    """
    moment = time.time() if now is None else now
    retrieves = bool(configuration.retrieve.sources)
    with db.read() as session:
        seen, works = beats(session), work_done(session)
        return {
            "version": __version__,
            "aet": configuration.node.aet,
            "listening": _listening(seen, "listening"),
            "tls": tls_status(
                configuration, _told_of_tls(seen), listening=_listening(seen, "listening_tls"), now=moment
            ),
            "disk": {**disk_status(configuration), "volumes": volumes_status(works)},
            "audit": audit_status(configuration, now=moment),
            "index": index_status(configuration),
            "maintenance": maintenance_status(configuration, works, seen, now=moment),
            "jobs": job_status(seen),
            "bundle": bundle_status(configuration, bundles_told(seen)),
            "processes": [_process(beat, moment) for beat in seen],
            "supervision": {**supervision_status(seen), "missing": missing_roles(seen, retrieves=retrieves)},
            "queues": queues(session),
            "deliveries": delivery_status(configuration, session, now=moment),
            "waiting": waiting_status(configuration, session, now=moment),
            "exams": last_exams(session),
            "failures": failed_exams(session),
        }


def wants_a_person(status: Mapping[str, Any]) -> bool:
    """Tell whether anything in `node_status` needs a person: what `status` writes in red."""
    deliveries, supervision = status["deliveries"], status["supervision"]
    return any(
        (
            supervision["missing"],
            supervision["faults"],
            any(process["state"] != "alive" for process in status["processes"]),
            deliveries["dead"],
            deliveries["stuck"],
            any(breaker["alarm"] for breaker in deliveries["breakers"]),
            status["bundle"]["refused"],
            status["disk"]["refusing"],
            status["tls"]["fault"],
            status["audit"]["alarm"],
            status["waiting"]["late"],
            any(work["overdue"] or not work["ok"] for work in status["maintenance"]),
            not all(job["ok"] for job in status["jobs"].values()),
            status["failures"],
        )
    )


def disk_status(configuration: Configuration) -> dict[str, Any]:
    """Say how much of the disk is free and must stay so, and why images are refused ("" if they are taken)."""
    reserve = configuration.storage.reserve_bytes
    try:
        space = space_of(configuration.folder)
    except OSError as error:
        return {"free_bytes": 0, "reserve_bytes": reserve, "refusing": f"disk: {error.strerror}"}
    return {"free_bytes": space.free_bytes, "reserve_bytes": reserve, "refusing": shortage(space, reserve)}


def volumes_status(works: Iterable[WorkDone]) -> dict[str, Any]:
    """Say how many bytes images, results and backups take, as the clock has counted them last; {} if it has not."""
    return next((work.detail for work in works if work.name == "volumes"), {})


def job_status(seen: Sequence[Beat]) -> dict[str, Any]:
    """Give the jobs of the clock by name (`dcis_node.operate.job_table`); {} if no clock has told of them."""
    details = [json.loads(beat.detail) for beat in seen if beat.process.startswith("clock") and beat.detail]
    return next((dict(detail["jobs"]) for detail in details if "jobs" in detail), {})


def bundle_status(configuration: Configuration, details: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say which bundle should judge new exams, which one does, and why the two differ if they do.

    Parameters
    ----------
    details
        What each analysis process last said of its bundle.

    Returns
    -------
    dict
        `source` as configured; `active` the SHA-256 of the registry's active bundle ("" for the shipped one, or
        without a registry); `since`; `in_use` what each analysis process has; `refused` why one was not taken, or "".
    """
    active, fault = None, ""
    if configuration.takes_registry:
        try:
            active = Registry(configuration.registry_folder).active()
        except StorageError as error:
            fault = str(error)
    return {
        "source": configuration.analyse.bundle,
        "active": "" if active is None else active.sha256,
        "since": "" if active is None else active.since,
        "in_use": [{name: detail[name] for name in ("name", "version", "sha256", "synthetic")} for detail in details],
        "refused": next((detail["refused"] for detail in details if detail["refused"]), fault),
    }


def bundles_told(seen: Iterable[Beat]) -> list[Mapping[str, Any]]:
    """Give what each analysis process last said of its bundle."""
    return [json.loads(beat.detail) for beat in seen if role_of(beat.process) == "analyse" and beat.detail]


def _told_of_tls(seen: Sequence[Beat]) -> list[Mapping[str, Any]]:
    details = [json.loads(beat.detail) for beat in seen if beat.process.startswith("receive") and beat.detail]
    return [detail["tls"] for detail in details if "tls" in detail]


def _listening(seen: tuple[Beat, ...], key: str) -> str:
    for beat in seen:
        if beat.process == "supervisor" and beat.detail:
            return str(json.loads(beat.detail).get(key, ""))
    return ""


def is_alive(beat: Beat, now: float) -> bool:
    """Tell whether a process has shown a sign of life lately."""
    return now - beat.beat_at <= SILENT_SECONDS.get(role_of(beat.process), SILENT_SECONDS_OTHERS)


def _process(beat: Beat, now: float) -> dict[str, Any]:
    return {
        "process": beat.process,
        "pid": beat.pid,
        "state": "alive" if is_alive(beat, now) else "silent",
        "age_seconds": max(0.0, now - beat.beat_at),
        "started_at": beat.started_at,
        "detail": json.loads(beat.detail) if beat.detail else {},
    }
