"""What a bundle's manifest says of how it was made and chosen."""

from dataclasses import dataclass
from typing import Any

import dcis_node
from dcis_node.model.calibration import Calibration
from training.calibration_side import Probabilities, Side, operating_points
from training.choosing import Choice
from training.cohort import Cohort
from training.leaks import SEEN_DIGITS
from training.run import Run
from training.splits import Splits
from training.statistics.calibration_figures import brier, error_by_chance, expected_calibration_error
from training.statistics.confusion import confusion
from training.statistics.delong import delong_interval
from training.statistics.interval import rounded


@dataclass(frozen=True, eq=False)
class BundleSource:
    """What was read, and found to belong together."""

    run: Run
    cohort: Cohort
    splits: Splits
    side: Side
    synthetic: bool


def chosen_record(
    source: BundleSource,
    choice: Choice,
    calibration: Calibration,
    probabilities: Probabilities,
    *,
    threshold: float,
    npv: float,
) -> dict[str, Any]:
    """Record what was chosen, by whom and by which rule."""
    reached = confusion(*probabilities, threshold=threshold).npv
    rule = f"highest threshold with a negative predictive value of at least {npv}"
    missed = f"none reached an NPV of {npv}: the threshold with the best one, {reached:.3f}"
    return {
        "by": source.side.words,
        "patients": len(probabilities[0]),
        "calibration": calibration.to_json(),
        "threshold": threshold,
        "npv": npv,
        "rule": rule if reached >= npv else missed,
        "operating_points": operating_points(*probabilities),
        "localisation": {
            **choice.localisation.to_json(),
            "hit_rate_first": choice.hit_rate_first,
            "false_marks_per_view": choice.false_marks_per_view,
        },
    }


def chosen_figures(
    source: BundleSource, choice: Choice, probabilities: Probabilities, *, threshold: float
) -> dict[str, Any]:
    """Give what the bundle reached where it was chosen: an optimistic figure, and named so."""
    labels, p = probabilities
    kind = "synthetic phantoms, never a clinical figure; " if source.synthetic else ""
    return {
        "data": f"{kind}not held out: the patients that calibration and settings were chosen on",
        "chosen_on": source.side.words,
        "patients": len(labels),
        "high_risk": sum(labels),
        "auc": delong_interval(labels, p).to_json(),
        "brier": rounded(brier(labels, p)),
        "ece": rounded(expected_calibration_error(labels, p)),
        "ece_by_chance": rounded(error_by_chance(p, seed=source.run.seed)),
        "operating": {"threshold": threshold, **confusion(labels, p, threshold=threshold).to_json()},
        "one_half": confusion(labels, p, threshold=0.5).to_json(),
        "dice_mean": choice.dice_mean,
        "hit_rate_first": choice.hit_rate_first,
        "false_marks_per_view": choice.false_marks_per_view,
    }


def training_record(source: BundleSource) -> dict[str, Any]:
    """Record how it was made.

    `seen` names every image that trained, validated or chose anything by the first 12 digits of its pixels' hash.
    """
    run, start = source.run, source.run.pretrained
    folds = [run.done(number) or {} for number in run.numbers]
    seen = {name for fold in folds for name in fold["seen"]}
    seen |= {row.pixels_sha256[:SEEN_DIGITS] for row in source.cohort.views if row.patient in source.side.patients}
    seen |= set(start.seen) if start else set()
    return {
        "data": "synthetic: phantoms are part of it" if source.synthetic else "the cohort named by its hash",
        "cohort_sha256": run.cohort_sha256,
        "extra_sha256": run.extra_sha256,
        "splits_sha256": run.splits_sha256,
        "seed": run.seed,
        "scenario": run.scenario,
        "recipe": run.recipe.to_json(),
        "software": {**run.software, "dcis-node": dcis_node.__version__},
        "folds": [{key: value for key, value in fold.items() if key != "seen"} for fold in folds],
        "seen": sorted(seen),
        "pretrained": None
        if start is None
        else {"sha256": start.sha256, "cohort_sha256": start.cohort_sha256, "images": len(start.seen)},
    }
