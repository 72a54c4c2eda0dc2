"""The patient is found wherever she stands, and no ordinary exam is taken for a leak."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from dcis_node.results.check.privacy import check_privacy, telling_of
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.results.builders import BASIC, EQUIPMENT, answer, four_views, results_of
from tests.results.check.altering import built, caught_by, rewritten
from tests.results.reading import items, read

CANARIES = {
    "PatientName": "Muster^Anna Maria",
    "PatientID": "PID-000123",
    "OtherPatientIDs": "OTHER-4711",
    "AccessionNumber": "ACC-771",
    "PatientBirthDate": "19600101",
    "PatientTelephoneNumbers": "+49 30 123456",
    "PatientAddress": "Hauptstrasse 12",
    "ReferringPhysicianName": "Ref^Erring",
    "PatientMotherBirthName": "Mutter^Grete",
}


def exam_of(**patient):
    def with_patient(image):
        attributes = Dataset()
        attributes.update(image.attributes)
        for keyword, value in patient.items():
            attributes[keyword] = DataElement(Tag(keyword), dictionary_VR(keyword), value, validation_mode=0)
        return replace(image, attributes=attributes)

    return answer([with_patient(image) for image in four_views()])


EXAM = exam_of(**CANARIES)
# As a leak would write them.
FORMS = [
    "Muster^Anna Maria",
    "Anna Muster",
    "Muster, Anna",
    "MUSTER ANNA",
    "muster_anna",
    "PID-000123",
    "pid-000123",
    "idPID-000123x",
    "OTHER-4711",
    "ACC-771",
    "19600101",
    "1960-01-01",
    "01.01.1960",
    "+49 30 123456",
    "Hauptstrasse 12",
    "Erring Ref",
    "Grete Mutter",
]


def first_text(ds, value):
    next(item for item in items(ds) if item.get("ValueType") == "TEXT").TextValue = f"As said of {value} before."


def put(keyword, form="{}"):
    def change(ds, value):
        ds[keyword] = DataElement(Tag(keyword), dictionary_VR(keyword), form.format(value), validation_mode=0)

    return change


def in_graphic(ds, value):
    text = next(t for a in ds.GraphicAnnotationSequence for t in a.get("TextObjectSequence", ()))
    text.UnformattedTextValue += f"\r\n{value}"


def in_equipment(ds, value):
    ds.ContributingEquipmentSequence[-1].ContributionDescription = f"for {value}"


PLACES = {
    "a report's text": (ResultKind.READABLE_REPORT, first_text),
    "a measurement's text": (ResultKind.MEASUREMENT_REPORT, first_text),
    "a graphic's text": (ResultKind.PRESENTATION_STATE, in_graphic),
    "a description of the picture": (ResultKind.SUMMARY_IMAGE, put("ImageComments", "of {}")),
    "a label of the picture": (ResultKind.SUMMARY_IMAGE, put("DerivationDescription")),
    "the segment's description": (
        ResultKind.SEGMENTATION,
        lambda ds, value: setattr(ds.SegmentSequence[0], "SegmentDescription", value),
    ),
    "the equipment's description": (ResultKind.CAD_REPORT, in_equipment),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_the_patient_is_found_in_every_form_and_place(form, place):
    kind, change = PLACES[place]
    caught = caught_by(rewritten(built(kind), lambda ds: change(ds, form)), EXAM)
    assert "names the patient" in caught["privacy"]
    assert form not in caught["privacy"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: setattr(ds, "PatientComments", "x"), "patient attribute"),
        (lambda ds: ds.private_block(0x0029, "MINE", create=True).add_new(1, "LO", "x"), "private or unknown"),
        (lambda ds: ds.add_new(0x00080003, "UN", b"Muster^Anna"), "private or unknown"),
        (lambda ds: ds.add_new("EncapsulatedDocument", "OB", b"Muster^Anna "), "bytes stand where none belong"),
        (lambda ds: ds.add_new("DataSetTrailingPadding", "OB", b"Muster^Anna "), "bytes stand where none belong"),
        (lambda ds: setattr(ds, "ContentDate", "19600101"), "a date is that of the patient"),
        (lambda ds: setattr(ds, "AcquisitionDateTime", "19600101093000"), "a date is that of the patient"),
        (lambda ds: setattr(ds, "SynchronizationFrameOfReferenceUID", "1.2.276.123"), "neither ours nor"),
        (lambda ds: ds.add_new("ProtocolName", "LO", "M\xfcster"), "not plain"),
        (lambda ds: ds.add_new("StationName", "SH", "S" * 17), "breaks its VR"),
        (lambda ds: setattr(ds.file_meta, "SourceApplicationEntityTitle", "PID"), "file meta information"),
        (lambda ds: setattr(ds.file_meta, "PrivateInformationCreatorUID", "1.2.3"), "file meta information"),
    ],
)
def test_what_can_hold_nothing_of_ours_is_refused_whatever_it_holds(change, words):
    for kind in (ResultKind.READABLE_REPORT, ResultKind.SUMMARY_IMAGE):
        caught = caught_by(rewritten(built(kind), change), EXAM)
        assert words in caught["privacy"]


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_what_was_built_for_this_very_patient_passes(kind):
    """The patient stands in her own attributes, and everywhere else is looked through."""
    (result, *_) = (r for r in results_of(EXAM.images, kinds=frozenset({kind})))
    assert caught_by(result, EXAM) == {}


# Names and numbers as hospitals have them, and such as are words, figures or dates of ours.
WORDS = ("Long", "Young", "Right", "CC", "MLO", "Views", "Model", "Standard", "Small", "May", "Li", "O", "Area", "Use")
NAMES = st.lists(st.sampled_from([*WORDS, "Muster", "Anna", "N'Dour", "van der Berg", ""]), min_size=1, max_size=5)
IDS = st.one_of(
    st.sampled_from(["1", "0", "", "12345", "2026", "62.0", "0.1.0", "abab", "abababab", "1.2.0", "node-7", "R CC"]),
    st.sampled_from(["2026-11-23", "20260105", "99DCISNODE", "2.25.1001", "M-1", "cdcdcd", "9001", "TID 1500"]),
    st.from_regex(r"[0-9]{1,10}", fullmatch=True),
    st.from_regex(r"[A-Z]{1,3}-?[0-9]{1,8}", fullmatch=True),
)
DATES = st.sampled_from(["", "19600101", "20260105", "20261123", "196001", "19000101"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=NAMES, number=IDS, accession=IDS, birth=DATES, referring=NAMES)
def test_no_ordinary_exam_is_taken_for_a_leak(parts, number, accession, birth, referring):
    exam = exam_of(
        PatientName="^".join(parts),
        PatientID=number,
        AccessionNumber=accession,
        PatientBirthDate=birth,
        ReferringPhysicianName="^".join(referring[:1]),
    )
    known = {uid for image in exam.images for uid in vars(image.header).values() if isinstance(uid, str)}
    telling = telling_of(exam, known)
    for kind in sorted(BASIC | {ResultKind.CAD_REPORT, ResultKind.PRESENTATION_STATE}):
        check_privacy(read(built(kind)), telling)


def test_the_nodes_own_name_may_be_a_number_of_the_patient():
    exam = replace(exam_of(PatientID="node-700"), equipment=replace(EQUIPMENT, device_serial_number="node-700"))
    assert results_of(exam.images, equipment=exam.equipment)


def test_a_name_of_very_many_parts_costs_no_time():
    endless = " ".join(f"part{number}" for number in range(5000))
    assert telling_of(exam_of(PatientName=endless), ()).texts is not None


def test_a_patient_without_anything_that_tells_is_looked_for_nowhere():
    nobody = exam_of(PatientName="", PatientID="1", AccessionNumber="", PatientBirthDate="", ReferringPhysicianName="")
    telling = telling_of(nobody, ())
    assert (telling.texts, telling.dates) == (None, frozenset())
