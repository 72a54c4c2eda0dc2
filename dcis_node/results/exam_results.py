"""From the answer of an exam to its finished, checked result objects."""

from collections.abc import Collection, Iterator

from pydicom.config import disable_value_validation

from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check.answer import check_answer
from dcis_node.results.check.results import check_results
from dcis_node.results.hanging import hung, view_labels
from dcis_node.results.kinds import EVERY_KIND, SERIES_NUMBERS, ResultKind
from dcis_node.results.lesion import Lesion, lesion_of
from dcis_node.results.presentation import build_presentation
from dcis_node.results.readable_header import with_readable_headers
from dcis_node.results.segmentation import build_segmentation
from dcis_node.results.sr.cad_report import build_cad_report
from dcis_node.results.sr.readable import build_readable
from dcis_node.results.sr.report import build_reports, build_view_report
from dcis_node.results.summary import build_summary


def build_results(answer: ExamAnswer, kinds: Collection[ResultKind] = EVERY_KIND) -> tuple[ResultObject, ...]:
    """Build and check the result objects of one exam.

    Equal answers give equal bytes.

    Parameters
    ----------
    kinds
        What is wanted. A kind that this answer has nothing for is left out: without an outline there are no
        measurement reports and no segmentation.

    Returns
    -------
    tuple of ResultObject
        In the order of `ResultKind`, views as they are hung.

    Raises
    ------
    ResultError
        If the answer contradicts itself, or an object fails its check. Then nothing may be stored.
    """
    check_answer(answer)
    # pydicom quotes a broken value of a source in its warnings and its log, which may hold no patient data. What is
    # copied is checked in `identity`, what is ours in `check`.
    with disable_value_validation():
        answer = with_readable_headers(answer)
        lesions = lesions_of(answer)
        results = [*_whole_exam(answer, lesions, kinds), *_view_by_view(answer, lesions, kinds)]
    check_results(answer, results, kinds)
    return tuple(results)


def _whole_exam(
    answer: ExamAnswer, lesions: dict[str, Lesion], kinds: Collection[ResultKind]
) -> Iterator[ResultObject]:
    if ResultKind.READABLE_REPORT in kinds:
        yield build_readable(answer, lesions)
    if lesions:
        yield from build_reports(answer, lesions, kinds=kinds)
    cad_report = build_cad_report(answer, lesions) if ResultKind.CAD_REPORT in kinds else None
    if cad_report is not None:
        yield cad_report
    if ResultKind.SUMMARY_IMAGE in kinds:
        yield build_summary(answer, lesions)


def _view_by_view(
    answer: ExamAnswer, lesions: dict[str, Lesion], kinds: Collection[ResultKind]
) -> Iterator[ResultObject]:
    labels = view_labels(answer)
    outlined = [image for image in hung(answer) if image.uid in lesions]
    if ResultKind.SEGMENTATION in kinds:
        for number, image in enumerate(outlined, SERIES_NUMBERS[ResultKind.SEGMENTATION]):
            yield build_segmentation(answer, image, lesions[image.uid], label=labels[image.uid], number=number)
    if ResultKind.VIEW_MEASUREMENT_REPORT in kinds:
        for number, image in enumerate(outlined, SERIES_NUMBERS[ResultKind.VIEW_MEASUREMENT_REPORT]):
            yield build_view_report(answer, image, lesions[image.uid], label=labels[image.uid], number=number)
    found = [image for image in hung(answer) if image.has_finding]
    if ResultKind.PRESENTATION_STATE in kinds:
        for number, image in enumerate(found, SERIES_NUMBERS[ResultKind.PRESENTATION_STATE]):
            yield build_presentation(answer, image, lesions.get(image.uid), label=labels[image.uid], number=number)


def lesions_of(answer: ExamAnswer) -> dict[str, Lesion]:
    """Describe the lesion of each view (by SOP Instance UID) where something was outlined."""
    labels = view_labels(answer)
    found = {image.uid: lesion_of(image, answer.model, label=labels[image.uid]) for image in hung(answer)}
    return {uid: lesion for uid, lesion in found.items() if lesion is not None}
