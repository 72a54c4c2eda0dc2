"""A cohort with the paper's own counts gives the paper's own Table 1."""

from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from training.cohort import Cohort, CohortView
from training.importing.table1 import table1


def cohort_of(views) -> Cohort:
    return Cohort(Path(), Path(), False, tuple(views), (), (), {}, "")


def spread(*counted):
    return list(chain.from_iterable(repeat(value, count) for value, count in counted))


@pytest.fixture
def paper() -> Cohort:
    # Ages within the paper's bands whose quartiles are its median and IQR.
    ages = spread((45, 115), (49, 31), (52, 85), (54, 30), (57, 71), (62, 96), (75, 36))
    detections = spread(("screening", 250), ("symptomatic", 53), ("", 161))
    sizes = spread((10.0, 158), (35.0, 109), (60.0, 79), (None, 118))
    grades = spread((1, 139), (2, 193), (3, 132))
    upstaged = spread((True, 68), (False, 396))
    # 47 of 331 graded biopsies were upgraded (14.2 %): 30 to grade III, 17 from I to II.
    biopsies = spread((1, 106), (None, 33), (1, 17), (2, 112), (None, 64), (2, 30), (3, 66), (None, 36))
    known = list(zip(ages, detections, sizes, grades, upstaged, biopsies, strict=True))
    views = spread(("MLO", 392), ("CC", 386), ("ML", 40), ("XCCL", 36))
    rows = []
    for number, view in enumerate(views):
        age, detection, size, grade, up, biopsy = known[number % 464]
        rows.append(
            CohortView(
                f"p{number % 464}", "R", view, grade, upstaged=up, mask="m", age=age, size_mm=size,
                detection=detection, grade_biopsy=biopsy, image=str(number),
            )
        )  # fmt: skip
    return cohort_of(rows)


def test_the_papers_counts_give_the_papers_table(paper):
    rows = [row for row in table1(paper) if row.paper and not row.name.startswith("Mean")]

    assert len(rows) == 23
    assert {f"{row.group}/{row.name}": row.value for row in rows} == {
        f"{row.group}/{row.name}": row.paper for row in rows
    }


def test_shares_of_a_group_add_up(paper):
    for group in ("Age at diagnosis", "Method of detection", "Lesion size (mm)", "Grade (surgery)", "View"):
        assert sum(row.share or 0 for row in table1(paper) if row.group == group) == pytest.approx(1.0)


def test_size_has_the_samples_mean_and_spread():
    views = [
        CohortView(f"p{n}", "R", "CC", 1, upstaged=False, mask="m", size_mm=size)
        for n, size in enumerate((5.0, 10.0, 60.0))
    ]

    row = next(row for row in table1(cohort_of(views)) if row.name == "Mean (SD)")

    assert row.value == f"{np.mean([5, 10, 60]):.1f} ({np.std([5, 10, 60], ddof=1):.1f})" == "25.0 (30.4)"
    assert row.paper == "29.8 (25.2)"


def test_a_patient_counts_once_with_the_higher_of_two_grades():
    views = [
        CohortView("p", side, "CC", grade, upstaged=False, mask="m") for side, grade in (("R", 1), ("L", 2), ("R", 1))
    ]

    rows = {(row.group, row.name): row.count for row in table1(cohort_of(views))}

    assert (rows["Cohort", "Patients, graded lesion"], rows["Grade (surgery)", "II"]) == (1, 1)
    assert rows["Grade (surgery)", "I"] == 0


def test_without_grades_there_are_counts_and_views_only():
    rows = table1(cohort_of([CohortView("p", "R", "CC", 0, upstaged=False, mask="m")]))

    assert {row.group for row in rows} == {"Cohort", "View"}


def test_an_empty_cohort_has_no_shares():
    assert all(row.share is None for row in table1(cohort_of([])))
