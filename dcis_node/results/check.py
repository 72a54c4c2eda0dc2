"""The check that stands between building and storing: each object is read back from its bytes and held to the answer.

It asks what a validator cannot know: is this the right patient, do the references lead to received objects, do the
outlines and the mask lie where the model put them. Texts of errors name UIDs and tags, never a patient's values.
"""

import io
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from pydicom import DataElement, Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError
from pydicom.uid import SegmentationStorage

from dcis_node.errors import ResultError
from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.hanging import evidence_of, hung, leading_image
from dcis_node.results.identity import COPIED, fits_vr
from dcis_node.results.kinds import ResultKind
from dcis_node.results.outline import Points

# Texts of ours live in these; the copied attributes are left out of the search for a patient's values.
_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN"})
_SHORTEST_TELLING_ID = 6
_CHECKED_VRS = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI"})


def check_answer(answer: ExamAnswer) -> None:
    """Hold an answer to its own rules.

    Raises
    ------
    ResultError
        If it names no image, an image twice, a prediction without an image that may have one, a mask of another size,
        a naive time, or a digest that is none.
    """
    leading_image(answer)
    _demand(answer.made_at.tzinfo is not None, "the time of the decision has no zone")
    for digest in (answer.inputs_sha256, answer.model.sha256):
        _demand(len(digest) == 64 and set(digest) <= set("0123456789abcdef"), "a digest is no SHA-256")
    uids = [image.header.sop_instance_uid for image in answer.images]
    _demand(len(set(uids)) == len(uids), "an object stands twice in the answer")
    for image in answer.images:
        _check_image(image)


def _check_image(image: SourceImage) -> None:
    header, prediction = image.header, image.prediction
    uid = header.sop_instance_uid
    _demand((prediction is not None) == (image.reason is Reason.ELIGIBLE), f"{uid}: reason and prediction disagree")
    if prediction is None:
        return
    _demand(prediction.mask.dtype == np.bool_, f"{uid}: the mask is not bool")
    _demand(prediction.mask.shape == (header.rows, header.columns), f"{uid}: the mask is not of the image's size")
    given = prediction.source is LesionSource.GIVEN
    _demand(image.mark is None or given, f"{uid}: a mark stands with a lesion that was not given")
    if prediction.source is LesionSource.NONE:
        _demand(not image.outlined, f"{uid}: an outline stands with no lesion")


