import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.device import choose_device
from dcis_node.model.predict import Ensemble
from tests.training.judged import small_cohort, untrained_bundle
from training.choosing import THRESHOLDS, choose, judge_for_choice, reached_by
from training.images import load_view
from training.judging import judge_view, prepare


def component(threshold=0.5, *, area=10.0, summed=10.0, mean=0.8, calcifications=5, hit=False):
    return {
        "threshold": threshold,
        "area_mm2": area,
        "summed_probability": summed,
        "mean_probability": mean,
        "calcifications": calcifications,
        "hit": hit,
    }


def row(*components, lesion=True, dices=(0.5, 0.6, 0.7, 0.6, 0.5), swept=True):
    return {
        "lesion": lesion,
        "given": [0.5] if lesion else [],
        "dices": list(dices) if lesion else [],
        "swept": swept,
        "components": list(components),
    }


def test_the_outlines_threshold_is_that_of_the_best_overlap():
    rows = [row(component(t, hit=True)) for t in THRESHOLDS]
    found = choose([row(*(component(t, hit=True) for t in THRESHOLDS)), *rows], classes=3)
    assert found.localisation.threshold == 0.5
    assert found.dice_mean == 0.7


def test_false_marks_that_can_be_told_by_their_area_or_count_are_left_out():
    views = [row(component(hit=True, calcifications=6), component(area=3.0, calcifications=1)) for _ in range(20)]
    views += [row(component(area=3.0, calcifications=1), lesion=False) for _ in range(20)]
    found = choose(views, classes=3)
    assert (found.hit_rate_first, found.false_marks_per_view) == (1.0, 0.0)
    assert reached_by(views, found.localisation) == (1.0, 0.0)


def test_no_more_than_the_allowed_false_marks_even_if_more_lesions_were_hit():
    # Small lesions could be hit too, but only with a false mark in every view.
    views = [row(component(area=20.0, hit=True)) for _ in range(14)]
    views += [row(component(area=3.0, hit=True), component(area=3.0, summed=1.0)) for _ in range(6)]
    views += [row(component(area=3.0), lesion=False) for _ in range(20)]
    found = choose(views, classes=3)
    assert (found.hit_rate_first, found.false_marks_per_view) == (0.7, 0.0)


def test_where_nothing_stays_below_the_least_bad_is_taken():
    views = [row(component(area=20.0, calcifications=20, hit=False)) for _ in range(5)]
    found = choose(views, classes=3)
    assert (found.hit_rate_first, found.false_marks_per_view) == (0.0, 1.0)


def test_the_first_mark_is_the_one_the_node_ranks_first():
    views = [row(component(summed=50.0, calcifications=2), component(summed=10.0, calcifications=9, hit=True))]
    found = choose(views * 10, classes=3)
    hits, _ = reached_by(views, found.localisation)
    assert hits == 1.0


def test_without_a_sweep_the_overlap_alone_chooses():
    found = choose([row(dices=(0.1, 0.2, 0.3, 0.8, 0.2), swept=False)], classes=2)
    assert (found.localisation.threshold, found.hit_rate_first) == (0.6, None)
    assert found.localisation.rank == "summed_probability"


def test_nothing_to_choose_by_is_refused():
    with pytest.raises(TrainingError, match="cannot be chosen"):
        choose([row(lesion=False, swept=False)], classes=3)


def test_what_chooses_is_what_judges(tmp_path):
    """The overlap at the bundle's threshold, and the marks, are those of the judged view."""
    cohort = small_cohort(tmp_path / "cohort", each=1)
    ensemble = Ensemble(untrained_bundle(tmp_path / "bundle"), choose_device("cpu"))
    view = next(view for view in cohort.views if view.lesion)
    prepared = prepare(load_view(cohort, view), view, ensemble.bundle.preprocessing)
    chosen = judge_for_choice(ensemble, prepared, view, True)
    judged = judge_view(ensemble, prepared, view, sweep=True)
    assert chosen["given"] == pytest.approx(list(judged.given_probabilities))
    at = ensemble.bundle.manifest.localisation
    # The one is figured on input pixels of four stored ones' side, the other on stored ones.
    assert chosen["dices"][THRESHOLDS.index(at.threshold)] == pytest.approx(judged.given_dice, abs=0.1)
    marks = [c for c in chosen["components"] if c["threshold"] == at.threshold and c["area_mm2"] >= at.min_area_mm2]
    assert len(marks) == judged.marks
    assert sum(not c["hit"] for c in marks) == judged.false_marks
    assert np.isfinite([c["area_mm2"] for c in marks]).all()
