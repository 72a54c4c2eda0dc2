from training.choose import choose_localisation
from training.whole import Swept, SweptView


def swept(*, hit, count=10, area=50.0, threshold=0.5, total=100.0, mean=0.8):
    return Swept(threshold, area, total, mean, count, hit)


def test_a_rule_that_drops_the_false_marks_and_keeps_the_hits_is_chosen():
    views = [SweptView(True, (swept(hit=True), swept(hit=False, count=2))) for _ in range(10)]
    views += [SweptView(False, (swept(hit=False, count=1),)) for _ in range(10)]
    settings, reached = choose_localisation(views)
    assert 2 < settings.min_calcifications <= 10
    assert reached == {"hit_rate_first": 1.0, "false_marks_per_view": 0.0}


def test_counting_wins_where_a_vessel_has_the_larger_area():
    pair = (swept(hit=True, count=20, total=50.0), swept(hit=False, count=7, total=500.0, area=500.0))
    settings, reached = choose_localisation([SweptView(True, pair)] * 5)
    assert settings.rank == "calcifications"
    assert reached["hit_rate_first"] == 1.0


def test_the_threshold_with_more_hits_is_chosen():
    views = [SweptView(True, (swept(hit=True, threshold=0.3), swept(hit=False, threshold=0.5)))] * 4
    assert choose_localisation(views)[0].threshold == 0.3
