from pathlib import Path

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from training.cohort import Cohort, CohortView
from training.images import load_region, load_view
from training.images_phantom import load_phantom_region, load_phantom_view, phantom_word

WORD = phantom_word(3, "R", "CC", vendor="hologic", size=(256, 192))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    row = CohortView("p", "R", "CC", 0, upstaged=False, image="a", file=WORD, spacing_mm=(0.07, 0.07))
    return Cohort(tmp_path, tmp_path, True, (row,), (), (), {}, "")


def test_a_phantom_row_is_drawn_without_a_file(cohort):
    drawn = load_phantom_view(cohort.views[0])

    assert np.array_equal(load_view(cohort, cohort.views[0]).stored, drawn.stored)


def test_a_region_of_a_phantom_row_is_drawn_alone(cohort):
    drawn = load_phantom_region(cohort.views[0], side_mm=5.0, rng=np.random.default_rng(1))

    region = load_region(cohort, cohort.views[0], side_mm=5.0, rng=np.random.default_rng(1))

    assert np.array_equal(region.stored, drawn.stored)
    assert region.origin == drawn.origin


def test_any_other_row_is_a_file(cohort):
    row = CohortView("p", "R", "CC", 0, upstaged=False, image="a", file="phantom.dcm")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_view(cohort, row)
