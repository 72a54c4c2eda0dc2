"""Rows for the tests of the outbox, and short words for what they ask."""

import itertools

from sqlalchemy import select

from storage import outbox
from storage.schema import DeliveryAttempt, Exam, Outbox, Patient, Report, Result

NOW = 1_000_000.0
LEASE = 60.0


def make_report(db, *, patient_id=""):
    with db.write() as session:
        patient = Patient(patient_id=patient_id, issuer="")
        session.add(patient)
        session.flush()
        exam = Exam(patient_id=patient.id, study_date="", state="reported", opened_at=NOW, last_image_at=NOW)
        session.add(exam)
        session.flush()
        report = Report(
            exam_id=exam.id, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=NOW
        )
        session.add(report)
        session.flush()
        return report.id


NUMBERS = itertools.count(1)


def add_results(db, report_id, number=1, *, study="1.2", destinations=("pacs",), now=NOW):
    with db.write() as session:
        results = [
            Result(
                kind="readable_report",
                report_id=report_id,
                sop_instance_uid=f"1.2.9.{next(NUMBERS)}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22",
                study_instance_uid=study,
                series_instance_uid="1.2.3",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                modality="SR",
                sha256="0" * 64,
            )
            for _ in range(number)
        ]
        session.add_all(results)
        session.flush()
        ids = [result.id for result in results]
        outbox.enqueue(session, ids, destinations, now=now)
    return ids


def claim(db, *, owner="a", now=NOW, destination=None):
    return outbox.claim(db, owner=owner, now=now, lease_seconds=LEASE, destination=destination)


def row(db, parcel):
    with db.read() as session:
        return session.get(Outbox, parcel.outbox_id)


def attempts(db, parcel):
    with db.read() as session:
        rows = session.scalars(
            select(DeliveryAttempt).where(DeliveryAttempt.outbox_id == parcel.outbox_id).order_by(DeliveryAttempt.id)
        )
        return [(a.tried_at, a.status, a.error) for a in rows]
