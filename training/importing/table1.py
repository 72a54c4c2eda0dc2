"""Table 1: patients and lesions of a cohort, beside the paper's figures. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from training.cohort import Cohort, CohortView


@dataclass(frozen=True)
class Table1Row:
    """One line of Table 1.

    Parameters
    ----------
    group, name
        Heading and line, such as `Grade (surgery)` and `I`.
    value
        As printed: `139 (30.0 %)`, or `54 (49-62)`.
    count
        Patients or images of the line; None where the value is no count.
    share
        Of the group, in [0, 1]; None where the value is no count or the group is empty.
    paper
        The paper's value for n = 464 patients and 854 images, "" where it gives none.
    """

    group: str
    name: str
    value: str
    count: int | None = None
    share: float | None = None
    paper: str = ""


# Cancer Imaging 2024, 24:48, Table 1 and Methods. The third age band is printed "50-69" there; 60-69 is meant.
_AGES = (("20-49", 20, 49, "146 (31.5 %)"), ("50-59", 50, 59, "186 (40.1 %)"), ("60-69", 60, 69, "96 (20.7 %)"))
_OLDEST = ("70+", "36 (7.8 %)")
_DETECTIONS = (
    ("Screen-detected", "screening", "250 (53.9 %)"),
    ("Symptomatic", "symptomatic", "53 (11.4 %)"),
    ("Unknown", "", "161 (34.7 %)"),
)
_GRADES = (("I", 1, "139 (30.0 %)"), ("II", 2, "193 (41.6 %)"), ("III", 3, "132 (28.4 %)"))
_VIEWS = (("MLO", "392 (45.9 %)"), ("CC", "386 (45.2 %)"))
_OTHER_VIEWS = "76 (8.9 %)"


@dataclass(frozen=True)
class _Patient:
    """One patient: of two affected breasts the one of higher grade."""

    age: int | None
    size_mm: float | None
    density: str
    detection: str
    grade: int
    upstaged: bool
    grade_biopsy: int | None


def table1(cohort: Cohort) -> tuple[Table1Row, ...]:
    """Describe the graded patients of a cohort and their annotated images.

    Returns
    -------
        Lines in the paper's order: counts, age, detection, size, grade, upstaged, views; then what the paper does not
        print: density, grade at biopsy, upgrades. A cohort without grades has counts and views only.
    """
    lesions = [view for view in cohort.views if view.lesion]
    patients = _patients(lesions)
    rows = [
        Table1Row("Cohort", "Patients, graded lesion", str(len(patients)), len(patients), paper="464"),
        Table1Row("Cohort", "Images, annotated lesion", str(len(lesions)), len(lesions), paper="854"),
        _plain("Cohort", "Images without a lesion", len(cohort.views) - len(lesions)),
    ]
    if patients:
        rows += [*_ages(patients), *_detections(patients), *_sizes(patients), *_grades(patients)]
    rows += _views(lesions)
    return (*rows, *_beside_the_paper(patients)) if patients else tuple(rows)


def _patients(lesions: Sequence[CohortView]) -> list[_Patient]:
    chosen: dict[str, CohortView] = {}
    for view in lesions:
        if not view.grade:
            continue
        known = chosen.get(view.patient)
        if known is None or (view.grade, view.upstaged) > (known.grade, known.upstaged):
            chosen[view.patient] = view
    return [
        _Patient(v.age, v.size_mm, v.density, v.detection, v.grade, v.upstaged, v.grade_biopsy) for v in chosen.values()
    ]


def _ages(patients: Sequence[_Patient]) -> Iterable[Table1Row]:
    group, known = "Age at diagnosis", [p.age for p in patients if p.age is not None]
    for name, low, high, paper in _AGES:
        yield _share(group, name, sum(low <= age <= high for age in known), len(patients), paper)
    yield _share(group, _OLDEST[0], sum(age >= 70 for age in known), len(patients), _OLDEST[1])
    yield from _unknown(group, len(patients) - len(known), len(patients), "")
    if known:
        low_q, median, high_q = (float(q) for q in np.percentile(known, (25, 50, 75)))
        yield Table1Row(group, "Median (IQR)", f"{median:g} ({low_q:g}-{high_q:g})", paper="54 (49-62)")


def _detections(patients: Sequence[_Patient]) -> Iterable[Table1Row]:
    for name, kind, paper in _DETECTIONS:
        yield _share("Method of detection", name, sum(p.detection == kind for p in patients), len(patients), paper)


def _sizes(patients: Sequence[_Patient]) -> Iterable[Table1Row]:
    group, known = "Lesion size (mm)", [p.size_mm for p in patients if p.size_mm is not None]
    yield _share(group, "0-19", sum(size < 20 for size in known), len(patients), "158 (34.1 %)")
    yield _share(group, "20-50", sum(20 <= size < 50 for size in known), len(patients), "109 (23.5 %)")
    yield _share(group, ">= 50", sum(size >= 50 for size in known), len(patients), "79 (17.0 %)")
    yield _share(group, "Unknown", len(patients) - len(known), len(patients), "118 (25.4 %)")
    if known:
        spread = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
        yield Table1Row(group, "Mean (SD)", f"{np.mean(known):.1f} ({spread:.1f})", paper="29.8 (25.2)")


def _grades(patients: Sequence[_Patient]) -> Iterable[Table1Row]:
    for name, grade, paper in _GRADES:
        yield _share("Grade (surgery)", name, sum(p.grade == grade for p in patients), len(patients), paper)
    yield _share("Upstaged to IBC", "Yes", sum(p.upstaged for p in patients), len(patients), "68 (14.7 %)")
    yield _share("Upstaged to IBC", "No", sum(not p.upstaged for p in patients), len(patients), "396 (85.3 %)")


def _views(lesions: Sequence[CohortView]) -> list[Table1Row]:
    named = [_share("View", name, sum(v.view == name for v in lesions), len(lesions), paper) for name, paper in _VIEWS]
    others = sum(v.view not in dict(_VIEWS) for v in lesions)
    return [*named, _share("View", "Other", others, len(lesions), _OTHER_VIEWS)]


def _beside_the_paper(patients: Sequence[_Patient]) -> Iterable[Table1Row]:
    for letter in "abcd":
        yield _share("BI-RADS density", letter, sum(p.density == letter for p in patients), len(patients), "")
    yield from _unknown("BI-RADS density", sum(not p.density for p in patients), len(patients), "")
    for name, grade, _ in _GRADES:
        yield _share("Grade (biopsy)", name, sum(p.grade_biopsy == grade for p in patients), len(patients), "")
    yield from _unknown("Grade (biopsy)", sum(p.grade_biopsy is None for p in patients), len(patients), "")
    # 47 upgrades were printed as 14.2 %: of the patients whose biopsy was graded.
    both = [p for p in patients if p.grade_biopsy is not None]
    if both:
        raised = sum(p.grade > (p.grade_biopsy or 0) for p in both)
        yield _share("Grade (biopsy)", "Higher at surgery", raised, len(both), "47 (14.2 %)")


def _unknown(group: str, count: int, total: int, paper: str) -> Iterable[Table1Row]:
    return (_share(group, "Unknown", count, total, paper),) if count else ()


def _share(group: str, name: str, count: int, total: int, paper: str) -> Table1Row:
    if not total:
        return Table1Row(group, name, str(count), count, None, paper)
    return Table1Row(group, name, f"{count} ({100 * count / total:.1f} %)", count, count / total, paper)


def _plain(group: str, name: str, count: int) -> Table1Row:
    return Table1Row(group, name, str(count), count)
