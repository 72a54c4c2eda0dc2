"""The flow chart: how many patients and images were left after each exclusion (the paper's Fig. 1). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.cohort import CohortView, FlowStep

FIRST, LAST = "in the clinical table or among the images", "in the cohort"
LESIONS, HEALTHY = "with an annotated lesion", "of breasts without a lesion"


@dataclass(frozen=True)
class Fates:
    """What became of everybody and everything.

    Parameters
    ----------
    patients
        Key of every patient -> why she was left out, or "".
    images
        (patient key or "", why the image was left out or "") of every image file.
    """

    patients: Mapping[str, str]
    images: Sequence[tuple[str, str]]


def flow(fates: Fates, views: Sequence[CohortView], *, order: Sequence[str]) -> tuple[FlowStep, ...]:
    """Count what was left after each reason.

    Parameters
    ----------
    order
        Reasons for patients in the order in which they are counted; reasons for images follow, by name.

    Returns
    -------
        First all, then one step for each reason that left something out, then the cohort and its two parts.
    """
    patients = dict(fates.patients)
    images = list(fates.images)
    steps = [FlowStep(FIRST, len(patients), len(images))]
    for reason in (name for name in order if name in set(fates.patients.values())):
        patients = {key: why for key, why in patients.items() if why != reason}
        images = [image for image in images if not image[0] or image[0] in patients]
        steps.append(FlowStep(f"patients left out: {reason}", len(patients), len(images)))
    for reason in sorted({why for _, why in images if why}):
        images = [image for image in images if image[1] != reason]
        steps.append(FlowStep(f"images left out: {reason}", len(patients), len(images)))
    lesions = [view for view in views if view.lesion]
    healthy = [view for view in views if not view.lesion]
    parts = ((LAST, views), (LESIONS, lesions), (HEALTHY, healthy))
    return (*steps, *(FlowStep(name, len({view.patient for view in part}), len(part)) for name, part in parts))
