"""Objects to send, and a node to send them from."""

import pytest

from dcis_node.deliver.sender import outgoing_from_file
from storage import outbox
from storage.database import open_database
from storage.files import FileStore
from storage.schema import Exam, Patient, Report
from tests.deliver.helpers import NOW, NUMBERS, PROOF_DUE, SENT_AT, Node, dicom_file
from tests.indexes import KINDS, fresh_index


@pytest.fixture
def outgoing(tmp_path):
    def make(number=1, **options):
        return [outgoing_from_file(dicom_file(tmp_path / f"{next(NUMBERS)}.dcm", **options)) for _ in range(number)]

    return make


@pytest.fixture(params=KINDS)
def node(request, tmp_path):
    with fresh_index(request, tmp_path, request.param) as url:
        db = open_database(url)
        yield _node(url, db, tmp_path)
        db.close()


def _node(url, db, tmp_path):
    with db.write() as session:
        patient = Patient(patient_id="", issuer="")
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
        report_id = report.id
    return Node(url, db, FileStore(tmp_path / "store"), report_id)


@pytest.fixture
def result_file(tmp_path):
    def make(**options):
        return dicom_file(tmp_path / f"result-{next(NUMBERS)}.dcm", **options)

    return make


@pytest.fixture
def sent(node, result_file):
    """Results that the peer has taken, and whose proof is due at `PROOF_DUE`; gives their UIDs."""

    def make(peer, number=3, *, study="1.2"):
        uids = [node.add(result_file(), study=study) for _ in range(number)]
        for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
            outbox.mark_sent(node.db, parcel, now=SENT_AT, status=0, proof_due_at=PROOF_DUE)
        peer.stored += uids
        return uids

    return make
