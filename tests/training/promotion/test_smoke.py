import json
import math
from copy import deepcopy

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.predict import Ensemble
from training.promotion.smoke import smoke_deviation, smoke_exam

SEEN = {
    "format": "dcis-smoke/1",
    "bundle_sha256": "a" * 64,
    "views": {
        "CC": {
            "source": "found",
            "probability": 0.5,
            "fold_probabilities": [0.4, 0.6],
            "centre": [10.0, 20.0],
            "outlined_px": 100,
        },
        "MLO": {"source": "none", "probability": None, "fold_probabilities": [], "centre": None, "outlined_px": 0},
    },
}


def deviation(**changes):
    other = deepcopy(SEEN)
    other["views"]["CC"] |= changes
    return smoke_deviation(json.dumps(SEEN).encode(), other)


def test_one_bundle_says_the_same_twice(bundles):
    ensemble = Ensemble(bundles["better"], torch.device("cpu"))
    first = smoke_exam(ensemble)
    assert set(first["views"]) == {"CC", "MLO"}
    assert first["views"]["MLO"]["source"] == "given"
    assert 0.0 < first["views"]["MLO"]["probability"] < 1.0
    assert smoke_deviation(json.dumps(first).encode(), smoke_exam(ensemble)) == 0.0


def test_the_largest_difference_of_a_fold_counts():
    assert deviation() == 0.0
    assert deviation(fold_probabilities=[0.41, 0.57]) == pytest.approx(0.03)
    assert deviation(outlined_px=95, centre=[20.0, 20.0]) == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "none", "centre": None},
        {"centre": [30.0, 20.0]},
        {"outlined_px": 94},
        {"fold_probabilities": [0.4]},
    ],
)
def test_another_lesion_is_no_small_difference(changes):
    assert deviation(**changes) == math.inf


def test_a_record_of_another_bundle_or_none_is_refused():
    with pytest.raises(TrainingError, match="another bundle"):
        smoke_deviation(json.dumps({**SEEN, "bundle_sha256": "b" * 64}).encode(), SEEN)
    with pytest.raises(TrainingError, match="cannot be read"):
        smoke_deviation(b"{}", SEEN)
