"""An SR of any kind: its evidence, its references, its flags, and that no branch of its tree is empty."""

from collections.abc import Iterator

from pydicom import Dataset

from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import code, content, demand, item_at
from dcis_node.results.check.region import analysed_image, check_outline, points_of
from dcis_node.results.hanging import evidence_of, hung


def check_document(ds: Dataset, answer: ExamAnswer) -> None:
    """Check what all SRs have: evidence, flags, references to evidence only, no empty container, no loose end.

    Raises
    ------
    ResultError
        At the first fault.
    """
    received = {(e.sop_class_uid, e.sop_instance_uid) for e in evidence_of(answer)}
    evidence = set(_evidence(ds))
    demand(evidence == received, "the evidence of a report is not the exam")
    demand((ds.VerificationFlag, ds.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY"), "a report claims a reader")
    demand(ds.CompletionFlag == "COMPLETE", "a report does not say that it is whole")
    follows = bool(ds.get("PredecessorDocumentsSequence"))
    demand(follows == bool(answer.predecessor), "a report does not name what it follows")
    for item in content(ds):
        # An item that points at another by reference has no value type of its own.
        full = item.get("ValueType") != "CONTAINER" or bool(item.get("ContentSequence"))
        demand(full, "a container of a report is empty")
        if "ReferencedSOPSequence" in item:
            reference = item.ReferencedSOPSequence[0]
            pointed = (str(reference.ReferencedSOPClassUID), str(reference.ReferencedSOPInstanceUID))
            demand(pointed in evidence, "a report points at an object that is no evidence")
        if "ReferencedContentItemIdentifier" in item:
            there = item_at(ds, item.ReferencedContentItemIdentifier)
            demand(there is not None, "a report points at a content item that it has not")


def check_regions(ds: Dataset, answer: ExamAnswer) -> None:
    """Check the measurement groups: each with one outline on its mask, and all outlined views among them.

    Raises
    ------
    ResultError
        At the first fault.
    """
    outlined = {i.header.sop_instance_uid for i in hung(answer) if i.outlined}
    demand(check_groups(ds, answer) == outlined, "the outlines of a report are not those of the views")


def check_groups(ds: Dataset, answer: ExamAnswer) -> set[str]:
    """Check each measurement group, whichever views are among them.

    Returns
    -------
    set of str
        The SOP Instance UIDs of the images that are drawn on.

    Raises
    ------
    ResultError
        At the first fault.
    """
    drawn = set()
    for item in content(ds):
        if item.ValueType == "SCOORD":
            drawn.add(_check_region(item, answer))
        if code(item) == "125007":
            _check_group(item)
    return drawn


def _evidence(ds: Dataset) -> Iterator[tuple[str, str]]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in ds.get(keyword) or ():
            for series in study.ReferencedSeriesSequence:
                for item in series.ReferencedSOPSequence:
                    yield str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)


def _check_group(item: Dataset) -> None:
    """Demand what OHIF draws from: a region, an identifier and its UID in each measurement group."""
    present = {code(child) for child in item.ContentSequence}
    demand({"112039", "112040"} <= present, "a measurement group has no tracking identifier")
    regions = [child for child in item.ContentSequence if child.ValueType == "SCOORD"]
    demand(len(regions) == 1, "a measurement group has not one region")


def _check_region(item: Dataset, answer: ExamAnswer) -> str:
    """Hold an outline to the mask of its image; give the image's UID."""
    uid = str(item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    check_outline(points_of(item.GraphicData), analysed_image(answer, uid))
    return uid
