"""From a header to what the index keeps of it."""

from pydicom import Dataset

from dcis_node.mammogram.eligibility import judge
from dcis_node.mammogram.facts import ImageKind
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.rejections import read_rejected
from dcis_node.mammogram.storage_classes import MAY_CARRY_MARKS
from storage.index import ReceivedInstance


def describe(header: Dataset, *, sha256: str, size_bytes: int, calling_aet: str) -> ReceivedInstance:
    """Say what one object is, for the index.

    Raises
    ------
    HeaderError
        A UID without which nothing can be kept is missing or no UID.
    """
    facts = read_header(header)
    eligibility = judge(facts)
    return ReceivedInstance(
        sop_instance_uid=facts.sop_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        study_instance_uid=facts.study_instance_uid,
        series_instance_uid=facts.series_instance_uid,
        transfer_syntax_uid=facts.transfer_syntax_uid,
        sha256=sha256,
        size_bytes=size_bytes,
        patient_id=_text(header, "PatientID"),
        issuer=_text(header, "IssuerOfPatientID"),
        study_date=facts.study_date,
        eligible=eligibility.eligible,
        reason=eligibility.reason.value,
        is_image=facts.kind is not ImageKind.NOT_AN_IMAGE,
        # A rejection changes an answer as a mark does.
        may_carry_marks=facts.sop_class_uid in MAY_CARRY_MARKS or bool(read_rejected(header)),
        calling_aet=calling_aet,
        facts=facts.to_json(),
    )


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    # PostgreSQL takes no NUL in text.
    return "" if value is None else str(value).replace("\0", "").strip()
