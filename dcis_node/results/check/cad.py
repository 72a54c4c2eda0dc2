"""The Mammography CAD report: its marks lie where the model outlined, its summaries say what was done, and no more."""

from collections.abc import Iterator

import numpy as np
from pydicom import Dataset

from dcis_node.errors import ResultError
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import code, content, demand, demand_in_order, item_at, named, number
from dcis_node.results.check.region import analysed_image, check_inside, check_outline, points_of
from dcis_node.results.hanging import hung
from dcis_node.results.sr.cad_status import NO_VIEW

# PS3.16 TID 4000.
_ROOT = (
    ("121049", "HAS CONCEPT MOD", "CODE"),
    ("111028", "CONTAINS", "CONTAINER"),
    ("111017", "CONTAINS", "CODE"),
    ("111064", "CONTAINS", "CODE"),
    ("111065", "CONTAINS", "CODE"),
)
# TID 4006, 4019, 4021: what each mark must have.
_OF_EACH_MARK = (
    ("111056", "HAS CONCEPT MOD", "CODE"),
    ("112040", "HAS OBS CONTEXT", "UIDREF"),
    ("111001", "HAS PROPERTIES", "TEXT"),
    ("111003", "HAS PROPERTIES", "TEXT"),
    ("111010", "HAS PROPERTIES", "SCOORD"),
    ("111041", "HAS PROPERTIES", "SCOORD"),
)
_PROBABILITY_OF_CANCER = "111047"
# Status of the detections -> what the summary may say without and with findings (CID 6042, 6047).
_SUMMARIES = {
    "111222": ("111241", "111242"),
    "111223": ("111243", "111244"),
    "111224": ("111245",),
    "111225": ("111245",),
}
# Half of the last decimal that is written.
_ROUNDING = 0.006


def check_cad(ds: Dataset, answer: ExamAnswer) -> None:
    """Hold the Mammography CAD report to the answer.

    Raises
    ------
    ResultError
        At the first thing that is missing, misplaced or says more than the answer.
    """
    demand(code(ds) == "111036", "the CAD report has another title")
    demand(str(ds.ContentTemplateSequence[0].TemplateIdentifier) == "4000", "the CAD report is of another template")
    demand_in_order(ds, _ROOT, "the CAD report")
    for item in content(ds):
        said = {code(item), *(str(c.CodeValue) for c in item.get("ConceptCodeSequence") or ())}
        demand(_PROBABILITY_OF_CANCER not in said, "the CAD report speaks of a probability of cancer")
    _check_library(ds, answer)
    marked = {_check_mark(ds, item, answer) for item in content(ds) if code(item) == "111059"}
    outlined = {i.header.sop_instance_uid for i in hung(answer) if i.outlined}
    demand(marked == outlined, "the marks of the CAD report are not those of the outlined views")
    _check_summaries(ds, answer, found=bool(outlined))


def has_library(answer: ExamAnswer) -> bool:
    """Tell if the exam holds a view of a breast at all: without one the template's library would be empty."""
    return any(i.prediction is not None or i.reason not in NO_VIEW for i in hung(answer))


def image_of(ds: Dataset, item: Dataset) -> str:
    """Give the SOP Instance UID of the image in the library that a by-reference child of an item leads to.

    Raises
    ------
    ResultError
        If there is not one such child, or it leads to anything else.
    """
    pointers = [child for child in item.get("ContentSequence") or () if "ReferencedContentItemIdentifier" in child]
    demand(len(pointers) == 1, "a mark is not selected from one image")
    demand(pointers[0].RelationshipType == "SELECTED FROM", "a mark is not selected from its image")
    return _in_library(ds, pointers[0])


def _in_library(ds: Dataset, pointer: Dataset) -> str:
    target = item_at(ds, pointer.ReferencedContentItemIdentifier)
    library = named(ds, "111028")[0].ContentSequence
    if target is None or not any(target is entry for entry in library):
        raise ResultError("the CAD report points at something else than an image of its library")
    return str(target.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def _check_library(ds: Dataset, answer: ExamAnswer) -> None:
    """Demand each analysed view in the library, each view once, with its side and name."""
    entries = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID): item
        for item in named(ds, "111028")[0].ContentSequence
    }
    demand(len(entries) == len(named(ds, "111028")[0].ContentSequence), "a view stands twice in the CAD library")
    for image in hung(answer):
        header, uid = image.header, image.header.sop_instance_uid
        demand(uid in entries or image.prediction is None, f"the CAD library lacks {uid}")
        if uid not in entries:
            continue
        coded = {"111027": codes.BREASTS.get(header.laterality or ""), "111031": codes.VIEW.get(header.view or "")}
        for value, wanted in coded.items():
            there = [str(c.ConceptCodeSequence[0].CodeValue) for c in named(entries[uid], value)]
            demand(there == ([wanted.value] if wanted else []), f"the CAD library has another {value} for {uid}")


