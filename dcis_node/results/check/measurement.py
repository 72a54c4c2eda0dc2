"""The measurement reports are whole, and their figures are those of the answer, computed once more from the mask."""

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom import Dataset
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from dcis_node.model.evidence import ViewPrediction
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.document import check_document, check_groups
from dcis_node.results.check.reading import code, content, demand, demand_in_order, named, number
from dcis_node.results.check.region import analysed_image, box_of
from dcis_node.results.hanging import hung

GROUP = "125007"
# PS3.16 TID 1500: language, observer, procedure, library, measurements.
_ROOT = (
    ("121049", "HAS CONCEPT MOD", "CODE"),
    ("121005", "HAS OBS CONTEXT", "CODE"),
    ("121012", "HAS OBS CONTEXT", "UIDREF"),
    ("121058", "HAS CONCEPT MOD", "CODE"),
    ("111028", "CONTAINS", "CONTAINER"),
    ("126010", "CONTAINS", "CONTAINER"),
)
# What each group names: how it is tracked, what it is, which algorithm drew it (TID 1410, 4019).
_OF_EACH_GROUP = (
    ("112039", "HAS OBS CONTEXT", "TEXT"),
    ("112040", "HAS OBS CONTEXT", "UIDREF"),
    ("121071", "CONTAINS", "CODE"),
    ("111001", "HAS CONCEPT MOD", "TEXT"),
    ("111003", "HAS CONCEPT MOD", "TEXT"),
    ("111030", "CONTAINS", "SCOORD"),
)
# Half of the second decimal that is written, and what float32 and binary fractions add.
_ROUNDING = 0.006


def check_measurement(ds: Dataset, answer: ExamAnswer) -> None:
    """Demand what programs and viewers must find in the measurement report; more may stand in it.

    Raises
    ------
    ResultError
        At the first thing that is missing or says another figure.
    """
    _check_report(ds, answer, hung(answer))


def check_view_measurement(ds: Dataset, answer: ExamAnswer) -> str:
    """Demand the same of the measurement report of one view, and that it holds this view alone; give the image's UID.

    Raises
    ------
    ResultError
        At the first thing that is missing, says another figure or is of another view.
    """
    check_document(ds, answer)
    drawn = sorted(check_groups(ds, answer))
    demand(len(drawn) == 1, "the measurement report of a view outlines not one view")
    image = analysed_image(answer, drawn[0])
    _check_report(ds, answer, [image])
    demand(set(_library(ds)) == set(drawn), "the measurement report of a view lists other views")
    own_study = str(ds.StudyInstanceUID) == image.header.study_instance_uid
    demand(own_study, "the measurement report of a view lies in another study")
    return drawn[0]


def _check_report(ds: Dataset, answer: ExamAnswer, images: Sequence[SourceImage]) -> None:
    """Check a measurement report of these images."""
    demand(str(ds.ConceptNameCodeSequence[0].CodeValue) == "126000", "the measurement report has another title")
    demand(str(ds.ContentTemplateSequence[0].TemplateIdentifier) == "1500", "the report is of another template")
    demand_in_order(ds, _ROOT, "the measurement report")
    _check_library(ds, images)
    groups = list(_groups(ds))
    uids = [str(named(group, "112040")[0].UID) for _, group in groups]
    demand(len(set(uids)) == len(uids), "two measurement groups have one tracking UID")
    for _, group in groups:
        _check_group(group, answer)
    for image in images:
        mine = [group for uid, group in groups if uid == image.header.sop_instance_uid]
        if image.outlined and image.prediction is not None:
            demand(bool(mine), f"the measurement report lacks the outline of {image.header.sop_instance_uid}")
            _check_figures(mine[0], image, image.prediction, answer)


