"""Drawing a share of patients so that every grade stands on both sides; pure, and seeded by the generator given."""

from collections.abc import Mapping, Sequence

from numpy.random import Generator

from dcis_node.errors import TrainingError
from training.cohort import CohortView

Pathology = tuple[int, bool]  # grade at surgery, upstaged


def patient_pathology(views: Sequence[CohortView]) -> dict[str, Pathology]:
    """Give each graded patient's grade and upstaging; patients without any grade are left out.

    Raises
    ------
    TrainingError
        If two views of a patient disagree.
    """
    known: dict[str, Pathology] = {}
    for view in views:
        if not view.grade:
            continue
        if known.setdefault(view.patient, (view.grade, view.upstaged)) != (view.grade, view.upstaged):
            msg = f"patient {view.patient}: two views have another grade or upstaging; one specimen has one of each"
            raise TrainingError(msg)
    return known


def strata(pathology: Mapping[str, Pathology], *, least: int) -> dict[str, str]:
    """Name each patient's stratum: the grade, divided by upstaging where both parts have `least` patients."""
    named: dict[str, str] = {}
    for grade in sorted({grade for grade, _ in pathology.values()}):
        upstaged = {patient: up for patient, (value, up) in pathology.items() if value == grade}
        divided = least <= sum(upstaged.values()) <= len(upstaged) - least
        named |= {patient: f"grade {grade}" + divided * up * " upstaged" for patient, up in upstaged.items()}
    return named


def members(named: Mapping[str, str]) -> dict[str, list[str]]:
    """Give the patients of each stratum, both in order."""
    grouped: dict[str, list[str]] = {}
    for patient in sorted(named):
        grouped.setdefault(named[patient], []).append(patient)
    return {name: grouped[name] for name in sorted(grouped)}


def draw_share(named: Mapping[str, str], share: float, rng: Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw a share of the patients, the same of each stratum as nearly as whole patients allow.

    Parameters
    ----------
    named
        Patient -> stratum. A stratum of at least two has a patient on each side.
    share
        0 < share < 1.

    Returns
    -------
        The patients drawn and the others, each in order.
    """
    grouped = members(named)
    counts = share_counts([len(patients) for patients in grouped.values()], share)
    drawn: set[str] = set()
    for patients, count in zip(grouped.values(), counts, strict=True):
        drawn |= {patients[i] for i in rng.permutation(len(patients))[:count]}
    return tuple(sorted(drawn)), tuple(sorted(set(named) - drawn))


def deal(named: Mapping[str, str], parts: int, rng: Generator) -> list[tuple[str, ...]]:
    """Deal all patients into parts: two parts differ by one patient at most, in each stratum and in all."""
    dealt: list[str] = []
    for patients in members(named).values():
        dealt += [patients[i] for i in rng.permutation(len(patients))]
    return [tuple(sorted(dealt[part::parts])) for part in range(parts)]


def share_counts(sizes: Sequence[int], share: float) -> list[int]:
    """Give how many of each stratum a share takes: largest remainders, but one at least, and one is left."""
    exact = [size * share for size in sizes]
    counts = [int(value) for value in exact]
    missing = round(sum(exact)) - sum(counts)
    by_remainder = sorted(range(len(sizes)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: max(missing, 0)]:
        counts[i] += 1
    return [min(max(count, 1), size - 1) for count, size in zip(counts, sizes, strict=True)]
