"""Pictures of cases are drawn by the bundle itself, from the cohort's images, round the annotated lesion."""

import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from dcis_node.errors import TrainingError
from dcis_node.model.predict import Ensemble
from tests.training.report.making import load
from training.report.case_figure import case_figure
from training.report.cases import Case


@pytest.fixture(scope="module")
def ensemble(made) -> Ensemble:
    return Ensemble(made.bundle, torch.device("cpu"))


def draw(made, ensemble, kind="wrong", images=("image-00000", "image-00001"), load=load):
    return case_figure(Case(kind, "patient-000", images, "words"), made.cohort, ensemble=ensemble, load=load)


def pixels(picture) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(picture.uri.split(",")[1]))).convert("RGB")).astype(int)


def test_a_case_has_a_panel_for_each_view_and_the_true_region_in_its_colour(made, ensemble):
    one, two = (
        pixels(draw(made, ensemble, images=images)) for images in (("image-00000",), ("image-00000", "image-00001"))
    )
    assert two.shape[1] > 1.8 * one.shape[1]
    sky = np.abs(one - (0x56, 0xB4, 0xE9)).sum(axis=2) < 30
    assert sky.sum() > 100


def test_the_words_of_a_case_are_its_caption_and_hold_no_more(made, ensemble):
    picture = draw(made, ensemble, kind="missed", images=("image-00003",))
    assert picture.caption == "words"
    assert picture.alt == "lesion missed: words."


def test_a_view_that_the_cohort_does_not_know_or_has_no_mask_of_is_refused(made, ensemble):
    with pytest.raises(TrainingError, match="image-99999 is in the evaluation, but not in the cohort"):
        draw(made, ensemble, images=("image-99999",))

    def without(cohort, row):
        return replace(load(cohort, row), labels=np.zeros((120, 100), np.uint8))

    with pytest.raises(TrainingError, match="image-00000 has a lesion in the evaluation, but no mask"):
        draw(made, ensemble, images=("image-00000",), load=without)
