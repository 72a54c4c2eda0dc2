"""What status, exams and trace read from the index, and what they never show."""

import json

import pytest

from storage.overview import last_exams, queues, trace
from storage.schema import (
    Conflict,
    DeliveryAttempt,
    Exam,
    Instance,
    Outbox,
    Patient,
    Report,
    Result,
    Study,
    ViewAnalysis,
)

CANARY = "CANARY-4711"
DECISION = {"breasts": {}, "patient": {"probability": 0.7, "risk": "high", "flags": []}, "threshold": 0.5}


@pytest.fixture
def exam(db):
    """One reported exam: an analysed image, one with other bytes aside, a result sent at the second try."""
    with db.write() as session:
        session.add(Patient(id=1, patient_id=CANARY, issuer=""))
        session.flush()
        session.add(Exam(id=5, patient_id=1, study_date="20240101", state="reported", opened_at=1.0, last_image_at=9.0))
        session.flush()
        session.add(Study(id=1, study_instance_uid="1.2.1", exam_id=5))
        session.flush()
        values = {
            "sop_class_uid": "1.2",
            "series_instance_uid": "1.2.3",
            "study_id": 1,
            "exam_id": 5,
            "size_bytes": 7,
            "transfer_syntax_uid": "1.2.840",
            "received_at": 8.0,
            "facts": {"view": "CC"},
        }
        session.add(
            Instance(
                id=1,
                sop_instance_uid="1.2.4",
                sha256="a" * 64,
                eligible=True,
                reason="eligible",
                analysis="analysed",
                **values,
            )
        )
        session.add(
            Instance(
                id=2,
                sop_instance_uid="1.2.5",
                sha256="b" * 64,
                eligible=False,
                reason="magnification_view",
                analysis="not_applicable",
                **values,
            )
        )
        session.flush()
        session.add(Conflict(instance_id=2, sha256="c" * 64, size_bytes=7, received_at=8.5, calling_aet="PACS"))
        session.add(
            ViewAnalysis(
                instance_id=1,
                instance_sha256="a" * 64,
                bundle_sha256="d" * 64,
                settings_sha256="e" * 64,
                prediction={"source": "found", "probability": 0.7},
                seconds=1.5,
                analysed_at=8.8,
            )
        )
        session.add(
            Report(
                id=1,
                exam_id=5,
                version=1,
                inputs_sha256="f" * 64,
                bundle_sha256="d" * 64,
                decision=DECISION,
                views=[{"view": "CC"}],
                made_at=10.0,
            )
        )
        session.flush()
        session.add(
            Result(
                kind="readable_report",
                id=1,
                report_id=1,
                sop_instance_uid="2.25.9",
                sop_class_uid="1.2",
                study_instance_uid="1.2.1",
                series_instance_uid="2.25.8",
                transfer_syntax_uid="1.2.840",
                modality="SR",
                sha256="1" * 64,
            )
        )
        session.flush()
        session.add(
            Outbox(id=1, result_id=1, destination="pacs", state="sent", attempts=2, next_try_at=0, sent_at=30.0)
        )
        session.flush()
        session.add(DeliveryAttempt(outbox_id=1, tried_at=20.0, status=0xA700, error="out of resources"))
        session.add(DeliveryAttempt(outbox_id=1, tried_at=30.0, status=0))
    return 5


def test_queues_of_an_empty_index_are_empty(db):
    with db.read() as session:
        assert queues(session) == {
            "views": {},
            "exams": {},
            "outbox": {},
            "proofs": {},
            "instances": 0,
            "conflicts": 0,
            "retrievals": {},
        }


def test_queues_count_by_state_and_destination(db, exam):
    with db.read() as session:
        assert queues(session) == {
            "views": {"analysed": 1, "not_applicable": 1},
            "exams": {"reported": 1},
            "outbox": {"pacs": {"sent": 1}},
            "proofs": {},
            "instances": 2,
            "conflicts": 1,
            "retrievals": {},
        }


def test_an_exam_in_a_line_says_state_decision_and_deliveries(db, exam):
    with db.read() as session:
        (line,) = last_exams(session)
    assert (line["studies"], line["state"], line["instances"], line["eligible"]) == (["1.2.1"], "reported", 2, 1)
    assert line["report"]["patient"]["risk"] == "high"
    assert line["deliveries"] == {"sent": 1}


def test_the_newest_exam_stands_first_and_the_limit_holds(db, exam):
    with db.write() as session:
        session.add(Exam(id=6, patient_id=1, study_date="", state="open", opened_at=1.0, last_image_at=99.0))
    with db.read() as session:
        assert [line["exam"] for line in last_exams(session)] == [6, 5]
        assert [line["exam"] for line in last_exams(session, limit=1)] == [6]


@pytest.mark.parametrize("uid", ["5", "1.2.1", "1.2.3", "1.2.4", "2.25.9", "2.25.8"])
def test_every_uid_of_an_exam_leads_to_its_trace(db, exam, uid):
    with db.read() as session:
        (found,) = trace(session, uid)
    assert found["exam"] == exam


def test_the_trace_tells_each_instance_analysis_result_and_attempt(db, exam):
    with db.read() as session:
        (found,) = trace(session, "1.2.1")
    used, unused = found["instances"]
    assert used["analyses"][0]["probability"] == 0.7
    assert unused["reason"] == "magnification_view"
    assert unused["conflicts"] == [{"sha256": "c" * 64, "received_at": 8.5, "from": "PACS"}]
    (delivery,) = found["reports"][0]["results"][0]["deliveries"]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [0xA700, 0]


@pytest.mark.parametrize("uid", ["1.2.99", "77", "", "x' OR 1=1 --", "9" * 40])
def test_an_unknown_uid_gives_nothing(db, exam, uid):
    with db.read() as session:
        assert trace(session, uid) == []


def test_no_patient_number_is_shown(db, exam):
    with db.read() as session:
        shown = json.dumps([queues(session), last_exams(session), trace(session, "1.2.1")])
    assert CANARY not in shown
