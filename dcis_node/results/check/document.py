"""An SR: its evidence, its references, its regions, and that no branch of its tree is empty."""

from collections.abc import Iterator

import numpy as np
from pydicom import Dataset

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import code, content, demand
from dcis_node.results.hanging import evidence_of, hung
from dcis_node.results.outline import Points


def check_document(ds: Dataset, answer: ExamAnswer, outlined: set[str]) -> None:
    """Check an SR: its evidence, its references, its regions, and that no branch of its tree is empty."""
    received = {(e.sop_class_uid, e.sop_instance_uid) for e in evidence_of(answer)}
    evidence = set(_evidence(ds))
    demand(evidence == received, "the evidence of a report is not the exam")
    demand((ds.VerificationFlag, ds.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY"), "a report claims a reader")
    drawn = set()
    for item in content(ds):
        demand(item.ValueType != "CONTAINER" or bool(item.get("ContentSequence")), "a container of a report is empty")
        if "ReferencedSOPSequence" in item:
            reference = item.ReferencedSOPSequence[0]
            pointed = (str(reference.ReferencedSOPClassUID), str(reference.ReferencedSOPInstanceUID))
            demand(pointed in evidence, "a report points at an object that is no evidence")
        if item.ValueType == "SCOORD":
            drawn.add(_check_region(item, answer))
        if code(item) == "125007":
            _check_group(item)
    if any(code(item) == "126010" for item in content(ds)):
        demand(drawn == outlined, "the outlines of a report are not those of the views")


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
    """Check that an outline is closed, lies inside its image and round pixels of its mask; give the image's UID."""
    uid = str(item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    image = next((i for i in hung(answer) if i.header.sop_instance_uid == uid), None)
    if image is None or image.prediction is None:
        raise ResultError("an outline lies on no analysed image")
    points = np.array(item.GraphicData, dtype=np.float64).reshape(-1, 2)
    demand(len(points) >= 4 and bool((points[0] == points[-1]).all()), "an outline is not closed")
    limit = (image.header.columns, image.header.rows)
    demand(bool((points >= 0).all() and (points <= limit).all()), "an outline leaves its image")
    demand(_meets(points, image), "an outline does not lie on the mask")
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