def _check_mark(ds: Dataset, item: Dataset, answer: ExamAnswer) -> str:
    """Hold a mark to the mask of its view; give that view's SOP Instance UID."""
    for wanted in _OF_EACH_MARK:
        demand_in_order(item, (wanted,), "a mark of the CAD report")
    demand(_value(item) == codes.CALCIFICATION_CLUSTER.value, "a mark of the CAD report is of something else")
    demand(_value(named(item, "111056")[0]) == "111150", "a mark of the CAD report may be left out by a viewer")
    use = str(named(item, "111001")[0].TextValue)
    demand(use.startswith("RUO"), "a mark of the CAD report does not say what it is for")
    center, outline = named(item, "111010")[0], named(item, "111041")[0]
    uid = image_of(ds, center)
    demand(image_of(ds, outline) == uid, "centre and outline of a mark lie on two images")
    image = analysed_image(answer, uid)
    demand((center.GraphicType, outline.GraphicType) == ("POINT", "POLYLINE"), "a mark is drawn in another way")
    line = points_of(outline.GraphicData)
    check_outline(line, image)
    point = points_of(center.GraphicData)
    check_inside(point, image)
    held = bool((line.min(axis=0) <= point).all() and (point <= line.max(axis=0)).all())
    demand(held, f"the centre of a mark lies outside its outline on {uid}")
    demand(_on_mask(point, image), f"the centre of a mark lies on no outlined pixel of {uid}")
    _check_figures(item, image)
    return uid


def _value(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def _on_mask(point: np.ndarray[tuple[int, int], np.dtype[np.float64]], image: SourceImage) -> bool:
    column, row = (int(value) for value in point[0])
    return image.prediction is not None and bool(image.prediction.mask[row, column])


def _check_figures(item: Dataset, image: SourceImage) -> None:
    """Hold certainty and count to what the model says of the lesion: the certainty is not the grade's probability."""
    uid, candidates = image.header.sop_instance_uid, image.prediction.candidates if image.prediction else ()
    certainties = [number(child) for child in named(item, "111012")]
    wanted = [min(max(100 * candidate.mean_probability, 0.0), 100.0) for candidate in candidates[:1]]
    demand(len(certainties) == len(wanted), f"a mark on {uid} has not one certainty")
    close = all(abs(a - b) <= _ROUNDING for a, b in zip(certainties, wanted, strict=True))
    demand(close, f"a mark on {uid} has another certainty")
    counts = [number(child) for child in named(item, "111038")]
    demand(set(counts) <= {c.calcifications for c in candidates[:1]}, f"a mark on {uid} has another count")


def _check_summaries(ds: Dataset, answer: ExamAnswer, *, found: bool) -> None:
    """Hold what the report says of its own work to what was done."""
    detections = named(ds, "111064")[0]
    status, summary = _value(detections), _value(named(ds, "111017")[0])
    analysed = {i.header.sop_instance_uid for i in hung(answer) if i.prediction is not None}
    demand(bool(analysed) == (status in {"111222", "111223"}), "the CAD report has another status than the exam")
    allowed = _SUMMARIES.get(status, ())
    demand(summary in allowed, "the summary of the CAD report contradicts the status of its detections")
    demand(found == (summary in {"111242", "111244"}), "the summary of the CAD report contradicts its marks")
    demand(_value(named(ds, "111065")[0]) == "111225", "the CAD report claims analyses that are not done")
    succeeded, failed = set(_detected(ds, detections, "111063")), set(_detected(ds, detections, "111025"))
    demand(succeeded == analysed, "the successful detections are not those of the analysed views")
    demand(not failed & analysed, "a view stands under failed detections and was analysed")
    demand(bool(failed) == (status in {"111223", "111224"}), "the failed detections contradict the status")


def _detected(ds: Dataset, detections: Dataset, group: str) -> Iterator[str]:
    for container in named(detections, group):
        for performed in named(container, "111022"):
            for child in performed.ContentSequence:
                if "ReferencedContentItemIdentifier" in child:
                    yield _in_library(ds, child)
