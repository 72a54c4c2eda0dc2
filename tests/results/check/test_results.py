import io
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmwrite

from dcis_node.errors import ResultError
from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import ObjectReference, UsedMark
from dcis_node.results.check.answer import check_answer
from dcis_node.results.check.results import check_results
from tests.results.builders import BASIC, STUDY, answer, four_view_results, four_views, image, refused, results_of
from tests.results.reading import groups, items, name, read

READABLE, MEASUREMENTS, SEGMENTATION = 0, 1, 2


def altered(position, change):
    """The four-view results with one object changed behind the builder's back."""
    results = list(four_view_results())
    ds = read(results[position])
    change(ds)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    results[position] = replace(results[position], data=buffer.getvalue())
    return results


def scoord(ds):
    return next(i for i in groups(ds)[0].ContentSequence if i.ValueType == "SCOORD")


def set_points(ds, points):
    scoord(ds).GraphicData = [float(v) for point in points for v in point]


def drop(group, keep):
    group.ContentSequence = [i for i in group.ContentSequence if keep(i)]


def library_entry(ds):
    return next(i for i in items(ds) if i.ValueType == "IMAGE")


def flip_bit(ds):
    pixels = bytearray(ds.PixelData)
    pixels[100] ^= 1
    ds.PixelData = bytes(pixels)


def test_what_was_built_passes():
    check_results(answer(), four_view_results(), BASIC)


def test_what_was_written_again_unchanged_passes():
    check_results(answer(), altered(MEASUREMENTS, lambda ds: None), BASIC)


@pytest.mark.parametrize(
    ("position", "change", "words"),
    [
        (READABLE, lambda ds: setattr(ds, "PatientID", "OTHER-1"), "another patient"),
        (READABLE, lambda ds: setattr(ds, "StudyInstanceUID", "2.25.9"), "not what it is said to be"),
        (READABLE, lambda ds: setattr(ds, "SeriesDescription", "DCIS report"), "does not say what it is for"),
        (READABLE, lambda ds: setattr(ds, "VerificationFlag", "VERIFIED"), "claims a reader"),
        (READABLE, lambda ds: setattr(ds.ContentSequence[1], "ContentSequence", []), "container of a report is empty"),
        (
            READABLE,
            lambda ds: ds.add(DataElement("StationName", "SH", "S" * 17, validation_mode=0)),
            "breaks its VR",
        ),
        (READABLE, lambda ds: setattr(ds, "ProtocolName", "PID-000123"), "names the patient"),
        (
            READABLE,
            lambda ds: setattr(ds.ContentSequence[1].ContentSequence[0], "TextValue", "of Muster^Anna today"),
            "names the patient",
        ),
        (READABLE, lambda ds: setattr(ds, "PatientComments", "x"), "patient attribute"),
        (
            MEASUREMENTS,
            lambda ds: setattr(ds, "CurrentRequestedProcedureEvidenceSequence", []),
            "evidence of a report is not the exam",
        ),
        (
            MEASUREMENTS,
            lambda ds: setattr(
                scoord(ds).ContentSequence[0].ReferencedSOPSequence[0], "ReferencedSOPInstanceUID", "2.25.404"
            ),
            "no evidence",
        ),
        (
            MEASUREMENTS,
            lambda ds: setattr(library_entry(ds).ReferencedSOPSequence[0], "ReferencedSOPInstanceUID", "2.25.404"),
            "no evidence",
        ),
        (
            MEASUREMENTS,
            lambda ds: setattr(
                scoord(ds).ContentSequence[0].ReferencedSOPSequence[0], "ReferencedSOPInstanceUID", f"{STUDY}.2"
            ),
            "does not lie on the mask",
        ),
        (MEASUREMENTS, lambda ds: set_points(ds, [(20, 30), (45, 30), (45, 50), (20, 50)]), "is not closed"),
        (MEASUREMENTS, lambda ds: set_points(ds, [(20, 30), (95, 30), (45, 50), (20, 30)]), "leaves its image"),
        (MEASUREMENTS, lambda ds: set_points(ds, [(-1, 30), (45, 30), (45, 50), (-1, 30)]), "leaves its image"),
        # one pixel aside, and mirrored
        (
            MEASUREMENTS,
            lambda ds: set_points(ds, [(22, 30), (47, 30), (47, 50), (22, 50), (22, 30)]),
            "does not lie on the mask",
        ),
        (
            MEASUREMENTS,
            lambda ds: set_points(ds, [(45, 30), (70, 30), (70, 50), (45, 50), (45, 30)]),
            "does not lie on the mask",
        ),
        (MEASUREMENTS, lambda ds: drop(groups(ds)[0], lambda i: i.ValueType != "SCOORD"), "not one region"),
        (MEASUREMENTS, lambda ds: drop(groups(ds)[0], lambda i: i.ValueType != "UIDREF"), "no tracking identifier"),
        (SEGMENTATION, flip_bit, "another mask"),
        (SEGMENTATION, lambda ds: setattr(ds, "Rows", 90) or setattr(ds, "Columns", 120), "another size"),
        (
            SEGMENTATION,
            lambda ds: setattr(
                ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0], "ReferencedSOPInstanceUID", "2.25.404"
            ),
            "no analysed image",
        ),
        (
            SEGMENTATION,
            lambda ds: setattr(ds.ReferencedSeriesSequence[0], "SeriesInstanceUID", "2.25.404"),
            "another series",
        ),
        (
            SEGMENTATION,
            lambda ds: setattr(
                ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0],
                "ReferencedSOPInstanceUID",
                f"{STUDY}.3",
            ),
            "two source images",
        ),
    ],
)
def test_an_altered_object_is_caught(position, change, words):
    with pytest.raises(ResultError, match=words):
        check_results(answer(), altered(position, change), BASIC)


