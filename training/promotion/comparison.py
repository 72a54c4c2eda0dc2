"""Candidate against champion on one test set: every difference with its interval, as plain values with a hash.

A comparison is
    {"format", "made_at", "scenario", "test_sha256", "gates_sha256",
     "candidate": BUNDLE, "champion": BUNDLE or None (bounds instead of a champion),
     "given": SIDE, "found": SIDE or None, "localisation": {...} or None, "subgroups": [...], "sha256"}
BUNDLE = {"sha256", "name", "version", "synthetic", "threshold", "evaluation_sha256", "leak_check"}
SIDE = {"patients", "high_risk", "auc": PAIR, "delong": {...} or None, "ppv" ... "specificity": PAIR, "ece": PAIR}
PAIR = {"candidate", "champion" or None, "difference": {"value", "low", "high", "not_above"} or None}
Differences are candidate less champion, each at its own threshold.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.evaluation import Evaluation
from training.promotion.pairing import Floats, Paired, paired_found, paired_given, refuse_unequal
from training.statistics.bootstrap import Indices, paired_difference
from training.statistics.calibration_figures import expected_calibration_error
from training.statistics.confusion import RATES, confusion
from training.statistics.delong import delong_test
from training.statistics.interval import rounded
from training.statistics.roc import area

COMPARISON_FORMAT = "dcis-comparison/1"
# Of every bootstrap: a comparison made again has the same intervals.
SEED = 1
SAMPLES = 2000
LOCALISATION = ("hit_rate_first", "hit_rate_any", "false_marks_per_view", "false_marks_per_healthy_view")

Json = dict[str, Any]
Figure = Callable[[Any, Floats, float], float]


@dataclass(frozen=True)
class Origin:
    """What a comparison is bound to beside its two evaluations."""

    gates_sha256: str
    made_at: datetime


def compare(candidate: Evaluation, champion: Evaluation | None, origin: Origin) -> Json:
    """Compare two evaluations, or lay one out for absolute bounds.

    Raises
    ------
    TrainingError
        They are not of one test set, or it is too small.
    """
    if champion is not None:
        refuse_unequal(candidate, champion)
    content = {
        "format": COMPARISON_FORMAT,
        "made_at": origin.made_at.isoformat(timespec="seconds"),
        "scenario": candidate.scenario,
        "test_sha256": candidate.test_sha256,
        "gates_sha256": origin.gates_sha256,
        "candidate": _bundle(candidate),
        "champion": None if champion is None else _bundle(champion),
        "given": _alone(candidate, "given") if champion is None else _side(paired_given(candidate, champion)),
        "found": _found(candidate, champion),
        "localisation": _localisation(candidate, champion),
        "subgroups": _subgroups(candidate, champion),
    }
    plain: Json = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, "sha256": digest(plain)}


def read_comparison(data: bytes) -> Json:
    """Read a comparison and check that it is what was written.

    Raises
    ------
    TrainingError
        It is of another format or was edited.
    """
    try:
        content: Json = json.loads(data)
        told = content.pop("sha256")
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the comparison cannot be read: {type(error).__name__}"
        raise TrainingError(msg) from error
    if content.get("format") != COMPARISON_FORMAT or digest(content) != told:
        msg = "the comparison was edited, or is of another version: it does not have its hash"
        raise TrainingError(msg)
    return {**content, "sha256": told}


def _bundle(evaluation: Evaluation) -> Json:
    return {
        "sha256": evaluation.bundle_sha256,
        "name": evaluation.bundle_name,
        "version": evaluation.bundle_version,
        "synthetic": evaluation.synthetic,
        "threshold": evaluation.threshold,
        "evaluation_sha256": evaluation.sha256,
        "leak_check": evaluation.leak_check,
    }


def _found(candidate: Evaluation, champion: Evaluation | None) -> Json | None:
    if champion is None:
        return None if candidate.figures["found"] is None else _alone(candidate, "found")
    paired = paired_found(candidate, champion)
    return None if paired is None else _side(paired)


def _side(paired: Paired) -> Json:
    figures: dict[str, Figure] = {
        "auc": lambda y, p, _: area(y, p),
        "ece": lambda y, p, _: expected_calibration_error(y, p),
        **{name: _rate(name) for name in RATES},
    }
    delong = delong_test(paired.labels.tolist(), paired.candidate.tolist(), paired.champion.tolist())
    return {
        "patients": len(paired.labels),
        "high_risk": int(paired.labels.sum()),
        "delong": delong.to_json(),
        **{name: _difference(paired, figure) for name, figure in figures.items()},
    }


def _rate(name: str) -> Figure:
    return lambda y, p, threshold: float(getattr(confusion(y.tolist(), p.tolist(), threshold=threshold), name))


def _difference(paired: Paired, figure: Figure) -> Json:
    def candidate(drawn: Indices) -> float:
        return figure(paired.labels[drawn], paired.candidate[drawn], paired.candidate_threshold)

    def champion(drawn: Indices) -> float:
        return figure(paired.labels[drawn], paired.champion[drawn], paired.champion_threshold)

    found = paired_difference(candidate, champion, len(paired.labels), seed=SEED, samples=SAMPLES)
    everyone = slice(None)
    return {
        "candidate": rounded(candidate(everyone)),  # type: ignore[arg-type]
        "champion": rounded(champion(everyone)),  # type: ignore[arg-type]
        "difference": found.to_json(),
    }


def _alone(candidate: Evaluation, side: str) -> Json:
    """Give one side without a champion, with the intervals of the evaluation."""
    figures = candidate.figures[side]
    rates = {name: figures["operating"][name] for name in RATES}
    shown = {"auc": figures["auc"], "ece": figures["ece"], **rates}
    return {
        "patients": figures["patients"],
        "high_risk": figures["high_risk"],
        "delong": None,
        **{
            name: {"candidate": value["value"], "low": value["low"], "champion": None, "difference": None}
            for name, value in shown.items()
        },
    }


def _localisation(candidate: Evaluation, champion: Evaluation | None) -> Json | None:
    mine = candidate.figures["localisation"]
    theirs = None if champion is None else champion.figures["localisation"]
    if mine is None:
        return None
    return {
        name: {
            "candidate": mine[name]["value"],
            "champion": None if theirs is None else theirs[name]["value"],
            "difference": _less(mine[name]["value"], None if theirs is None else theirs[name]["value"]),
        }
        for name in LOCALISATION
    }


def _subgroups(candidate: Evaluation, champion: Evaluation | None) -> list[Json]:
    """List the subgroups of the candidate with the AUC of each, the lesion given; None where it was withheld."""
    theirs = {} if champion is None else {(g["by"], g["group"]): g for g in champion.figures["subgroups"]}
    rows = []
    for group in candidate.figures["subgroups"]:
        mine, other = _auc(group), _auc(theirs.get((group["by"], group["group"])))
        names = {name: group[name] for name in ("by", "group", "patients", "high_risk")}
        rows.append({**names, "candidate": mine, "champion": other, "difference": _less(mine, other)})
    return rows


def _auc(group: Json | None) -> float | None:
    return None if group is None or group["given_auc"] is None else group["given_auc"]["value"]


def _less(mine: float | None, other: float | None) -> float | None:
    return None if mine is None or other is None else round(mine - other, 4)
