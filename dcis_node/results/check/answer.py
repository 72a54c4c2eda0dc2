"""The answer is held to its own rules before anything is built."""

import numpy as np

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import demand
from dcis_node.results.hanging import leading_image


def check_answer(answer: ExamAnswer) -> None:
    """Hold an answer to its own rules.

    Raises
    ------
    ResultError
        If it names no image, an image twice, a prediction without an image that may have one, a mask of another size,
        a naive time, or a digest that is none.
    """
    leading_image(answer)
    demand(answer.made_at.tzinfo is not None, "the time of the decision has no zone")
    for digest in (answer.inputs_sha256, answer.model.sha256):
        demand(len(digest) == 64 and set(digest) <= set("0123456789abcdef"), "a digest is no SHA-256")
    uids = [image.header.sop_instance_uid for image in answer.images]
    demand(len(set(uids)) == len(uids), "an object stands twice in the answer")
    for image in answer.images:
        _check_image(image)


def _check_image(image: SourceImage) -> None:
    header, prediction = image.header, image.prediction
    uid = header.sop_instance_uid
    demand((prediction is not None) == (image.reason is Reason.ELIGIBLE), f"{uid}: reason and prediction disagree")
    if prediction is None:
        return
    demand(prediction.mask.dtype == np.bool_, f"{uid}: the mask is not bool")
    demand(prediction.mask.shape == (header.rows, header.columns), f"{uid}: the mask is not of the image's size")
    given = prediction.source is LesionSource.GIVEN
    demand(image.mark is None or given, f"{uid}: a mark stands with a lesion that was not given")
    if prediction.source is LesionSource.NONE:
        demand(not image.outlined, f"{uid}: an outline stands with no lesion")
