"""Indices of every earlier schema, with a row in each table, written as the programs of that time wrote them."""

from collections.abc import Mapping
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine, text

from storage import engines, migrate

EARLIER = ("0001", "0002", "0003", "0004", "0005")

# Every column of the first schema.
ROWS: Mapping[str, Mapping[str, object]] = {
    "association": {"id": 2, "owner": "receive-0@h", "calling_aet": "PACS", "address": "10.0.0.1", "opened_at": 1.5},
    "heartbeat": {"process": "clock-0", "pid": 7, "started_at": 1.0, "beat_at": 2.0, "detail": "{}"},
    "patient": {"id": 1, "patient_id": "P1", "issuer": "H"},
    "exam": {
        "id": 5, "patient_id": 1, "study_date": "20261123", "state": "reported", "opened_at": 1.0, "last_image_at": 2.0,
        "completeness": "quiet", "lease_owner": "", "lease_until": 0.0, "attempts": 1, "failure": "it was late",
    },
    "study": {"id": 1, "study_instance_uid": "1.2", "exam_id": 5},
    "instance": {
        "id": 3, "sop_instance_uid": "1.4", "sop_class_uid": "1.5", "series_instance_uid": "1.6", "study_id": 1,
        "exam_id": 5, "association_id": 2, "sha256": "f" * 64, "size_bytes": 27000000000, "transfer_syntax_uid": "1.7",
        "received_at": 1.25, "duplicates": 1, "facts": '{"kind": "ffdm"}', "eligible": 1, "reason": "eligible",
        "analysis": "analysed", "lease_owner": "", "lease_until": 0.0, "attempts": 1, "next_try_at": 0.0,
    },
    "conflict": {
        "id": 4, "instance_id": 3, "sha256": "e" * 64, "size_bytes": 9, "received_at": 1.75, "calling_aet": "PACS",
    },
    "view_analysis": {
        "id": 6, "instance_id": 3, "instance_sha256": "f" * 64, "bundle_sha256": "ab", "settings_sha256": "cd",
        "prediction": '{"probability": 0.5}', "mask_sha256": "d" * 64, "seconds": 1.5, "analysed_at": 2.5,
    },
    "report": {
        "id": 7, "exam_id": 5, "version": 1, "inputs_sha256": "ef", "bundle_sha256": "ab", "decision": '{"a": 1}',
        "views": "[]", "made_at": 3.0,
    },
    "result": {
        "id": 8, "report_id": 7, "sop_instance_uid": "1.8", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.22",
        "study_instance_uid": "1.2", "series_instance_uid": "1.9", "transfer_syntax_uid": "1.7", "modality": "SR",
        "sha256": "c" * 64,
    },
    "outbox": {
        "id": 9, "result_id": 8, "destination": "pacs", "state": "due", "attempts": 2, "next_try_at": 4.0,
        "lease_owner": "", "lease_until": 0.0, "last_status": 42752, "last_error": "out of resources",
        "first_try_at": 3.5,
    },
    "delivery_attempt": {"id": 10, "outbox_id": 9, "tried_at": 3.75, "status": 42752, "error": "out of resources"},
}  # fmt: skip
# What later schemas added.
SINCE: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "0002": {"exam": {"bundle_sha256": "ab"}},
    "0003": {"result": {"kind": "readable_report"}, "view_analysis": {"picture_sha256": "b" * 64}},
    "0004": {"maintenance": {"name": "sweep", "started_at": 1.0, "finished_at": 2.0, "ok": 1, "detail": "{}"}},
    "0005": {
        "instance": {"removed_at": 9.0},
        "result": {"removed_at": 9.5},
        "outbox": {"proof_due_at": 5.0, "proof_attempts": 1, "proof_error": "", "proven_at": 8.0, "proven_by": "query"},
        "commitment": {
            "id": 1,
            "transaction_uid": "2.25.1",
            "destination": "pacs",
            "state": "asked",
            "asked_at": 5.0,
            "due_at": 6.0,
            "reported_at": None,
        },
        "commitment_item": {"id": 1, "commitment_id": 1, "outbox_id": 9, "outcome": "", "reason": None},
        "destination_state": {
            "destination": "pacs",
            "breaker": "open",
            "failures": 3,
            "changed_at": 4.0,
            "next_probe_at": 5.0,
            "last_error": "nobody there",
        },
        "retrieval": {
            "id": 1,
            "exam_id": 5,
            "source": "pacs",
            "purpose": "views",
            "missing": "R CC",
            "state": "done",
            "asked_at": 1.0,
            "finished_at": 2.0,
            "attempts": 1,
            "next_try_at": 1.0,
            "lease_owner": "",
            "lease_until": 0.0,
            "found": 1,
            "moved": 1,
            "failed": 0,
            "text": "",
        },
    },
}


def rows_of(schema: str) -> dict[str, dict[str, object]]:
    """Give the one row of each table, by column, as it stands in an index of a schema."""
    rows = {table: dict(columns) for table, columns in ROWS.items()}
    for since, tables in SINCE.items():
        if since <= schema:
            for table, columns in tables.items():
                rows.setdefault(table, {}).update(columns)
    return rows


def make_older(path: Path, schema: str) -> dict[str, dict[str, object]]:
    """Make an index of an earlier schema; gives its rows."""
    url = f"sqlite:///{path}"
    engines.prepare_location(url)
    engine = engines.migration_engine(url)
    rows = rows_of(schema)
    with engine.begin() as connection:
        command.upgrade(migrate.migration_config(connection), schema)
        for table, columns in rows.items():
            names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
            statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 -- constants of this file
            connection.execute(text(statement), columns)
    engine.dispose()
    return rows


def read_rows(path: Path) -> dict[str, list[dict[str, object]]]:
    """Read every table of an index."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        statements = {table: text(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
        found = {
            table: [dict(row) for row in connection.execute(statement).mappings()]
            for table, statement in statements.items()
        }
    engine.dispose()
    return found


def assert_kept(path: Path, rows: Mapping[str, Mapping[str, object]]) -> None:
    """Hold an index to the rows that were written into it: every value of theirs is still there."""
    found = read_rows(path)
    for table, columns in rows.items():
        (row,) = found[table]
        assert {name: row[name] for name in columns} == dict(columns), table
