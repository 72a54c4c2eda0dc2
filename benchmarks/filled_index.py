"""A big index, filled by SQL as a node would have left it after years: for growth.py, and (small) for tests.

Each exam has four images of one study in four series, an analysis of each, one report with seven results, and a sent
delivery of each result: what `dcis-node demo` leaves, in the same sizes of text. One exam in twenty has a tomosynthesis
image in place of a mammogram. UIDs and digests are random, the worst order for an index. The last exams are still
at work: open, due, waiting in the outbox, failed.
"""

import json
import sqlite3
from pathlib import Path

from storage.database import upgrade

IMAGES, RESULTS = 4, 7
DAY = 86400.0
OPEN_EXAMS, DUE_EXAMS, FAILED_EXAMS, WAITING_PARCELS = 3, 2, 4, 20

FACTS = {
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.2", "transfer_syntax_uid": "1.2.840.10008.1.2.1", "kind": "ffdm",
    "modality": "MG", "presentation_intent": "FOR PRESENTATION", "laterality": "L", "view": "CC", "modifiers": [],
    "rows": 3328, "columns": 2560, "number_of_frames": 1, "bits_stored": 12, "magnification": 1.060606060606,
    "photometric_interpretation": "MONOCHROME2", "spacing_mm": [0.07, 0.07], "patient_orientation": ["A", "R"],
    "implant_present": False, "partial_view": False, "age_years": 54, "study_date": "20240101",
    "acquired": "20240101120200", "created": "20240101120200", "manufacturer": "MAKER", "model": "MODEL", "notes": [],
    "sources": {
        "kind": "SOPClassUID (0008,0016)", "laterality": "ImageLaterality (0020,0062)",
        "view": "ViewCodeSequence (0054,0220)", "presentation_intent": "SOPClassUID (0008,0016)",
        "spacing_mm": "ImagerPixelSpacing (0018,1164)", "magnification": "(0018,1114)",
        "patient_orientation": "PatientOrientation (0020,0020)", "age_years": "PatientAge (0010,1010)",
        "implant_present": "BreastImplantPresent (0028,1300)", "acquired": "AcquisitionDate and AcquisitionTime",
    },
    "sop_instance_uid": "2.25." + "1" * 39, "study_instance_uid": "2.25." + "2" * 39,
    "series_instance_uid": "2.25." + "3" * 39,
}  # fmt: skip
PREDICTION = {
    "source": "found", "probability": 0.3432924434540367, "fold_probabilities": [0.3489313893742813] * 5,
    "centre": [1674.3842601679344, 528.340048634787], "shape": [3328, 2560], "mirrored": False, "mark": None,
    "candidates": [{"row": 1674.38, "column": 528.34, "box": [1548, 274, 1800, 724], "area_px": 32060}] * 2,
    "notes": [],
}  # fmt: skip
BREAST = {"probability": 0.39, "risk": "high", "views": ["CC", "MLO"], "flags": []}
DECISION = {"breasts": {"L": BREAST, "R": BREAST}, "patient": {"probability": 0.39, "risk": "high", "flags": []}}
VIEW = {
    "sop_instance_uid": "2.25." + "1" * 39, "laterality": "L", "view": "CC", "acquired": "20240101120200",
    "created": "20240101120200", "eligible": True, "reason": "eligible", "lesion": "found", "probability": 0.34,
    "outlined": True, "mark": None, "replaced_by": "", "notes": [],
}  # fmt: skip
KINDS = (
    "readable_report", "measurement_report", "summary_image", "segmentation", "segmentation", "presentation_state",
    "presentation_state",
)  # fmt: skip

UID = "'2.25.' || printf('%019d%019d', random() & 0x7fffffffffffffff, random() & 0x7fffffffffffffff)"
# The texts below are put together from these constants only.
# ruff: noqa: S608
SHA256 = "lower(hex(randomblob(32)))"
NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :count)"


