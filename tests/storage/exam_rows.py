"""Rows of an exam, written as the receiver writes them."""

from storage.database import Database
from storage.index import ReceivedInstance, record_instance
from storage.schema import Exam, Instance

KEY_OBJECT_CLASS = "1.2.840.10008.5.1.4.1.1.88.59"


def received_values(number: int, *, patient: str = "P1", **changes) -> dict[str, object]:
    """Give the values of an eligible image, or of what `changes` make of it."""
    return {
        "sop_instance_uid": f"1.2.3.{number}",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.2",
        "study_instance_uid": f"1.2.{patient[1:]}",
        "series_instance_uid": f"1.2.{patient[1:]}.9",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "sha256": f"{number:064x}",
        "size_bytes": 100,
        "patient_id": patient,
        "issuer": "A",
        "study_date": "20261123",
        "eligible": True,
        "reason": "eligible",
        "is_image": True,
        "facts": {},
        **changes,
    }


def receive(
    db: Database, number: int, *, now: float = 1.0, patient: str = "P1", association: int | None = None, **changes
) -> int:
    """Record an eligible image, or what `changes` make of it; gives the number of its row."""
    values = received_values(number, patient=patient, **changes)
    with db.write() as session:
        return record_instance(session, ReceivedInstance(**values), now=now, association_id=association).instance_id


def receive_refused(db: Database, number: int, *, reason: str = "tomosynthesis", **changes) -> int:
    """Record an image that is not analysed."""
    return receive(db, number, eligible=False, reason=reason, **changes)


def receive_key_object(db: Database, number: int, **changes) -> int:
    """Record an object that is no image and carries no marks."""
    changes = {"sop_class_uid": KEY_OBJECT_CLASS, "is_image": False, **changes}
    return receive(db, number, eligible=False, reason="not_an_image", **changes)


def instance(db: Database, number: int) -> Instance:
    """Give the row of an instance by the number of its row."""
    with db.read() as session:
        found = session.get(Instance, number)
        assert found is not None
        return found


def exam(db: Database, number: int = 1) -> Exam:
    """Give the row of an exam."""
    with db.read() as session:
        found = session.get(Exam, number)
        assert found is not None
        return found


def set_exam(db: Database, number: int = 1, **values) -> None:
    """Change the row of an exam."""
    with db.write() as session:
        row = session.get(Exam, number)
        for name, value in values.items():
            setattr(row, name, value)


def set_instance(db: Database, number: int, **values) -> None:
    """Change the row of an instance."""
    with db.write() as session:
        row = session.get(Instance, number)
        for name, value in values.items():
            setattr(row, name, value)
