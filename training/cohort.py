"""What is known of each view of a cohort, and the label it has in a scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dcis_node.errors import TrainingError

Scenario = Literal["grade", "upstage"]
HIGH_GRADE = 3
UNLABELLED = -1


@dataclass(frozen=True)
class CohortView:
    """One view, or one region of it, with its patient's pathology.

    Parameters
    ----------
    patient
        Key of the patient within the cohort; never a hospital's number.
    grade
        1, 2 or 3 at surgery; 0 where there is no lesion.
    upstaged
        Occult invasive cancer in the specimen.
    """

    patient: str
    laterality: str
    view: str
    grade: int
    upstaged: bool
    vendor: str = ""


def label(view: CohortView, scenario: str) -> int:
    """Give 1 for high risk, 0 for low, -1 where the scenario leaves the view out.

    `grade`: pure DCIS only, grade III against I/II. `upstage`: grade III or occult invasive cancer against neither.

    Raises
    ------
    TrainingError
        If the scenario is unknown.
    """
    if scenario not in {"grade", "upstage"}:
        msg = f"scenario must be grade or upstage, got {scenario!r}"
        raise TrainingError(msg)
    if not view.grade:
        return UNLABELLED
    if scenario == "grade":
        return UNLABELLED if view.upstaged else int(view.grade == HIGH_GRADE)
    return int(view.grade == HIGH_GRADE or view.upstaged)


def patient_labels(views: Sequence[CohortView], scenario: str) -> dict[str, int]:
    """Give each labelled patient's label.

    Raises
    ------
    TrainingError
        If two views of a patient disagree.
    """
    labels: dict[str, int] = {}
    for view in views:
        value = label(view, scenario)
        if value == UNLABELLED:
            continue
        if labels.setdefault(view.patient, value) != value:
            msg = f"patient {view.patient} has two labels"
            raise TrainingError(msg)
    return labels