def fill_index(path: Path, instances: int, *, now: float) -> None:
    """Make an index at `path` with that many instances; its exams came evenly over the ten years before `now`."""
    upgrade(f"sqlite:///{path}")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # No durability while it is made: a killed run starts anew.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        _fill(connection, instances // IMAGES, now)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, exams: int, now: float) -> None:
    values = {
        "now": now, "count": exams, "step": 10 * 365 * DAY / exams, "facts": json.dumps(FACTS),
        "prediction": json.dumps(PREDICTION), "decision": json.dumps(DECISION), "views": json.dumps([VIEW] * IMAGES),
        "bundle": "b" * 64,
    }  # fmt: skip
    at = ":now - 60 - :step * (:count - 1 - {})"
    exam_at = at.format("n")
    _run(
        connection,
        values,
        f"""INSERT INTO patient (id, patient_id, issuer)
        {NUMBERS} SELECT n + 1, 'MRN-' || (1000000 + n), 'HOSPITAL' FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO exam (id, patient_id, study_date, state, opened_at, last_image_at,
        completeness, lease_owner, lease_until, attempts, failure, bundle_sha256)
        {NUMBERS} SELECT n + 1, n * 4 / 5 + 1, strftime('%Y%m%d', {exam_at}, 'unixepoch'), 'reported', {exam_at} - 1,
        {exam_at}, 'four_standard_views', '', 0.0, 0, '', :bundle FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO study (id, study_instance_uid, exam_id)
        {NUMBERS} SELECT n + 1, {UID}, n + 1 FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO association (id, owner, calling_aet, address, opened_at, closed_at)
        {NUMBERS} SELECT n + 1, 'receive-' || (n % 2) || '@node', 'PACS', '10.1.2.3', {exam_at} - 1, {exam_at} + 1
        FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO report (id, exam_id, version, inputs_sha256, bundle_sha256, decision,
        views, made_at) {NUMBERS} SELECT n + 1, n + 1, 1, {SHA256}, :bundle, :decision, :views, {exam_at} + 10
        FROM number""",
    )
    values["count"] = exams * IMAGES
    values["step"] /= IMAGES
    used = "(n % 80) != 7"
    _run(
        connection,
        values,
        f"""INSERT INTO instance (id, sop_instance_uid, sop_class_uid, series_instance_uid,
        study_id, exam_id, association_id, sha256, size_bytes, transfer_syntax_uid, received_at, duplicates, facts,
        eligible, reason, analysis, lease_owner, lease_until, attempts, next_try_at)
        {NUMBERS} SELECT n + 1, {UID}, '1.2.840.10008.5.1.4.1.1.1.2', {UID}, n / 4 + 1, n / 4 + 1, n / 4 + 1, {SHA256},
        27000000, '1.2.840.10008.1.2.1', {at.format("n")}, 0, :facts, {used},
        iif({used}, 'eligible', 'tomosynthesis'), iif({used}, 'analysed', 'not_applicable'), '', 0.0, {used}, 0.0
        FROM number""",
    )
    _run(
        connection,
        values,
        """INSERT INTO view_analysis (id, instance_id, instance_sha256, bundle_sha256,
        settings_sha256, prediction, mask_sha256, picture_sha256, seconds, analysed_at)
        SELECT id, id, sha256, :bundle, :bundle, :prediction, lower(hex(randomblob(32))), lower(hex(randomblob(32))),
        1.1, received_at + 5 FROM instance WHERE analysis = 'analysed'""",
    )
    values["count"] = exams * RESULTS
    values["step"] *= IMAGES / RESULTS
    kind = "CASE n % 7 " + " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(KINDS)) + " END"
    _run(
        connection,
        values,
        f"""INSERT INTO result (id, report_id, kind, sop_instance_uid, sop_class_uid,
        study_instance_uid, series_instance_uid, transfer_syntax_uid, modality, sha256)
        {NUMBERS} SELECT n + 1, n / 7 + 1, {kind}, {UID}, '1.2.840.10008.5.1.4.1.1.88.33',
        (SELECT study_instance_uid FROM study WHERE id = n / 7 + 1), {UID}, '1.2.840.10008.1.2.1', 'SR', {SHA256}
        FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO outbox (id, result_id, destination, state, attempts, next_try_at,
        lease_owner, lease_until, last_status, last_error, first_try_at, sent_at, proof_attempts, proof_error,
        proven_at, proven_by)
        {NUMBERS} SELECT n + 1, n + 1, 'pacs', 'proven', 1, {at.format("n")}, '', 0.0, 0, '', {at.format("n")} + 11,
        {at.format("n")} + 12, 1, '', {at.format("n")} + 13, 'query' FROM number""",
    )
    _run(
        connection,
        values,
        f"""INSERT INTO delivery_attempt (id, outbox_id, tried_at, status, error)
        {NUMBERS} SELECT n + 1, n + 1, {at.format("n")} + 12, 0, '' FROM number""",
    )
    _at_work(connection, exams)


def _at_work(connection: sqlite3.Connection, exams: int) -> None:
    """Let the last exams be unfinished, some others have failed, and some results wait for their peer."""
    first_open, first_due = exams - OPEN_EXAMS, exams - OPEN_EXAMS - DUE_EXAMS
    connection.execute("UPDATE exam SET state = 'open' WHERE id > ?", (first_open,))
    connection.execute("UPDATE instance SET analysis = 'pending', attempts = 0 WHERE exam_id > ?", (first_open,))
    connection.execute("UPDATE exam SET state = 'due' WHERE id > ? AND id <= ?", (first_due, first_open))
    fault = "the model could not be loaded"
    connection.execute("UPDATE exam SET failure = ? WHERE id <= ?", (fault, FAILED_EXAMS // 2))
    failed = "UPDATE exam SET failure = ?, state = 'failed' WHERE id > ? AND id <= ?"
    connection.execute(failed, (fault, FAILED_EXAMS // 2, FAILED_EXAMS))
    waiting = "UPDATE outbox SET state = 'due', sent_at = NULL, attempts = 0 WHERE id > ?"
    connection.execute(waiting, (exams * RESULTS - WAITING_PARCELS,))


def _run(connection: sqlite3.Connection, values: dict[str, object], statement: str) -> None:
    connection.execute(statement, {name: value for name, value in values.items() if f":{name}" in statement})
