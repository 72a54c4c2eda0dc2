"""The end of every import: patients without a lesion's row go, counts are made, the cohort is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.errors import TrainingError
from training.cohort import COHORT_NAME, Cohort, CohortView, Exclusion, write_cohort
from training.importing.flow import Fates, flow
from training.importing.patients import PATIENT_REASONS
from training.importing.scan import SYNTHETIC, ScannedImage
from training.importing.tables import write_tables


@dataclass(frozen=True)
class Outcome:
    """What an import found out, before it is written.

    Parameters
    ----------
    images
        All images of the folder.
    keys
        Image file -> key of its patient; files without a patient are missing.
    patients
        Key of every patient -> why she was left out, or "".
    left
        (file, reason, detail) of images that were left out.
    views
        The rows.
    unpaired
        (file, reason, detail) of annotations that belong to no image; they are told, not counted.
    """

    images: Sequence[ScannedImage]
    keys: Mapping[str, str]
    patients: Mapping[str, str]
    left: Sequence[tuple[str, str, str]]
    views: Sequence[CohortView]
    unpaired: Sequence[tuple[str, str, str]] = ()


def refuse_existing(out: Path) -> None:
    """Refuse to import into a folder that has something in it, before hours of work.

    Raises
    ------
    TrainingError
        If so.
    """
    if (out / COHORT_NAME).exists():
        raise TrainingError(f"{COHORT_NAME} exists already in the folder; a cohort is never changed, make a new one")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError("the folder for the cohort is not empty; give a new one")


def write_outcome(
    outcome: Outcome, *, out: Path, images: Path, source: dict[str, Any], needs_lesion: bool = True
) -> Cohort:
    """Write the cohort and its tables.

    Parameters
    ----------
    needs_lesion
        Leave out patients none of whose images shows an annotated lesion.

    Raises
    ------
    TrainingError
        If no image is left; nothing is written then but masks.
    """
    views, patients = list(outcome.views), dict(outcome.patients)
    with_lesion = {view.patient for view in views if view.lesion}
    left = {file: (reason, detail) for file, reason, detail in outcome.left}
    for key in [key for key, reason in patients.items() if not reason and key not in with_lesion]:
        if needs_lesion or all(view.patient != key for view in views):
            patients[key] = _why_empty([left[f][0] for f, k in outcome.keys.items() if k == key and f in left])
    views = [view for view in views if not patients.get(view.patient, "")]
    if not views:
        raise TrainingError(f"no image is left for the cohort: {_most_common(patients, left)}")
    fates = Fates(patients, [(outcome.keys.get(i.file, ""), left.get(i.file, ("", ""))[0]) for i in outcome.images])
    return _with_tables(
        write_cohort(
            out,
            images=images,
            synthetic=any(image.header and image.header.manufacturer == SYNTHETIC for image in outcome.images),
            views=views,
            exclusions=_exclusions(patients, (*outcome.left, *outcome.unpaired)),
            flow=flow(fates, views, order=tuple(PATIENT_REASONS)),
            source=source,
        )
    )


def _with_tables(cohort: Cohort) -> Cohort:
    write_tables(cohort)
    return cohort


def _why_empty(reasons: Sequence[str]) -> str:
    return "no_annotation" if "no_annotation" in reasons or not reasons else "no_usable_image"


def _exclusions(patients: Mapping[str, str], left: Sequence[tuple[str, str, str]]) -> tuple[Exclusion, ...]:
    people = [Exclusion("patient", key, why, PATIENT_REASONS[why]) for key, why in sorted(patients.items()) if why]
    return (*people, *(Exclusion("image", *row) for row in sorted(left)))


def _most_common(patients: Mapping[str, str], left: Mapping[str, tuple[str, str]]) -> str:
    reasons = [why for why in patients.values() if why] + [why for why, _ in left.values()]
    counts = sorted({why: reasons.count(why) for why in reasons}.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{why} {count}" for why, count in counts[:5]) or "there was none"
