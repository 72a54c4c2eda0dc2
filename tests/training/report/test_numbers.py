from training.report.numbers import interval, number, percent, share, short_interval, short_share

VALUE = {"value": 0.90909, "low": 0.8412, "high": 0.952}


def test_a_figure_stands_with_its_interval():
    assert interval(VALUE) == "0.909 (0.841 to 0.952)"
    assert share(VALUE) == "90.9 % (84.1 to 95.2)"
    assert short_interval(VALUE) == "0.91 (0.84-0.95)"
    assert short_share(VALUE) == "91 % (84-95)"


def test_a_figure_without_an_interval_stands_alone():
    assert interval({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert share({"value": 0.5, "low": 0.4, "high": None}) == "50.0 %"


def test_what_cannot_be_given_is_a_dash():
    nothing = {"value": None, "low": None, "high": None}
    assert [interval(None), interval(nothing), share(nothing), number(None), percent(None)] == ["-"] * 5
