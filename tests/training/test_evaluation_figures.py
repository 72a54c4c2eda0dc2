import json
import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import training.evaluation_figures as module
from training.evaluation import JudgedView
from training.evaluation_figures import figures_of
from training.patients import judge_patients

NPV = {"aim": 0.9, "threshold": 0.3, "rule": "chosen elsewhere"}


@pytest.fixture(scope="module")
def views():
    """60 patients with two views each and two healthy ones; the last six are missed in both."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        label = int(number % 3 == 0)
        p = np.clip(0.35 + 0.25 * label + 0.15 * rng.standard_normal((2, 2)), 0.01, 0.99)
        for view, given in zip(("CC", "MLO"), p, strict=True):
            missed = number >= 54
            about = {"vendor": "ge" if number < 5 else "hologic", "size_mm": 10.0 + number}
            rows.append(
                JudgedView(f"{number}{view}", f"p{number:02d}", "L", view, label, lesion=True, swept=True, **about,
                    given_probabilities=tuple(given), given_dice=0.7 if view == "CC" else 0.8, hit=not missed,
                    any_hit=not missed, marks=0 if missed else 2, false_marks=0 if missed else 1,
                    found_dice=0.0 if missed else 0.6, found_probabilities=() if missed else tuple(given))
            )  # fmt: skip
            rows.append(
                JudgedView(f"{number}{view}h", f"p{number:02d}", "R", view, -1, lesion=False, swept=True, **about,
                    marks=number % 2, false_marks=number % 2)
            )  # fmt: skip
    return rows


def made(views, **changes):
    settings = {"data": "d", "scenario": "grade", "threshold": 0.5, "npv": NPV, "seed": 0, **changes}
    return figures_of(views, judge_patients(views), **settings)


@pytest.fixture(scope="module")
def figures(views):
    return made(views)


def test_the_figures_hold_just_the_keys_that_are_documented(figures):
    text = module.__doc__
    documented = re.findall(
        r'^    "(\w+)"(?:, "(\w+)")?', text[text.index("figures = {") : text.index("SIDE = {")], re.M
    )
    assert set(figures) == {name for pair in documented for name in pair if name}
    for part, values in {"SIDE": figures["given"], "LOCALISATION": figures["localisation"]}.items():
        block = text[text.index(f"{part} = {{") :]
        assert set(values) <= set(re.findall(r'"(\w+)"', block[: block.index("\n}")]))
    json.dumps(figures, allow_nan=False)


def test_the_areas_are_those_of_scikit_learn_over_patients_and_over_views(views, figures):
    patients = judge_patients(views)
    labels = [p.label for p in patients]
    given = roc_auc_score(labels, [p.given for p in patients])
    found = roc_auc_score(labels, [p.found or 0.0 for p in patients])
    assert figures["given"]["auc"]["value"] == figures["given"]["auc_delong"]["value"] == pytest.approx(given, abs=1e-4)
    assert figures["found"]["auc"]["value"] == pytest.approx(found, abs=1e-4)
    lesions = [v for v in views if v.lesion]
    by_view = roc_auc_score([v.label for v in lesions], [np.mean(v.given_probabilities) for v in lesions])
    assert figures["given"]["view_auc"]["value"] == pytest.approx(by_view, abs=1e-4)
    fold = roc_auc_score(labels, [p.given_by_fold[1] for p in patients])
    assert figures["folds"][1]["given_auc"] == pytest.approx(fold, abs=1e-4)
    assert figures["spread"]["given_auc"]["highest"] == max(row["given_auc"] for row in figures["folds"])


def test_a_patient_with_nothing_found_is_called_low_and_counted(views, figures):
    found = figures["found"]
    assert (found["without_a_figure"], found["patients"]) == (6, 60)
    missed_high = [p for p in judge_patients(views) if p.found is None and p.label == 1]
    assert found["operating"]["false_negative"] >= len(missed_high) == 2


def test_localisation_counts_what_was_swept(figures):
    place = figures["localisation"]
    assert (place["views"], place["views_with_lesion"], place["healthy_views"]) == (240, 120, 120)
    assert place["hit_rate_first"]["value"] == pytest.approx(54 / 60)
    assert place["false_marks_per_view"]["value"] == pytest.approx((108 + 60) / 240)
    assert place["false_marks_per_healthy_view"]["value"] == place["healthy_views_marked"]["value"] == 0.5
    assert place["patients_without_a_mark"] == 6


def test_outlines_are_figured_over_views(figures):
    assert figures["given"]["dice"]["mean"]["value"] == figures["given"]["dice"]["median"]["value"] == 0.75
    assert figures["found"]["dice"]["mean"]["value"] == pytest.approx(0.54)


def test_the_point_at_the_npv_is_the_one_chosen_before(views, figures):
    assert figures["given"]["at_npv"]["threshold"] == 0.3
    none = made(views, npv={**NPV, "threshold": None})
    assert none["given"]["at_npv"] is None


def test_small_subgroups_are_counted_and_withheld(figures):
    rows = {(row["by"], row["group"]): row for row in figures["subgroups"]}
    small = rows["vendor", "ge"]
    assert (small["patients"], small["suppressed"], small["given_auc"], small["npv"]) == (5, True, None, None)
    large = rows["vendor", "hologic"]
    assert (large["patients"], large["suppressed"]) == (55, False)
    assert large["given_auc"]["low"] <= large["given_auc"]["value"] <= large["given_auc"]["high"]
    assert rows["size", "< 15 mm"]["patients"] == 5
    assert rows["size", "15-30 mm"]["patients"] == 16
    assert rows["view", "MLO"]["dice"]["value"] == 0.8
    assert rows["density", "unknown"]["patients"] == 60


def test_without_a_sweep_there_is_no_found_side(views):
    rows = [v for v in views if v.lesion]
    rows = [JudgedView(**{**vars(v), "swept": False, "found_probabilities": (), "found_dice": None}) for v in rows]
    figures = made(rows)
    assert figures["found"] is figures["localisation"] is figures["spread"]["found_auc"] is None
    assert figures["folds"][0]["found_auc"] is None


def test_one_class_gives_no_area_and_no_error(views):
    figures = made([v for v in views if v.label != 1])
    assert figures["given"]["auc"]["value"] is None
    assert figures["given"]["roc"] == []
    json.dumps(figures, allow_nan=False)


def test_equal_rows_give_equal_figures(views, figures):
    assert made(views) == figures
