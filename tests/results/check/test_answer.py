"""An answer that contradicts itself is refused before anything is built of it."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from dcis_node.errors import ResultError
from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import ObjectReference, UsedMark
from dcis_node.results.check.answer import check_answer
from tests.results.builders import STUDY, answer, image, refused


def lesion(**changed):
    one = image()
    return replace(one, prediction=replace(one.prediction, **changed))


MARK = UsedMark("seg", ObjectReference("1.2.840.10008.5.1.4.1.1.66.4", "2.25.3", "2.25.4", STUDY))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ((), "no study to report in"),
        ((replace(refused(), reason=Reason.OWN_RESULT),), "no study to report in"),
        ((image(), image()), "stands twice"),
        ((replace(image(), reason=Reason.PIXELS_TRUNCATED),), "reason and prediction disagree"),
        ((replace(image(), prediction=None),), "reason and prediction disagree"),
        ((lesion(mask=np.ones((90, 120), dtype=bool)),), "not of the image's size"),
        ((lesion(mask=np.ones((120, 90), dtype=np.uint8)),), "not bool"),
        ((lesion(source=LesionSource.NONE),), "an outline stands with no lesion"),
        ((replace(image(), mark=MARK),), "was not given"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(images, words):
    with pytest.raises(ResultError, match=words):
        check_answer(answer(images))


def test_a_naive_time_is_refused():
    with pytest.raises(ResultError, match="no zone"):
        check_answer(answer(made_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_digest_that_is_none_is_refused():
    with pytest.raises(ResultError, match="SHA-256"):
        check_answer(answer(inputs_sha256="short"))