def check_results(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    """Hold the finished objects to the answer.

    Parameters
    ----------
    kinds
        What was wanted: of these, all that the answer has something for must be there, and nothing else.

    Raises
    ------
    ResultError
        At the first fault. Nothing of this answer may be stored then.
    """
    # pydicom would quote a broken value in a warning; here it is judged.
    with disable_value_validation():
        _check_all(answer, results, kinds)


def _check_all(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    uids = [result.sop_instance_uid for result in results]
    _demand(len(set(uids)) == len(uids), "two results have one UID")
    _demand(len({r.series_instance_uid for r in results}) == len(results), "two results share a series")
    outlined = {i.header.sop_instance_uid for i in hung(answer) if i.outlined}
    segmented: set[str] = set()
    for result in results:
        try:
            segmented |= _check_object(_read(result), result, answer, outlined)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ResultError("a result lacks what its kind must have") from error
    wanted = outlined if ResultKind.SEGMENTATION in kinds else set()
    _demand(segmented == wanted, "the segmentations are not those of the outlined views")


def _check_object(ds: Dataset, result: ResultObject, answer: ExamAnswer, outlined: set[str]) -> set[str]:
    """Check one object; give the image that it segments, if it does."""
    _check_identity(ds, result, answer)
    _check_own_values(ds, answer)
    if result.modality == "SEG":
        return {_check_segmentation(ds, answer)}
    _check_document(ds, answer, outlined)
    return set()


def _demand(holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ResultError(text)


def _read(result: ResultObject) -> Dataset:
    _demand(result.data[:128] == bytes(128), "the preamble is not empty")
    try:
        ds = dcmread(io.BytesIO(result.data))
        for _ in _elements(ds):  # reads every element in depth
            pass
    except (InvalidDicomError, ValueError, KeyError, NotImplementedError, EOFError) as error:
        raise ResultError("a result does not read back") from error
    return ds


def _check_identity(ds: Dataset, result: ResultObject, answer: ExamAnswer) -> None:
    named = (
        (ds.SOPInstanceUID, result.sop_instance_uid),
        (ds.SOPClassUID, result.sop_class_uid),
        (ds.SeriesInstanceUID, result.series_instance_uid),
        (ds.StudyInstanceUID, result.study_instance_uid),
        (ds.Modality, result.modality),
        (ds.file_meta.MediaStorageSOPInstanceUID, result.sop_instance_uid),
        (ds.file_meta.MediaStorageSOPClassUID, result.sop_class_uid),
        (ds.file_meta.TransferSyntaxUID, result.transfer_syntax_uid),
    )
    _demand(all(str(a) == b for a, b in named), "a result is not what it is said to be")
    known = {i.header.sop_instance_uid for i in answer.images}
    _demand(result.sop_instance_uid not in known, "a result has the UID of a received object")
    source = next((i for i in hung(answer) if i.header.study_instance_uid == ds.StudyInstanceUID), None)
    _demand(source is not None, "a result lies in no study of the exam")
    patients = {str(i.attributes.get("PatientID", "")).strip() for i in hung(answer)}
    _demand(str(ds.PatientID or "").strip() in patients, "a result names another patient")
    _demand(str(ds.SeriesDescription).startswith("RUO"), "a result does not say what it is for")


def _elements(ds: Dataset) -> Iterator[DataElement]:
    for element in ds:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)


def _check_own_values(ds: Dataset, answer: ExamAnswer) -> None:
    """Hold our own values to their VR, and search our texts for the patient.

    A patient's name and number may stand in their own attributes only.
    """
    telling = _telling(leading_image(answer).attributes)
    for top in ds:
        if top.keyword in COPIED or top.keyword == "ContributingEquipmentSequence":
            continue
        for element in _elements(Dataset({top.tag: top})):
            _demand(element.tag.group != 0x0010, "a patient attribute stands where none belongs")
            _demand(element.VR not in _CHECKED_VRS or fits_vr(element), f"{element.tag}: a value breaks its VR")
            if element.VR in _TEXT_VRS:
                words = str(element.value)
                named = any(value in words.split() or value == words for value in telling)
                _demand(not named, "a text names the patient")


def _telling(source: Dataset) -> set[str]:
    """Give the values that tell a patient and no other thing: a number of some length, a name of several parts."""
    number, name = (str(source.get(keyword, "")).strip() for keyword in ("PatientID", "PatientName"))
    long_number = len(number) >= _SHORTEST_TELLING_ID and any(c.isdigit() for c in number)
    return {value for value, tells in ((number, long_number), (name, "^" in name.strip("^"))) if tells}


def _check_document(ds: Dataset, answer: ExamAnswer, outlined: set[str]) -> None:
    """Check an SR: its evidence, its references, its regions, and that no branch of its tree is empty."""
    received = {(e.sop_class_uid, e.sop_instance_uid) for e in evidence_of(answer)}
    evidence = set(_evidence(ds))
    _demand(evidence == received, "the evidence of a report is not the exam")
    _demand((ds.VerificationFlag, ds.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY"), "a report claims a reader")
    drawn = set()
    for item in _content(ds):
        _demand(item.ValueType != "CONTAINER" or bool(item.get("ContentSequence")), "a container of a report is empty")
        if "ReferencedSOPSequence" in item:
            reference = item.ReferencedSOPSequence[0]
            pointed = (str(reference.ReferencedSOPClassUID), str(reference.ReferencedSOPInstanceUID))
            _demand(pointed in evidence, "a report points at an object that is no evidence")
        if item.ValueType == "SCOORD":
            drawn.add(_check_region(item, answer))
        if _code(item) == "125007":
            _check_group(item)
    if any(_code(item) == "126010" for item in _content(ds)):
        _demand(drawn == outlined, "the outlines of a report are not those of the views")


def _evidence(ds: Dataset) -> Iterator[tuple[str, str]]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in ds.get(keyword) or ():
            for series in study.ReferencedSeriesSequence:
                for item in series.ReferencedSOPSequence:
                    yield str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)


def _content(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from _content(item)


def _code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def _check_group(item: Dataset) -> None:
    """Demand what OHIF draws from: a region, an identifier and its UID in each measurement group."""
    present = {_code(child) for child in item.ContentSequence}
    _demand({"112039", "112040"} <= present, "a measurement group has no tracking identifier")
    regions = [child for child in item.ContentSequence if child.ValueType == "SCOORD"]
    _demand(len(regions) == 1, "a measurement group has not one region")


def _check_region(item: Dataset, answer: ExamAnswer) -> str:
    """Check that an outline is closed, lies inside its image and round pixels of its mask; give the image's UID."""
    uid = str(item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    image = next((i for i in hung(answer) if i.header.sop_instance_uid == uid), None)
    if image is None or image.prediction is None:
        raise ResultError("an outline lies on no analysed image")
    points = np.array(item.GraphicData, dtype=np.float64).reshape(-1, 2)
    _demand(len(points) >= 4 and bool((points[0] == points[-1]).all()), "an outline is not closed")
    limit = (image.header.columns, image.header.rows)
    _demand(bool((points >= 0).all() and (points <= limit).all()), "an outline leaves its image")
    _demand(_meets(points, image), "an outline does not lie on the mask")
    return uid


def _meets(points: Points, image: SourceImage) -> bool:
    """Tell if each corner of an outline touches a pixel of the mask: a mirrored or shifted outline does not."""
    mask = image.prediction.mask if image.prediction else np.zeros((1, 1), dtype=bool)
    x, y = points.astype(int).T
    padded = np.pad(mask[_window(y, mask.shape[0]), _window(x, mask.shape[1])], 1)
    x, y = x - _window(x, mask.shape[1]).start + 1, y - _window(y, mask.shape[0]).start + 1
    touched = padded[y, x] | padded[y - 1, x] | padded[y, x - 1] | padded[y - 1, x - 1]
    return bool(touched.all())


def _window(indices: np.ndarray[tuple[int], np.dtype[np.int_]], size: int) -> slice:
    return slice(max(0, int(indices.min()) - 1), min(size, int(indices.max()) + 1))


def _check_segmentation(ds: Dataset, answer: ExamAnswer) -> str:
    """Check that a SEG holds exactly the mask of its one image; give that image's UID."""
    _demand(ds.SOPClassUID == SegmentationStorage, "a segmentation is of another class")
    uid = str(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)
    image = next((i for i in hung(answer) if i.header.sop_instance_uid == uid), None)
    if image is None or image.prediction is None:
        raise ResultError("a segmentation is of no analysed image")
    derived = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    _demand(str(derived.ReferencedSOPInstanceUID) == uid, "a segmentation names two source images")
    series = ds.ReferencedSeriesSequence[0].SeriesInstanceUID
    _demand(str(series) == image.header.series_instance_uid, "a segmentation names another series")
    _demand((ds.Rows, ds.Columns) == (image.header.rows, image.header.columns), "a segmentation has another size")
    bits = np.unpackbits(np.frombuffer(ds.PixelData, dtype=np.uint8), bitorder="little")
    stored = bits[: ds.Rows * ds.Columns].reshape(ds.Rows, ds.Columns)
    _demand(np.array_equal(stored.astype(bool), image.prediction.mask), "a segmentation holds another mask")
    return uid
