"""The measurement report: Comprehensive 3D SR, TID 1500, with the outlines and figures that viewers draw on the image.

Two facts of OHIF give the shape: a measurement group without a region blanks the whole report, and of a group only the
first five numbers are drawn. So every group is a TID 1410 group with a closed POLYLINE, and the figures stand in the
order in which they should be read. A third gives the report of each view: of a report of several mammograms OHIF draws
the first view only.
"""

from collections.abc import Collection, Iterable
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementReport,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from dcis_node.model.evidence import BreastDecision
from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.hanging import analysed_images, hung, view_labels
from dcis_node.results.identity import model_line, plain
from dcis_node.results.kinds import SOP_CLASS_UIDS, ResultKind
from dcis_node.results.lesion import Lesion, Outline
from dcis_node.results.sr.basis import flag_codes, reason_items
from dcis_node.results.sr.document import sr_document
from dcis_node.results.sr.library import image_library
from dcis_node.results.sr.tree import code_item, container, language, mark_item, observer, text

# The same tree in both: it needs no 3D coordinates. Older PACS take only the second SOP class.
SOP_CLASSES = {
    ResultKind.MEASUREMENT_REPORT: Comprehensive3DSRStorage,
    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: ComprehensiveSRStorage,
}


def build_reports(
    answer: ExamAnswer, lesions: dict[str, Lesion], *, kinds: Collection[ResultKind]
) -> list[ResultObject]:
    """Build the measurement reports of an exam in which at least one view has an outline.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.
    kinds
        Those among the keys of `SOP_CLASSES` are made; others are for other builders.
    """
    wanted = [kind for kind in SOP_CLASSES if kind in kinds]
    tree = _tree(answer, lesions, library=analysed_images(answer)) if wanted else Dataset()
    return [
        sr_document(answer, tree, sop_class_uid=SOP_CLASSES[kind], kind=kind, description="DCIS outlines and figures")
        for kind in wanted
    ]


def build_view_report(
    answer: ExamAnswer, image: SourceImage, lesion: Lesion, *, label: str, number: int
) -> ResultObject:
    """Build the measurement report of one view: its groups and its entry of the library, all else as in the whole one.

    Parameters
    ----------
    lesion
        Of this view.
    label
        Name of the view.
    number
        Of the series.
    """
    kind = ResultKind.VIEW_MEASUREMENT_REPORT
    return sr_document(
        answer,
        _tree(answer, {image.header.sop_instance_uid: lesion}, library=[image]),
        sop_class_uid=SOP_CLASS_UIDS[kind],
        kind=kind,
        description=f"{label} DCIS figures",
        view=image,
        number=number,
    )


def _tree(answer: ExamAnswer, lesions: dict[str, Lesion], *, library: Iterable[SourceImage]) -> Dataset:
    """Make the root CONTAINER of TID 1500: a group for each piece of these lesions, these images in the library."""
    labels = view_labels(answer)
    groups = []
    for image in hung(answer):
        lesion = lesions.get(image.header.sop_instance_uid)
        if lesion is not None:
            label = labels[image.header.sop_instance_uid]
            groups.append(_lesion_group(answer, image, lesion, label=label))
            groups += [_piece_group(answer, image, outline) for outline in lesion.outlines[1:]]
    report = MeasurementReport(
        observation_context=observer(answer),
        procedure_reported=codes.MAMMOGRAPHY,
        imaging_measurements=groups,
        title=codes.MEASUREMENT_TITLE,
        language_of_content_item_and_descendants=language(),
    )
    root: Dataset = report[0]
    items = list(root.ContentSequence)
    # The library stands before the measurements, what holds for the whole exam behind them (TID 1500 rows 5, 6 and 12).
    # OHIF shows the evaluations nowhere; in a measurement group without a region they would blank the report.
    root.ContentSequence = ContentSequence(
        [*items[:-1], image_library(library), items[-1], container(codes.QUALITATIVE, _exam_evaluations(answer))]
    )
    return root


def _lesion_group(
    answer: ExamAnswer, image: SourceImage, lesion: Lesion, *, label: str
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """Describe the lesion of a view: its largest outline, what it is, its figures, and in words what they are not."""
    figures = [*_probabilities(answer, image), *_sizes(lesion), *_context(answer, image)]
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        **_region(answer, image, lesion.outlines[0]),
        finding_sites=[_site(image)],
        measurements=figures,
        qualitative_evaluations=_evaluations(answer, image),
    )
    content = group[0].ContentSequence
    content.extend(text(codes.COMMENT, sentence) for sentence in _comments(answer, image, lesion, label=label))
    if image.mark is not None:
        content.append(mark_item(image.mark.source, relationship=RelationshipTypeValues.CONTAINS))
    return group


