"""Each gate with its value, its bound and its verdict. Pure: a comparison and the gates in, a list out."""

from dataclasses import dataclass
from typing import Any

from training.leaks import PASSED
from training.promotion.gates import Gates

Json = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One gate.

    Parameters
    ----------
    value, bound
        As they are shown: "0.71", ">= 0.80".
    passed
        A value that could not be given has not passed.
    """

    gate: str
    value: str
    bound: str
    passed: bool


def verdicts(comparison: Json, gates: Gates, *, smoke_deviation: float) -> tuple[Verdict, ...]:
    """Hold a comparison against the gates.

    Parameters
    ----------
    smoke_deviation
        Largest difference of the smoke exam's probabilities from the recorded ones; infinite if it gave other marks.
    """
    areas = _absolute(comparison, gates) if comparison["champion"] is None else _against(comparison, gates)
    given = comparison["given"]
    return (
        *areas,
        _at_least("NPV at the threshold", given["npv"]["candidate"], gates.npv_least),
        _at_most("calibration error (ECE)", given["ece"]["candidate"], gates.ece_most),
        _at_most(
            "false marks per view", _place(comparison, "false_marks_per_view", "candidate"), gates.false_marks_most
        ),
        Verdict(
            "leak check", comparison["candidate"]["leak_check"], PASSED, comparison["candidate"]["leak_check"] == PASSED
        ),
        _at_most("smoke exam, largest deviation", smoke_deviation, gates.smoke_tolerance),
    )


def _against(comparison: Json, gates: Gates) -> tuple[Verdict, ...]:
    fall = _place(comparison, "hit_rate_first", "difference")
    return (
        _above("AUC, lesion given: lower bound of the difference", _low(comparison["given"]), -gates.auc_margin),
        _above("AUC, lesion found: lower bound of the difference", _low(comparison["found"]), -gates.auc_found_margin),
        _subgroups(comparison, gates, "difference", -gates.subgroup_fall_most),
        _at_least("first mark right: difference", fall, -gates.hit_rate_fall_most),
        _synthetic(comparison),
    )


def _absolute(comparison: Json, gates: Gates) -> tuple[Verdict, ...]:
    bounds, found = gates.absolute, comparison["found"]
    return (
        Verdict("promotion without a champion", str(bounds.allowed), "allowed", bounds.allowed),
        _at_least("AUC, lesion given: lower bound", comparison["given"]["auc"]["low"], bounds.auc_least),
        _at_least("AUC, lesion found: lower bound", found and found["auc"]["low"], bounds.auc_found_least),
        _subgroups(comparison, gates, "candidate", bounds.subgroup_auc_least),
        _at_least("first mark right", _place(comparison, "hit_rate_first", "candidate"), bounds.hit_rate_least),
    )


def _subgroups(comparison: Json, gates: Gates, which: str, least: float) -> Verdict:
    """Judge the worst of the subgroups that are large enough; a group that one of the two withheld tells nothing."""
    large = [group for group in comparison["subgroups"] if group["patients"] >= gates.subgroup_patients]
    known = [group for group in large if group[which] is not None]
    name = f"AUC of subgroups of {gates.subgroup_patients} patients or more: {which}"
    if not known:
        return Verdict(name, "none is large enough", f">= {least:.4g}", passed=True)
    worst = min(known, key=lambda group: float(group[which]))
    value = f"{worst[which]:.4g} ({worst['by']} {worst['group']}, {worst['patients']} patients, worst of {len(known)})"
    return Verdict(name, value, f">= {least:.4g}", passed=worst[which] >= least)


def _synthetic(comparison: Json) -> Verdict:
    """Phantoms never replace patients."""
    mine, theirs = comparison["candidate"]["synthetic"], comparison["champion"]["synthetic"]
    words = {True: "synthetic", False: "patients"}
    bound = "any" if theirs else "patients"
    return Verdict("trained on", words[mine], bound, passed=theirs or not mine)


def _low(side: Json | None) -> float | None:
    return None if side is None else side["auc"]["difference"]["low"]


def _place(comparison: Json, name: str, which: str) -> float | None:
    place = comparison["localisation"]
    return None if place is None else place[name][which]


def _above(gate: str, value: float | None, bound: float) -> Verdict:
    return Verdict(gate, _shown(value), f"> {bound:.4g}", value is not None and value > bound)


def _at_least(gate: str, value: float | None, bound: float) -> Verdict:
    return Verdict(gate, _shown(value), f">= {bound:.4g}", value is not None and value >= bound)


def _at_most(gate: str, value: float | None, bound: float) -> Verdict:
    return Verdict(gate, _shown(value), f"<= {bound:.4g}", value is not None and value <= bound)


def _shown(value: float | None) -> str:
    return "could not be given" if value is None else f"{value:.4g}"
