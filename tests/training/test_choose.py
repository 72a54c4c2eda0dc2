from training.choose import choose_localisation, choose_threshold
from training.evaluate import GivenView
from training.whole import Swept, SweptView


def swept(*, hit, count=10, area=50.0, threshold=0.5, total=100.0, mean=0.8):
    return Swept(threshold, area, total, mean, count, hit)


def test_a_rule_that_drops_the_false_marks_and_keeps_the_hits_is_chosen():
    views = [SweptView(True, (swept(hit=True), swept(hit=False, count=2))) for _ in range(10)]
    views += [SweptView(False, (swept(hit=False, count=1),)) for _ in range(10)]
    settings, reached = choose_localisation(views, threshold=0.5)
    assert 2 < settings.min_calcifications <= 10
    assert reached == {"hit_rate_first": 1.0, "false_marks_per_view": 0.0}


def test_counting_wins_where_a_vessel_has_the_larger_area():
    pair = (swept(hit=True, count=20, total=50.0), swept(hit=False, count=7, total=500.0, area=500.0))
    settings, reached = choose_localisation([SweptView(True, pair)] * 5, threshold=0.5)
    assert settings.rank == "calcifications"
    assert reached["hit_rate_first"] == 1.0


def test_only_the_components_of_the_threshold_count():
    views = [SweptView(True, (swept(hit=True, threshold=0.3), swept(hit=False, threshold=0.5)))] * 4
    assert choose_localisation(views, threshold=0.3)[1]["hit_rate_first"] == 1.0


def test_the_threshold_with_the_best_overlap_is_chosen():
    views = [GivenView("p", "CC", 1, (0.5,), dices) for dices in ((0.1, 0.7, 0.6, 0.2, 0.0), (0.3, 0.4, 0.6, 0.5, 0.1))]
    assert choose_threshold(views) == 0.5
