"""What the sentences of the readable report rest on: figures, codes and images, for a machine to read.

They stand under the sentences (INFERRED FROM, PS3.3 A.35.2): OHIF and most viewers show a person the sentence alone.
"""

from highdicom.sr import ContentItem, RelationshipTypeValues
from pydicom.sr.coding import Code

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import BreastDecision
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.hanging import unused_images
from dcis_node.results.lesion import Lesion
from dcis_node.results.sr.tree import code_item, image_item, mark_item, number_item, with_below

_FROM = RelationshipTypeValues.INFERRED_FROM


def basis_of_exam(answer: ExamAnswer) -> list[ContentItem]:
    """Give the patient's figure and the threshold, and what the threshold gave where that is known."""
    decision, point = answer.decision, answer.model.operating
    if decision.probability is None:
        return []
    names = codes.of_model(synthetic=answer.model.synthetic)
    shares = [(names.patient, decision.probability), (names.threshold, decision.threshold)]
    if point is not None:
        shares += [(codes.SENSITIVITY, point.sensitivity), (codes.SPECIFICITY, point.specificity)]
    return [_percent(name, share) for name, share in shares]


def basis_of_breast(answer: ExamAnswer, breast: BreastDecision) -> list[ContentItem]:
    """Give the side, the outcome and the figure of a breast, and what has to be minded."""
    side = codes.SIDE.get(breast.laterality)
    items: list[ContentItem] = [] if side is None else [_code(codes.LATERALITY, side)]
    items.append(_code(codes.RISK, codes.OUTCOMES[breast.risk]))
    if breast.probability is not None:
        items.append(_percent(codes.of_model(synthetic=answer.model.synthetic).breast, breast.probability))
    return [*items, *(_code(codes.FLAG, code) for code in flag_codes(breast.flags))]


def basis_of_view(answer: ExamAnswer, image: SourceImage, lesion: Lesion | None) -> list[ContentItem]:
    """Give a view's image, the mark that centred its analysis, and its figures."""
    items: list[ContentItem] = [image_item(codes.SOURCE_OF_MEASUREMENT, image, relationship=_FROM)]
    if image.mark is not None:
        items.append(mark_item(image.mark.source, relationship=_FROM))
    names, prediction = codes.of_model(synthetic=answer.model.synthetic), image.prediction
    if prediction is not None and prediction.probability is not None:
        items.append(_percent(names.view, prediction.probability))
        folds = prediction.fold_probabilities
        items += [_percent(names.spread, max(folds) - min(folds))] if folds else []
    if lesion is None:
        return items
    if lesion.extent_mm is not None and lesion.area_mm2 is not None:
        items.append(_number(codes.LONG_AXIS, lesion.extent_mm, codes.MILLIMETRE))
        items.append(_number(codes.AREA, lesion.area_mm2, codes.SQUARE_MILLIMETRE))
    if lesion.calcifications is not None:
        items.append(_number(codes.CALCIFICATIONS, lesion.calcifications, codes.NO_UNITS))
    return items


def flag_codes(flags: tuple[str, ...]) -> list[Code]:
    """Give the codes of flags; one without a code is said in words only."""
    return [codes.FLAGS[flag] for flag in flags if flag in codes.FLAGS]


def reason_items(answer: ExamAnswer, name: Code) -> list[ContentItem]:
    """Give each reason why something was not used as a code under a name, with the images it holds for below it."""
    by_reason: dict[Reason, list[ContentItem]] = {}
    for image in unused_images(answer):
        pointer = image_item(codes.SOURCE_OF_MEASUREMENT, image, relationship=_FROM)
        by_reason.setdefault(image.reason, []).append(pointer)
    return [
        with_below(code_item(name, codes.REASONS[reason], relationship=RelationshipTypeValues.CONTAINS), images)
        for reason, images in by_reason.items()
    ]


def _code(name: Code, value: Code) -> ContentItem:
    return code_item(name, value, relationship=_FROM)


def _percent(name: Code, share: float) -> ContentItem:
    return _number(name, 100 * share, codes.PERCENT)


def _number(name: Code, value: float, unit: Code) -> ContentItem:
    return number_item(name, value, unit, relationship=_FROM, digits=2)
