"""The smoke exam: what a bundle says of two fixed phantom views, recorded at publication and repeated at promotion.

It shows that the bundle in the registry, on the machine that promotes it, still gives what it gave. It says nothing
about how good the bundle is.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dcis_node.errors import TrainingError
from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import brightest
from dcis_node.model.bundle import Bundle
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import prepare_view
from dcis_node.phantom.exam import PhantomView, generate_view
from dcis_node.phantom.patient import generate_patient

SMOKE_FORMAT = "dcis-smoke/1"
# One phantom of a grade that every bundle should see, small so that a CPU needs seconds.
# A left breast, which no step has to mirror.
SEED, GRADE, SIZE, SIDE = 11, 3, (1664, 1280), "L"
# The middle of a box may move by this where another processor rounds otherwise: a few input pixels.
CENTRE_TOLERANCE_PX = 16.0
# And the outline may gain or lose so much of its area at its rim.
OUTLINE_TOLERANCE = 0.05

Json = dict[str, Any]
MakeEnsemble = Callable[[Bundle], Ensemble]


def smoke_exam(ensemble: Ensemble) -> Json:
    """Judge the smoke exam: the CC view swept, the MLO view with the middle of its lesion given."""
    patient = generate_patient(SEED, grade=GRADE, size=SIZE, laterality=SIDE)
    views = {name: _judge(ensemble, generate_view(patient, SIDE, name), given=name == "MLO") for name in ("CC", "MLO")}
    return {"format": SMOKE_FORMAT, "bundle_sha256": ensemble.bundle.sha256, "views": views}


def smoke_deviation(recorded: bytes, repeated: Json) -> float:
    """Give the largest difference of probabilities; infinite if a view's lesion is another one, or none.

    Raises
    ------
    TrainingError
        The record cannot be read, or is of another bundle.
    """
    try:
        told = json.loads(recorded)
        pairs = [(told["views"][name], view) for name, view in repeated["views"].items()]
        same = told["bundle_sha256"] == repeated["bundle_sha256"] and told["format"] == SMOKE_FORMAT
        deviations = [_deviation(one, other) for one, other in pairs]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the recorded smoke exam cannot be read: {type(error).__name__}"
        raise TrainingError(msg) from error
    if not same:
        msg = "the recorded smoke exam is of another bundle or version"
        raise TrainingError(msg)
    return max(deviations)


def _judge(ensemble: Ensemble, view: PhantomView, *, given: bool) -> Json:
    image = prepare_view(view.stored, view.transforms, ensemble.bundle.preprocessing)
    breast = find_breast(brightest(view.transforms, view.stored)).mask
    rows, columns = np.nonzero(view.lesion_mask)
    middle = (float(rows.mean()), float(columns.mean())) if given else None
    seen = ensemble.predict_view(image, breast, given=middle, spacing_mm=view.spacing_mm)
    return {
        "source": seen.source.value,
        "probability": seen.probability,
        "fold_probabilities": list(seen.fold_probabilities),
        "centre": None if seen.centre is None else list(seen.centre),
        "outlined_px": int(seen.mask.sum()),
    }


def _deviation(told: Json, given: Json) -> float:
    if told["source"] != given["source"] or len(told["fold_probabilities"]) != len(given["fold_probabilities"]):
        return math.inf
    if told["centre"] is None:
        return 0.0
    grown = abs(told["outlined_px"] - given["outlined_px"])
    if (
        math.dist(told["centre"], given["centre"]) > CENTRE_TOLERANCE_PX
        or grown > OUTLINE_TOLERANCE * told["outlined_px"]
    ):
        return math.inf
    pairs = zip(told["fold_probabilities"], given["fold_probabilities"], strict=True)
    return float(max(abs(one - other) for one, other in pairs))
