"""Who is in the cohort: the paper's exclusions, and which breast a label belongs to. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from training.cohort import SCENARIOS, UNLABELLED, CohortView, label
from training.importing.clinical import ClinicalRow

# The trials, and the paper, take adults only (Cancer Imaging 2024, 24:48, Methods).
YOUNGEST_YEARS = 18

# In the paper's words and order (Methods, "Patient selection"); the first that applies is the reason.
_RULES: tuple[tuple[str, Callable[[ClinicalRow], bool]], ...] = (
    ("under_age", lambda row: row.age is not None and row.age < YOUNGEST_YEARS),
    ("lcis", lambda row: row.lcis is True),
    ("invasive_at_biopsy", lambda row: row.invasive_at_biopsy is True),
    ("poor_quality", lambda row: row.poor_quality is True),
    ("mass_or_distortion", lambda row: row.mass_or_distortion is True),
    ("no_label", lambda row: row.grade_surgery is None or row.invasive is None),
)

PATIENT_REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        "no_mammogram": "no image of the patient is there",
        "under_age": "the patient was under 18",
        "lcis": "lobular carcinoma in situ was reported",
        "invasive_at_biopsy": "suspicion or evidence of invasive cancer at biopsy",
        "poor_quality": "the mammogram is of insufficient quality",
        "mass_or_distortion": "a mass or architectural distortion is visible",
        "no_label": "grade or invasion at surgery is not known, or the clinical table has no row of the patient",
        "side_unknown": "both breasts are annotated and the table does not tell which is meant",
        "no_annotation": "no usable image of the affected breast is annotated",
        "no_usable_image": "no image of the affected breast can be used",
    }
)
"""Why a patient is left out, in the order of the flow chart."""


@dataclass(frozen=True)
class Pathology:
    """What is known of one affected breast, as `CohortView` keeps it."""

    grade: int
    upstaged: bool
    grade_biopsy: int | None = None
    age: int | None = None
    size_mm: float | None = None
    density: str = ""
    detection: str = ""

    def labels(self) -> tuple[int, ...]:
        """Give the label in each scenario, -1 where it leaves the breast out."""
        row = CohortView("", "", "", self.grade, upstaged=self.upstaged)
        return tuple(label(row, scenario) for scenario in SCENARIOS)


def pathology_of(row: ClinicalRow) -> Pathology:
    """Take the truth of a row: the surgical specimen, with the biopsy's grade beside it."""
    return Pathology(
        grade=row.grade_surgery or 0,
        upstaged=row.invasive is True,
        grade_biopsy=row.grade_biopsy,
        age=row.age,
        size_mm=row.size_mm,
        density=row.density,
        detection=row.detection,
    )


def reason_to_leave_out(rows: Sequence[ClinicalRow]) -> str:
    """Give the first rule that leaves the patient out, or "".

    What speaks of the patient (age, LCIS, invasion at biopsy ...) counts whichever side's row says it; a missing label
    only if no side has one.
    """
    for reason, applies in _RULES:
        if reason == "no_label":
            if all(applies(row) for row in rows):
                return reason
        elif any(applies(row) for row in rows):
            return reason
    return ""


@dataclass(frozen=True)
class Sides:
    """Which breasts of a patient are affected.

    Parameters
    ----------
    affected
        Side -> truth. Their images need an annotation.
    left_out
        Sides that are affected too but must not stand in the cohort, with the reason.
    reason
        Why the whole patient is left out, or "".
    """

    affected: dict[str, Pathology]
    left_out: dict[str, str]
    reason: str = ""


def affected_sides(rows: Sequence[ClinicalRow], annotated: frozenset[str]) -> Sides:
    """Tell the affected breasts: as the table says, else those that are annotated.

    A patient has one label (paper: one affected breast). Where both breasts are affected and their labels differ, the
    one of higher risk is the index breast, and the other is left out.

    Parameters
    ----------
    rows
        Of one patient, at least one with a label.
    annotated
        Sides with at least one annotated image.
    """
    known = [row for row in rows if row.grade_surgery is not None and row.invasive is not None]
    unlabelled = {row.laterality: "no_label" for row in rows if row not in known}
    if len(known) == 1 and not known[0].laterality:
        if len(annotated) > 1:
            return Sides({}, {}, "side_unknown")
        return Sides(dict.fromkeys(annotated, pathology_of(known[0])), {}, "" if annotated else "no_annotation")
    found = {row.laterality: pathology_of(row) for row in known}
    index = max(sorted(found), key=lambda side: (found[side].upstaged or found[side].grade == 3, found[side].grade))
    others = {side: "second_affected_breast" for side in found if _differ(found[side], found[index])}
    return Sides({side: truth for side, truth in found.items() if side not in others}, unlabelled | others)


def _differ(first: Pathology, second: Pathology) -> bool:
    pairs = zip(first.labels(), second.labels(), strict=True)
    return any(a != b and UNLABELLED not in (a, b) for a, b in pairs)