def test_a_group_taken_away_is_caught():
    def without_the_second_view(ds):
        container = next(i for i in items(ds) if i.ValueType == "CONTAINER" and name(i).CodeValue == "126010")
        container.ContentSequence = container.ContentSequence[:1]

    with pytest.raises(ResultError, match="not those of the views"):
        check_results(answer(), altered(MEASUREMENTS, without_the_second_view), BASIC)


def test_a_segmentation_taken_away_is_caught():
    with pytest.raises(ResultError, match="not those that this answer must have"):
        check_results(answer(), four_view_results()[:-1], BASIC)


def test_a_file_that_carries_something_in_its_preamble_is_caught():
    first, *rest = four_view_results()
    carrying = replace(first, data=b"MZ" + first.data[2:])
    with pytest.raises(ResultError, match="preamble"):
        check_results(answer(), [carrying, *rest], BASIC)


def test_a_truncated_file_is_caught():
    first, *rest = four_view_results()
    with pytest.raises(ResultError):
        check_results(answer(), [replace(first, data=first.data[:600]), *rest], BASIC)


def test_bytes_that_are_no_dicom_are_caught():
    first, *rest = four_view_results()
    with pytest.raises(ResultError, match="does not read back"):
        check_results(answer(), [replace(first, data=bytes(4000)), *rest], BASIC)


def test_the_same_object_twice_is_caught():
    results = four_view_results()
    with pytest.raises(ResultError, match="one UID"):
        check_results(answer(), [*results, results[0]], BASIC)


def test_no_error_names_the_patient():
    with pytest.raises(ResultError) as caught:
        check_results(answer(), altered(READABLE, lambda ds: setattr(ds, "ProtocolName", "PID-000123")), BASIC)
    assert "PID-000123" not in str(caught.value)


def lesion(**changed):
    one = image()
    return replace(one, prediction=replace(one.prediction, **changed))


MARK = UsedMark("seg", ObjectReference("1.2.840.10008.5.1.4.1.1.66.4", "2.25.3", "2.25.4", STUDY))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ((), "no study to report in"),
        ((replace(refused(), reason=Reason.OWN_RESULT),), "no study to report in"),
        ((image(), image()), "stands twice"),
        ((replace(image(), reason=Reason.PIXELS_TRUNCATED),), "reason and prediction disagree"),
        ((replace(image(), prediction=None),), "reason and prediction disagree"),
        ((lesion(mask=np.ones((90, 120), dtype=bool)),), "not of the image's size"),
        ((lesion(mask=np.ones((120, 90), dtype=np.uint8)),), "not bool"),
        ((lesion(source=LesionSource.NONE),), "an outline stands with no lesion"),
        ((replace(image(), mark=MARK),), "was not given"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(images, words):
    with pytest.raises(ResultError, match=words):
        check_answer(answer(images))


def test_a_naive_time_is_refused():
    with pytest.raises(ResultError, match="no zone"):
        check_answer(answer(made_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_digest_that_is_none_is_refused():
    with pytest.raises(ResultError, match="SHA-256"):
        check_answer(answer(inputs_sha256="short"))


def test_a_patient_whose_name_is_a_word_of_ours_is_no_reason_to_refuse():
    images = [replace(i, attributes=_named(i.attributes, "Breast", "7")) for i in four_views()]
    assert results_of(images)


def _named(ds: Dataset, patient_name, patient_id):
    ds.PatientName, ds.PatientID = patient_name, patient_id
    return ds
