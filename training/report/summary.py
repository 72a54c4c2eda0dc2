"""The tables of figures: summary, folds, localisation, subgroups."""

from collections.abc import Sequence
from typing import Any

from training.evaluation import Evaluation
from training.report import paper
from training.report.numbers import NONE, interval, number, percent, share, short_interval, short_share
from training.report.readings import NAMES, POINTS, Reading
from training.report.tables import Group, Table, table

_RATES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}
_Side = dict[str, Any]


def summary_table(evaluation: Evaluation) -> Table:
    """Give the figures per patient, the lesion given and found, with the paper's in a column of their own."""
    given, found = (evaluation.figures.get(kind) for kind in ("given", "found"))
    told = paper.FIGURES[evaluation.scenario]
    groups = [
        Group("Test patients", _counts(given, found)),
        Group("Separation and outline", _areas(given, found, told)),
    ]
    for name, words in POINTS.items():
        known = [side[name] for side in (given, found) if side and side.get(name)]
        if known:
            beside = told if name == "one_half" else {}
            heading = f"Called high from {number(known[0]['threshold'])} on ({words})"
            groups.append(Group(heading, _rates(given, found, name, beside)))
    groups.append(Group("Calibration", _calibration(given, found)))
    return Table(
        "Figures of the held-out test set with 95 % intervals (bootstrap over patients, unless DeLong is named).",
        ("", NAMES["given"], NAMES["found"], paper.COLUMN),
        tuple(groups),
    )


def npv_sentence(figures: dict[str, Any]) -> str:
    """Say where the threshold of the chosen NPV comes from, or why there is none; "" if none was asked for."""
    asked = figures.get("npv")
    if not asked:
        return ""
    where = "no threshold" if asked["threshold"] is None else f"threshold {number(asked['threshold'])}"
    return f"Chosen NPV {percent(asked['aim'])}: {where}; {asked['rule']}."


def oracle_sentence(figures: dict[str, Any]) -> str:
    """Say what the best possible judge reaches on these phantoms; "" if that is not known."""
    best = figures.get("oracle_auc")
    if not best:
        return ""
    return (
        f"A judge that knows every hidden property of these phantoms but the grade reaches an AUC of {interval(best)}: "
        "no model can do better, but by chance."
    )


def fold_table(evaluation: Evaluation, done: Sequence[dict[str, Any] | None]) -> Table:
    """Give each fold alone on the test set, and what it reached in validation; `done` in the order of the folds."""
    rows = []
    for place, fold in enumerate(evaluation.figures.get("folds") or ()):
        ended = (done[place] if place < len(done) else None) or {}
        rows.append(
            (
                f"fold {fold['fold']}",
                number(fold["given_auc"]),
                number(fold["found_auc"]),
                number(ended.get("patient_auc")),
                number(ended.get("dice")),
                _count(ended.get("training_patients")),
                _count(ended.get("validation_patients")),
            )
        )
    spread = evaluation.figures.get("spread") or {}
    for name in ("mean", "sd", "lowest", "highest"):
        given, found = ((spread.get(key) or {}).get(name) for key in ("given_auc", "found_auc"))
        rows.append((name, number(given), number(found), "", "", "", ""))
    head = (
        "",
        "AUC, lesion given",
        "AUC, lesion found",
        "validation AUC",
        "validation Dice",
        "trained on",
        "validated on",
    )
    return table("Each fold alone on the test patients, and on its own validation patients.", head, tuple(rows))


def localisation_table(figures: dict[str, Any]) -> Table | None:
    """Give how well lesions are found in whole views; None where no view was swept."""
    values = figures.get("localisation")
    if not values:
        return None
    rows = (
        ("views swept, with a lesion, of healthy breasts", " / ".join(str(values[n]) for n in _VIEW_COUNTS)),
        ("the first mark is the lesion (within 3 mm)", share(values["hit_rate_first"])),
        ("any mark is the lesion", share(values["hit_rate_any"])),
        ("false marks per view", interval(values["false_marks_per_view"])),
        ("false marks per view of a healthy breast", interval(values["false_marks_per_healthy_view"])),
        ("views of healthy breasts with a mark", share(values["healthy_views_marked"])),
        ("patients without a mark in any view of the breast", _count(values["patients_without_a_mark"])),
    )
    return table("Localisation: nothing is given but the view.", ("", "figure"), rows)


