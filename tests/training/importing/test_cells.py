import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.importing import cells


@pytest.mark.parametrize(
    ("cell", "grade"),
    [
        ("I", 1), ("ii", 2), (" III ", 3), ("1", 1), ("2.0", 2), ("Grade 3", 3), ("graad".replace("graad", "gr. 2"), 2),
        ("G1", 1), ("DCIS grade II", 2), ("low", 1), ("Intermediate", 2), ("HIGH", 3), ("high grade", 3),
        ("", None), ("NA", None), ("n/a", None), ("unknown", None), ("-", None),
    ],
)  # fmt: skip
def test_a_grade_is_read_as_hospitals_write_it(cell, grade):
    assert cells.grade(cell) == grade


@pytest.mark.parametrize("cell", ["4", "0", "II-III", "2/3", "benign", "Jansen"])
def test_what_is_no_grade_is_refused(cell):
    with pytest.raises(ValueError, match="low, intermediate, high"):
        cells.grade(cell)


@pytest.mark.parametrize(("cell", "yes"), [("yes", True), ("Y", True), ("1", True), ("NO", False), ("0", False)])
def test_yes_and_no_are_read(cell, yes):
    assert cells.answer(cell) is yes
    assert cells.finding(cell) is yes


def test_a_suspicion_counts_as_a_finding_but_is_no_plain_answer():
    assert cells.finding("suspicion for IBC") is True
    assert cells.finding("Evidence") is True
    with pytest.raises(ValueError):
        cells.answer("suspicion")


@pytest.mark.parametrize(("cell", "mm"), [("12,5", 12.5), ("12.5", 12.5), ("30 mm", 30.0), ("7", 7.0), ("NA", None)])
def test_a_size_has_a_decimal_point_or_comma(cell, mm):
    assert cells.size_mm(cell) == mm


@pytest.mark.parametrize("cell", ["1.200,5", "-3", "500", "1e3", "inf", "x mm", "3 cm"])
def test_a_size_that_could_be_read_in_two_ways_or_is_none_is_refused(cell):
    with pytest.raises(ValueError):
        cells.size_mm(cell)


def test_other_columns_are_read():
    assert [cells.side(cell) for cell in ("Right", "l", "", "NA")] == ["R", "L", "", ""]
    assert [cells.density(cell) for cell in ("A", "4", "")] == ["a", "d", ""]
    assert [cells.detection(cell) for cell in ("Screen-detected", "symptomatic", "follow-up", "")] == [
        "screening", "symptomatic", "", "",
    ]  # fmt: skip
    assert [cells.age(cell) for cell in ("54", "54 years", "54,7", "")] == [54, 54, 54, None]


@given(st.sampled_from([cells.grade, cells.answer, cells.finding, cells.side, cells.age, cells.size_mm]), st.text())
def test_a_refusal_never_quotes_the_cell(reader, cell):
    marked = f"{cell}Jansen{cell}"
    with pytest.raises(ValueError, match=r"^(?!.*Jansen)"):
        reader(marked)
