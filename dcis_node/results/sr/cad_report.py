"""The Mammography CAD SR (TID 4000): the marks that a mammography workstation shows on a key press.

One Individual Impression for each outlined view: the node does not match what it outlines between views, so nothing
says that two views show one lesion. In it one Single Image Finding for each outlined piece, as a finding has one
outline (TID 4021).

A mark carries the certainty that calcifications are there, (111012, DCM). What the node thinks of them is a
probability of the grade of a DCIS that biopsy has proven, and no code of this template means that. (111047, DCM,
"Probability of cancer") is optional and never written: it would be a false claim.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MammographyCADSRStorage

from dcis_node.errors import ResultError
from dcis_node.model.evidence import Risk
from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.hanging import reference_of, view_labels
from dcis_node.results.identity import model_line, plain
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import Lesion, Outline
from dcis_node.results.sr import cad_tree as tree
from dcis_node.results.sr.cad_status import CadStatus, cad_status
from dcis_node.results.sr.document import sr_document
from dcis_node.results.stated import keeps_its_vr

TEMPLATE = "4000"
# Place of the library below the root: behind the language (TID 4000 rows 2 and 3).
LIBRARY: tree.Path = (1, 2)


def build_cad_report(answer: ExamAnswer, lesions: dict[str, Lesion]) -> ResultObject | None:
    """Build the Mammography CAD report of an exam, also of one without findings and of one that was not analysed.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.

    Returns
    -------
    ResultObject or None where the exam holds no mammogram that the report could point at.
    """
    status = cad_status(answer)
    if status is None:
        return None
    paths = {image.uid: (*LIBRARY, place) for place, image in enumerate(status.library, 1)}
    root = tree.container(
        "",
        codes.CAD_TITLE,
        [
            tree.code(tree.HAS_CONCEPT_MOD, codes.CAD_LANGUAGE, codes.ENGLISH),
            tree.container(tree.CONTAINS, codes.IMAGE_LIBRARY, [_entry(image) for image in status.library]),
            _summary(answer, status, lesions, paths),
            _detections(answer, status, paths),
            # CID 6043: correlation, density, quality and the like; the node does none of them.
            tree.code(tree.CONTAINS, codes.SUMMARY_OF_ANALYSES, codes.NOT_ATTEMPTED),
        ],
        template=TEMPLATE,
    )
    return sr_document(
        answer,
        root,
        sop_class_uid=MammographyCADSRStorage,
        kind=ResultKind.CAD_REPORT,
        description="DCIS CAD marks",
    )


# --- the library, TID 4020 ---


def _entry(image: SourceImage) -> Dataset:
    """Describe a view. All rows but the image are optional, and what its header lacks is left out."""
    header, context = image.header, tree.HAS_ACQ_CONTEXT
    items = []
    side, view = codes.BREASTS.get(header.laterality or ""), codes.VIEW.get(header.view or "")
    if side is not None:
        items.append(tree.code(context, codes.IMAGE_LATERALITY, side))
    if view is not None:
        modifiers = [codes.VIEW_MODIFIERS[name] for name in header.modifiers if name in codes.VIEW_MODIFIERS]
        below = [tree.code(tree.HAS_CONCEPT_MOD, codes.IMAGE_VIEW_MODIFIER, value) for value in modifiers]
        items.append(tree.code(context, codes.IMAGE_VIEW, view, below))
    if len(header.patient_orientation) == 2:
        names = (codes.ORIENTATION_ROW, codes.ORIENTATION_COLUMN)
        items += [tree.text(context, n, value) for n, value in zip(names, header.patient_orientation, strict=True)]
    items += _moments(image.attributes)
    if header.spacing_mm is not None:
        items.append(tree.number(context, codes.HORIZONTAL_SPACING, header.spacing_mm[1], codes.SPACING_UNIT))
        items.append(tree.number(context, codes.VERTICAL_SPACING, header.spacing_mm[0], codes.SPACING_UNIT))
    return tree.image(tree.CONTAINS, reference_of(image), items)


def _moments(attributes: Dataset) -> list[Dataset]:
    """Give dates and times of study and image, as far as they are stated and keep their VR."""
    rows = (
        (tree.date, codes.STUDY_DATE, "StudyDate"),
        (tree.time, codes.STUDY_TIME, "StudyTime"),
        (tree.date, codes.CONTENT_DATE, "ContentDate"),
        (tree.time, codes.CONTENT_TIME, "ContentTime"),
    )
    return [
        item(tree.HAS_ACQ_CONTEXT, name, str(attributes[keyword].value))
        for item, name, keyword in rows
        if attributes.get(keyword) and keeps_its_vr(attributes, keyword)
    ]


# --- the findings, TID 4001 to 4006 ---


def _summary(answer: ExamAnswer, status: CadStatus, lesions: dict[str, Lesion], paths: dict[str, tree.Path]) -> Dataset:
    """Say in one code and in words what was found (TID 4001, 4002); below it stand the impressions."""
    said = tree.text(tree.HAS_PROPERTIES, codes.IMPRESSION_DESCRIPTION, " ".join(_sentences(answer)))
    impressions = [
        _impression(answer, image, lesions[image.uid], paths[image.uid])
        for image in status.succeeded
        if image.uid in lesions
    ]
    return tree.code(tree.CONTAINS, codes.CAD_SUMMARY, status.summary, [said, *_algorithm(answer), *impressions])


def _sentences(answer: ExamAnswer) -> list[str]:
    """Say what the marks are and are not, which views they cover, and why not the others.

    Impression Description is the one free text that TID 4000 has a place for.
    """
    labels = view_labels(answer)
    sentences = [wording.banner(answer)]
    if answer.decision.risk is Risk.NOT_ANALYSED:
        sentences.append(wording.headline(answer))
    elif any(image.outlined for image in answer.images):
        sentences.append(
            "Each mark is an outlined piece of calcifications. Its certainty is that calcifications are there; it is "
            "no probability of cancer. The figures stand in the readable report."
        )
    else:
        sentences.append("No calcifications were outlined.")
    sentences.append(wording.views_sentence(answer))
    given = [image for image in answer.images if image.mark is not None]
    sentences += [f"{labels[image.uid]}: {wording.given_sentence(image)}" for image in given]
    return sentences + wording.left_out(answer)


def _algorithm(answer: ExamAnswer) -> list[Dataset]:
    """Name the model and the hash of its bundle, and what it is for (TID 4019): some workstations show it at a mark."""
    model = answer.model
    use = "RUO SYNTHETIC" if model.synthetic else "RUO"
    return [
        tree.text(tree.HAS_PROPERTIES, codes.ALGORITHM_NAME, plain(f"{use} {model.name}", limit=64)),
        tree.text(tree.HAS_PROPERTIES, codes.ALGORITHM_VERSION, plain(model.version, limit=64)),
        tree.text(tree.HAS_PROPERTIES, codes.ALGORITHM_PARAMETERS, f"bundle SHA-256 {model.sha256}"),
        tree.text(tree.HAS_PROPERTIES, codes.ALGORITHM_PARAMETERS, model_line(answer)),
    ]


def _intent() -> Dataset:
    # A mark that a workstation may leave out would not be worth sending.
    return tree.code(tree.HAS_CONCEPT_MOD, codes.RENDERING_INTENT, codes.PRESENTATION_REQUIRED)


def _impression(answer: ExamAnswer, image: SourceImage, lesion: Lesion, path: tree.Path) -> Dataset:
    """Gather the findings of one view (TID 4003)."""
    findings = [_finding(answer, image, lesion, outline, path) for outline in lesion.outlines]
    return tree.container(tree.INFERRED_FROM, codes.INDIVIDUAL_IMPRESSION, [_intent(), *findings])


def _finding(answer: ExamAnswer, image: SourceImage, lesion: Lesion, outline: Outline, path: tree.Path) -> Dataset:
    """Describe one outlined piece (TID 4006)."""
    items = [
        _intent(),
        tree.text(tree.HAS_OBS_CONTEXT, codes.TRACKING_IDENTIFIER, outline.tracking_id),
        tree.uid(tree.HAS_OBS_CONTEXT, codes.TRACKING_UID, outline.tracking_uid),
        *_algorithm(answer),
    ]
    certainty = certainty_of(image)
    if certainty is not None:
        items.append(tree.number(tree.HAS_PROPERTIES, codes.CERTAINTY_OF_FINDING, certainty, codes.PERCENT))
    items.append(tree.coordinates(codes.CENTER, "POINT", center_of(image, outline), of=path))
    items.append(tree.coordinates(codes.OUTLINE, "POLYLINE", outline.points, of=path))
    # The model counts in the whole lesion; of one piece among several the number would be wrong.
    if lesion.calcifications is not None and lesion.pieces == 1:
        items.append(tree.number(tree.HAS_PROPERTIES, codes.CALCIFICATIONS, lesion.calcifications, codes.NO_UNITS))
    return tree.code(tree.CONTAINS, codes.SINGLE_IMAGE_FINDING, codes.CALCIFICATION_CLUSTER, items)


def certainty_of(image: SourceImage) -> float | None:
    """Give the certainty that calcifications are in the lesion of a view: the mean probability of its pixels, in %."""
    if image.prediction is None or not image.prediction.candidates:
        return None
    return round(min(max(100 * image.prediction.candidates[0].mean_probability, 0.0), 100.0), 2)


def center_of(image: SourceImage, outline: Outline) -> NDArray[np.float32]:
    """Give the centre of the outlined pixel that lies nearest to the middle of an outline's box.

    The middle itself may lie beside a bent piece, and a mark there would point at nothing.

    Returns
    -------
    (1, 2) float32, (x, y).

    Raises
    ------
    ResultError
        If no pixel of the mask lies inside the box.
    """
    low, high = outline.points.min(axis=0), outline.points.max(axis=0)
    left, top, right, bottom = (int(value) for value in (*low, *high))
    if image.prediction is None or not image.prediction.mask[top:bottom, left:right].any():
        raise ResultError("an outline holds no pixel of the mask")
    rows, columns = np.nonzero(image.prediction.mask[top:bottom, left:right])
    pixels = np.column_stack([columns + left + 0.5, rows + top + 0.5])
    nearest = int(np.argmin(((pixels - (low + high) / 2) ** 2).sum(axis=1)))
    return pixels[nearest : nearest + 1].astype(np.float32)


# --- what was done, TID 4015 and 4017 ---


def _detections(answer: ExamAnswer, status: CadStatus, paths: dict[str, tree.Path]) -> Dataset:
    """Say on which views calcifications were looked for, and on which that was not done to its end."""
    groups = (
        (codes.SUCCESSFUL_DETECTIONS, status.succeeded),
        (codes.FAILED_DETECTIONS, status.failed),
    )
    below = [
        tree.container(tree.INFERRED_FROM, name, [_detection(answer, [paths[i.uid] for i in images])])
        for name, images in groups
        if images
    ]
    return tree.code(tree.CONTAINS, codes.SUMMARY_OF_DETECTIONS, status.detections, below)


def _detection(answer: ExamAnswer, paths: list[tree.Path]) -> Dataset:
    views = [tree.by_reference(tree.HAS_PROPERTIES, path) for path in paths]
    return tree.code(
        tree.CONTAINS, codes.DETECTION_PERFORMED, codes.CALCIFICATION_CLUSTER, [*_algorithm(answer), *views]
    )