def _piece_group(
    answer: ExamAnswer, image: SourceImage, outline: Outline
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """Draw a further piece: its outline only, as OHIF's texts beside every piece would cover those of the lesion.

    It has no finding site either, since OHIF would write that.
    """
    group = PlanarROIMeasurementsAndQualitativeEvaluations(**_region(answer, image, outline))
    group[0].ContentSequence.append(text(codes.COMMENT, wording.banner(answer)))
    return group


def _region(answer: ExamAnswer, image: SourceImage, outline: Outline) -> dict[str, Any]:
    header = image.header
    return {
        "tracking_identifier": TrackingIdentifier(uid=outline.tracking_uid, identifier=outline.tracking_id),
        "referenced_region": ImageRegion(
            graphic_type="POLYLINE",
            graphic_data=outline.points,
            source_image=SourceImageForRegion(header.sop_class_uid, header.sop_instance_uid),
        ),
        "finding_category": codes.ABNORMAL_STRUCTURE,
        "finding_type": codes.CALCIFICATION_CLUSTER,
        "algorithm_id": _algorithm(answer),
    }


def _number(name: Code, value: float, unit: Code) -> Measurement:
    # A plain float, as highdicom refuses numpy's float32; rounded, as DS has 16 characters.
    return Measurement(name=name, value=round(float(value), 2), unit=unit)


def _probabilities(answer: ExamAnswer, image: SourceImage) -> list[Measurement]:
    """View, breast, threshold."""
    if image.prediction is None or image.prediction.probability is None:
        return []
    names = codes.of_model(synthetic=answer.model.synthetic)
    figures = [(names.view, image.prediction.probability)]
    breast = _breast(answer, image)
    if breast is not None and breast.probability is not None:
        figures.append((names.breast, breast.probability))
    figures.append((names.threshold, answer.decision.threshold))
    return [_number(name, 100 * value, codes.PERCENT) for name, value in figures]


def _sizes(lesion: Lesion) -> list[Measurement]:
    """Extent, area, count, as far as they are known."""
    sizes = []
    if lesion.extent_mm is not None:
        sizes.append(_number(codes.LONG_AXIS, lesion.extent_mm, codes.MILLIMETRE))
    if lesion.area_mm2 is not None:
        sizes.append(_number(codes.AREA, lesion.area_mm2, codes.SQUARE_MILLIMETRE))
    if lesion.calcifications is not None:
        sizes.append(_number(codes.CALCIFICATIONS, lesion.calcifications, codes.NO_UNITS))
    return sizes


def _context(answer: ExamAnswer, image: SourceImage) -> list[Measurement]:
    """Fold spread and patient: stored behind what is drawn."""
    if image.prediction is None or image.prediction.probability is None:
        return []
    names = codes.of_model(synthetic=answer.model.synthetic)
    folds = image.prediction.fold_probabilities
    figures = [(names.spread, max(folds) - min(folds))] if folds else []
    if answer.decision.probability is not None:
        figures.append((names.patient, answer.decision.probability))
    return [_number(name, 100 * value, codes.PERCENT) for name, value in figures]


def _evaluations(answer: ExamAnswer, image: SourceImage) -> list[QualitativeEvaluation]:
    use = codes.SYNTHETIC_ONLY if answer.model.synthetic else codes.RESEARCH_ONLY
    evaluations = [QualitativeEvaluation(codes.INTENDED_USE, use)]
    breast = _breast(answer, image)
    risk = codes.RISK_VALUES.get(breast.risk.value) if breast else None
    return [*evaluations, QualitativeEvaluation(codes.RISK, risk)] if risk else evaluations


def _exam_evaluations(answer: ExamAnswer) -> list[ContentItem]:
    """Say of the whole exam: its outcome, what has to be minded, which images were not used and why."""
    contains = RelationshipTypeValues.CONTAINS
    outcome = code_item(codes.OUTCOME, codes.OUTCOMES[answer.decision.risk], relationship=contains)
    flags = [code_item(codes.FLAG, value, relationship=contains) for value in flag_codes(answer.decision.flags)]
    sentences = [wording.banner(answer), wording.headline(answer), wording.operating_sentence(answer)]
    texts = [text(codes.COMMENT, sentence) for sentence in sentences]
    return [*texts, outcome, *flags, *reason_items(answer, codes.USE_OF_IMAGE)]


def _breast(answer: ExamAnswer, image: SourceImage) -> BreastDecision | None:
    return next((b for b in answer.decision.breasts if b.laterality == image.header.laterality), None)


def _site(image: SourceImage) -> FindingSite:
    side = codes.SIDE.get(image.header.laterality or "")
    return FindingSite(anatomic_location=codes.BREAST, laterality=side)


def _algorithm(answer: ExamAnswer) -> AlgorithmIdentification:
    """TID 4019: which model, and the hash of its bundle."""
    model = answer.model
    return AlgorithmIdentification(
        name=plain(model.name, limit=64),
        version=plain(model.version, limit=64),
        parameters=[f"bundle SHA-256 {model.sha256}", plain(model_line(answer))],
        family=codes.ARTIFICIAL_INTELLIGENCE,
    )


def _comments(answer: ExamAnswer, image: SourceImage, lesion: Lesion, *, label: str) -> list[str]:
    comments = [wording.banner(answer), wording.magnification_sentence(image)]
    if lesion.pieces > 1:
        comments.append(
            f"{label}: the figures hold for all {lesion.pieces} pieces of the lesion together; "
            f"{len(lesion.outlines)} are outlined here, all are in the segmentation."
        )
    comments.append(wording.meaning(answer))
    if image.mark is not None:
        comments.append(wording.given_sentence(image))
    breast = _breast(answer, image)
    return comments + (wording.flag_sentences(breast.flags) if breast else [])