def subgroup_table(figures: dict[str, Any]) -> Table | None:
    """Give the figures of each subgroup; None if there are none."""
    subgroups = figures.get("subgroups") or ()
    rows = tuple(
        (
            f"{group['by']}: {group['group']}",
            f"{group['patients']} ({group['high_risk']})",
            short_interval(group["given_auc"]),
            short_interval(group["found_auc"]),
            short_share(group["sensitivity"]),
            short_share(group["npv"]),
            short_interval(group["dice"]),
            short_share(group["hit_rate_first"]),
        )
        for group in subgroups
    )
    head = ("group", "patients (high risk)", "AUC given", "AUC found", "sensitivity", "NPV", "Dice", "found first")
    told = "Subgroups. Sensitivity and NPV at the operating point with the lesion given. - : too few patients."
    return table(told, head, rows) if rows else None


def overall(readings: Sequence[Reading]) -> dict[str, float | None]:
    """Give the figures of all test patients by the names that subgroups have for them."""
    given = next((reading.figures for reading in readings if reading.kind == "given"), None)
    if given is None:
        return {}
    return {"given_auc": given["auc"]["value"] if given["auc"] else None, "dice": _mean_dice(given)}


_VIEW_COUNTS = ("views", "views_with_lesion", "healthy_views")


def _counts(given: _Side | None, found: _Side | None) -> tuple[tuple[str, ...], ...]:
    def both(name: str) -> tuple[str, str]:
        return _count(given and given[name]), _count(found and found[name])

    left_out, not_found = both("without_a_figure")
    return (
        ("patients", *both("patients"), str(paper.TEST_PATIENTS)),
        ("of whom at high risk", *both("high_risk"), NONE),
        ("no lesion annotated, left out", left_out, NONE, NONE),
        ("nothing found, counted as called low", NONE, not_found, NONE),
    )


def _areas(given: _Side | None, found: _Side | None, told: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    def both(name: str) -> tuple[str, str]:
        return interval(given and given[name]), interval(found and found[name])

    def dice(name: str) -> tuple[str, str]:
        return tuple(interval(((side or {}).get("dice") or {}).get(name)) for side in (given, found))  # type: ignore[return-value]

    return (
        ("AUROC per patient", *both("auc"), told["auc"]),
        ("AUROC per patient, DeLong interval", *both("auc_delong"), NONE),
        ("AUROC per view", *both("view_auc"), NONE),
        ("Dice per view, mean", *dice("mean"), NONE),
        ("Dice per view, median", *dice("median"), NONE),
    )


def _rates(given: _Side | None, found: _Side | None, point: str, told: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    points = [side.get(point) if side else None for side in (given, found)]
    return tuple(
        (words, *(share(values[name]) if values else NONE for values in points), told.get(name, NONE))
        for name, words in _RATES.items()
    )


def _calibration(given: _Side | None, found: _Side | None) -> tuple[tuple[str, ...], ...]:
    sides = (given, found)
    return (
        ("Brier score", *(interval(side and side["brier"]) for side in sides), NONE),
        ("expected calibration error", *(interval(side and side["ece"]) for side in sides), NONE),
        ("the same by chance alone", *(number(side["ece_by_chance"]) if side else NONE for side in sides), NONE),
    )


def _mean_dice(side: _Side) -> float | None:
    mean = (side.get("dice") or {}).get("mean")
    return mean["value"] if mean else None


def _count(value: object) -> str:
    return NONE if value is None else str(value)