def _groups(ds: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Give each measurement group in its order, with the image that its region lies on."""
    for item in content(ds):
        if code(item) == GROUP:
            region = named(item, "111030")[0]
            yield str(region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID), item


def _library(ds: Dataset) -> dict[str, Dataset]:
    """Give the entries of the image library, by SOP Instance UID."""
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID): item
        for item in content(named(ds, "111028")[0])
        if item.ValueType == "IMAGE"
    }


def _check_library(ds: Dataset, images: Sequence[SourceImage]) -> None:
    """Demand each analysed one of these views in the image library, with side, view and size as in its header."""
    entries = _library(ds)
    for image in images:
        if image.prediction is None:
            continue
        header, uid = image.header, image.header.sop_instance_uid
        demand(uid in entries, f"the image library lacks {uid}")
        coded = {
            "111027": codes.SIDE.get(header.laterality or ""),
            "111031": codes.VIEW.get(header.view or ""),
        }
        for value, wanted in coded.items():
            there = [str(c.ConceptCodeSequence[0].CodeValue) for c in named(entries[uid], value)]
            demand(wanted is None or there == [wanted.value], f"the image library has another {value} for {uid}")
        sizes = [number(item) for value in ("110910", "110911") for item in named(entries[uid], value)]
        demand(sizes == [header.rows, header.columns], f"the image library has another size for {uid}")


def _check_group(group: Dataset, answer: ExamAnswer) -> None:
    demand_in_order(group, _OF_EACH_GROUP[:2], "a measurement group")
    for wanted in _OF_EACH_GROUP[2:]:
        demand_in_order(group, (wanted,), "a measurement group")
    parameters = " ".join(str(item.TextValue) for item in named(group, "111002"))
    demand(answer.model.sha256 in parameters, "a measurement group does not name the bundle")


def _check_figures(group: Dataset, image: SourceImage, prediction: ViewPrediction, answer: ExamAnswer) -> None:
    """Hold the figures of a view, which its first group has, to the answer and to the mask."""
    names = codes.of_model(synthetic=answer.model.synthetic)
    wanted: dict[str, float] = {}
    if prediction.probability is not None:
        wanted[names.view.value] = 100 * prediction.probability
        wanted[names.threshold.value] = 100 * answer.decision.threshold
        breast = next((b for b in answer.decision.breasts if b.laterality == image.header.laterality), None)
        if breast is not None and breast.probability is not None:
            wanted[names.breast.value] = 100 * breast.probability
    if image.header.spacing_mm is not None:
        wanted[codes.AREA.value], wanted[codes.LONG_AXIS.value] = area_and_extent(prediction, image.header.spacing_mm)
    if prediction.candidates and prediction.candidates[0].calcifications is not None:
        wanted[codes.CALCIFICATIONS.value] = prediction.candidates[0].calcifications
    for value, figure in wanted.items():
        there = [number(item) for item in named(group, value)]
        agrees = len(there) == 1 and abs(there[0] - figure) <= _ROUNDING
        demand(agrees, f"the measurement report has not the figure {value} of {image.header.sop_instance_uid}")


def area_and_extent(prediction: ViewPrediction, spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Measure the mask without its outlines: area in mm2, and the largest distance of two pixel corners in mm.

    Parameters
    ----------
    spacing_mm
        (row, column) at the detector plane.
    """
    left, top, right, bottom = box_of(prediction.mask)
    rows, columns = np.nonzero(prediction.mask[top:bottom, left:right])
    # Of each row only the ends can lie farthest.
    ends = np.flatnonzero(np.diff(rows, prepend=-1)), np.flatnonzero(np.diff(rows, append=-1))
    corners = np.array(
        [(columns[at] + side, rows[at] + below) for at, side in zip(ends, (0, 1), strict=True) for below in (0, 1)]
    )
    points = corners.transpose(0, 2, 1).reshape(-1, 2) * (spacing_mm[1], spacing_mm[0])
    extent = float(pdist(points[ConvexHull(points).vertices]).max())
    return len(rows) * spacing_mm[0] * spacing_mm[1], extent
