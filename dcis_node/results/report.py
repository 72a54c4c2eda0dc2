"""The measurement report: Comprehensive 3D SR, TID 1500, with the outlines and figures that viewers draw on the image.

Two facts of OHIF give the shape: a measurement group without a region blanks the whole report, and of a group only the
first five numbers are drawn. So every group is a TID 1410 group with a closed POLYLINE, and the figures stand in the
order in which they should be read.
"""

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    CompositeContentItem,
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    ImageRegion,
    Measurement,
    MeasurementReport,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from dcis_node.model.evidence import BreastDecision
from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ObjectReference, ResultObject, SourceImage
from dcis_node.results.document import sr_document
from dcis_node.results.hanging import hung, view_labels
from dcis_node.results.identity import model_line, plain
from dcis_node.results.library import image_library
from dcis_node.results.parts import Part
from dcis_node.results.tree import language, observer, text

SERIES_NUMBER = 9002
KIND = "measurement report"


def build_report(answer: ExamAnswer, parts: dict[str, tuple[Part, ...]]) -> ResultObject:
    """Build the measurement report of an exam in which at least one part was outlined.

    Parameters
    ----------
    parts
        Of each image (by SOP Instance UID) where something was outlined.
    """
    labels = view_labels(answer)
    outlined = [i for i in hung(answer) if i.header.sop_instance_uid in parts]
    groups = [
        _group(answer, image, part, label=labels[image.header.sop_instance_uid])
        for image in outlined
        for part in parts[image.header.sop_instance_uid]
    ]
    report = MeasurementReport(
        observation_context=observer(answer),
        procedure_reported=codes.MAMMOGRAPHY,
        imaging_measurements=groups,
        title=codes.MEASUREMENT_TITLE,
        language_of_content_item_and_descendants=language(),
    )
    root = report[0]
    items = list(root.ContentSequence)
    # The library stands before the measurements (TID 1500 rows 5 and 6).
    root.ContentSequence = ContentSequence([*items[:-1], image_library(answer), items[-1]])
    return sr_document(
        answer,
        root,
        sop_class_uid=Comprehensive3DSRStorage,
        kind=KIND,
        description="DCIS outlines and figures",
        number=SERIES_NUMBER,
    )


def _group(
    answer: ExamAnswer, image: SourceImage, part: Part, *, label: str
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """One part of the lesion: its outline, what it is, its figures, and in words what the figures are not."""
    header = image.header
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=part.tracking_uid, identifier=part.tracking_id),
        referenced_region=ImageRegion(
            graphic_type="POLYLINE",
            graphic_data=part.outline,
            source_image=SourceImageForRegion(header.sop_class_uid, header.sop_instance_uid),
        ),
        finding_category=codes.ABNORMAL_STRUCTURE,
        finding_type=codes.CALCIFICATION_CLUSTER,
        finding_sites=[_site(image)],
        algorithm_id=_algorithm(answer),
        measurements=[*_probabilities(answer, image, part), *_sizes(part), *_context(answer, image, part)],
        qualitative_evaluations=_evaluations(answer, image),
    )
    content = group[0].ContentSequence
    content.extend(text(codes.COMMENT, sentence) for sentence in _comments(answer, image, part, label=label))
    if image.mark is not None:
        content.append(_given_mark(image.mark.source))
    return group


def _number(name: Code, value: float, unit: Code, *, digits: int) -> Measurement:
    # A plain float, as highdicom refuses numpy's float32; rounded, as DS has 16 characters.
    return Measurement(name=name, value=round(float(value), digits), unit=unit)


def _probabilities(answer: ExamAnswer, image: SourceImage, part: Part) -> list[Measurement]:
    """View, breast, threshold: on the first part of a view only, so that the image is not covered with repeats."""
    if part.number != 1 or image.prediction is None or image.prediction.probability is None:
        return []
    names = codes.of_model(synthetic=answer.model.synthetic)
    figures = [(names.view, image.prediction.probability)]
    breast = _breast(answer, image)
    if breast is not None and breast.probability is not None:
        figures.append((names.breast, breast.probability))
    figures.append((names.threshold, answer.decision.threshold))
    return [_number(name, 100 * value, codes.PERCENT, digits=2) for name, value in figures]


def _sizes(part: Part) -> list[Measurement]:
    """Extent, area, count, as far as they are known."""
    sizes = []
    if part.long_axis_mm is not None:
        sizes.append(_number(codes.LONG_AXIS, part.long_axis_mm, codes.MILLIMETRE, digits=2))
    if part.area_mm2 is not None:
        sizes.append(_number(codes.AREA, part.area_mm2, codes.SQUARE_MILLIMETRE, digits=2))
    if part.calcifications is not None:
        sizes.append(_number(codes.CALCIFICATIONS, part.calcifications, codes.NO_UNITS, digits=0))
    return sizes


def _context(answer: ExamAnswer, image: SourceImage, part: Part) -> list[Measurement]:
    """Fold spread and patient: stored with the first part of a view, behind what is drawn."""
    if part.number != 1 or image.prediction is None or image.prediction.probability is None:
        return []
    names = codes.of_model(synthetic=answer.model.synthetic)
    folds = image.prediction.fold_probabilities
    figures = [(names.spread, max(folds) - min(folds))] if folds else []
    if answer.decision.probability is not None:
        figures.append((names.patient, answer.decision.probability))
    return [_number(name, 100 * value, codes.PERCENT, digits=2) for name, value in figures]


def _evaluations(answer: ExamAnswer, image: SourceImage) -> list[QualitativeEvaluation]:
    use = codes.SYNTHETIC_ONLY if answer.model.synthetic else codes.RESEARCH_ONLY
    evaluations = [QualitativeEvaluation(codes.INTENDED_USE, use)]
    breast = _breast(answer, image)
    risk = codes.RISK_VALUES.get(breast.risk.value) if breast else None
    return [*evaluations, QualitativeEvaluation(codes.RISK, risk)] if risk else evaluations


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


def _comments(answer: ExamAnswer, image: SourceImage, part: Part, *, label: str) -> list[str]:
    comments = [wording.banner(answer), wording.magnification_sentence(image)]
    if part.pieces > 1:
        comments.append(
            f"{label}: this part collects the {part.pieces} smallest pieces; the outline shows the largest of them, "
            "the area is that of all, the segmentation shows all."
        )
    if part.number != 1:
        return comments
    if part.calcifications is not None:
        comments.append(f"{label}: calcifications are counted over the whole lesion of the view.")
    comments.append(wording.meaning(answer))
    if image.mark is not None:
        comments.append(wording.given_sentence(image))
    breast = _breast(answer, image)
    return comments + (wording.flag_sentences(breast.flags) if breast else [])


def _given_mark(source: ObjectReference) -> ContentItem:
    """Point at the mark; a SEG is an IMAGE to SR, an SR or a presentation state is a COMPOSITE (PS3.3 C.17.3)."""
    kind = ImageContentItem if source.sop_class_uid == SegmentationStorage else CompositeContentItem
    return kind(
        name=CodedConcept.from_code(codes.GIVEN_MARK),
        referenced_sop_class_uid=source.sop_class_uid,
        referenced_sop_instance_uid=source.sop_instance_uid,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
