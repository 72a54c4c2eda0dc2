import pytest

from dcis_node.errors import HeaderError
from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.mammogram.storage_classes import (
    CT,
    KEY_OBJECT_SELECTION,
    MAMMOGRAPHY_CAD_SR,
    SECONDARY_CAPTURE,
    SEGMENTATION,
)
from dcis_node.receive.describe import describe
from storage.index import ReceivedInstance
from tests.receive.helpers import Image, image


def described(ds) -> ReceivedInstance:
    return describe(ds, sha256="a" * 64, size_bytes=7, calling_aet="PACS")


def test_an_image_is_described_with_its_patient_and_judgement() -> None:
    ds = image(PatientID=" 17 \0", IssuerOfPatientID="HOSPITAL", StudyDate="20261123")
    received = described(ds)
    assert (received.patient_id, received.issuer, received.study_date) == ("17", "HOSPITAL", "20261123")
    assert (received.reason, received.eligible, received.is_image) == ("eligible", True, True)
    assert (received.size_bytes, received.calling_aet, received.sha256) == (7, "PACS", "a" * 64)
    assert MammogramHeader.from_json(received.facts).sop_instance_uid == ds.SOPInstanceUID


@pytest.mark.parametrize("date", ["", "2026", "20261399", "tomorrow"])
def test_what_is_no_date_groups_nothing(date: str) -> None:
    ds = image()
    ds["StudyDate"]._value = date
    assert described(ds).study_date == ""


def test_an_object_without_a_patient_has_an_empty_one() -> None:
    assert described(image(PatientID=None)).patient_id == ""


@pytest.mark.parametrize(
    ("sop_class", "is_image", "may_carry_marks"),
    [
        (CT, True, False),
        (SECONDARY_CAPTURE, True, False),
        (SEGMENTATION, False, True),
        (MAMMOGRAPHY_CAD_SR, False, True),
        (KEY_OBJECT_SELECTION, False, False),
    ],
)
def test_images_and_carriers_of_marks_are_told_apart(sop_class: str, is_image: bool, may_carry_marks: bool) -> None:
    received = described(Image(sop_class=sop_class).dataset())
    assert (received.is_image, received.may_carry_marks) == (is_image, may_carry_marks)


def test_without_a_study_uid_there_is_nothing_to_keep() -> None:
    with pytest.raises(HeaderError):
        described(image(StudyInstanceUID=None))
