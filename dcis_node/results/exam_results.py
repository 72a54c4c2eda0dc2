"""From the answer of an exam to its finished, checked result objects."""

from pydicom.config import disable_value_validation

from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check import check_answer, check_results
from dcis_node.results.hanging import hung, view_labels
from dcis_node.results.lesion import Lesion, lesion_of
from dcis_node.results.readable import build_readable
from dcis_node.results.report import build_report
from dcis_node.results.segmentation import FIRST_SERIES_NUMBER, build_segmentation


def build_results(answer: ExamAnswer) -> tuple[ResultObject, ...]:
    """Build and check all result objects of one exam.

    Equal answers give equal bytes.

    Returns
    -------
    tuple of ResultObject
        The readable report, always; and where something was outlined the measurement report and one segmentation for
        each view with an outline.

    Raises
    ------
    ResultError
        If the answer contradicts itself, or an object fails its check. Then nothing may be stored.
    """
    check_answer(answer)
    # pydicom quotes a broken value of a source in its warnings and its log, which may hold no patient data. What is
    # copied is checked in `identity`, what is ours in `check`.
    with disable_value_validation():
        results = _build(answer)
    check_results(answer, results)
    return tuple(results)


def _build(answer: ExamAnswer) -> list[ResultObject]:
    labels = view_labels(answer)
    lesions: dict[str, Lesion] = {}
    for image in hung(answer):
        uid = image.header.sop_instance_uid
        lesion = lesion_of(image, answer.model, label=labels[uid])
        if lesion is not None:
            lesions[uid] = lesion
    results = [build_readable(answer, lesions)]
    if lesions:
        results.append(build_report(answer, lesions))
    outlined = [image for image in hung(answer) if image.header.sop_instance_uid in lesions]
    for number, image in enumerate(outlined, FIRST_SERIES_NUMBER):
        uid = image.header.sop_instance_uid
        results.append(build_segmentation(answer, image, lesions[uid], label=labels[uid], number=number))
    return results
