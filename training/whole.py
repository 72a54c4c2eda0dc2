"""Judge whole phantom views as the node judges a received one: nothing given but the image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import brightest
from dcis_node.model.localise import Localisation, outline
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import average, highest, prepare_view
from dcis_node.phantom.patient import LATERALITIES, VIEWS
from dcis_node.phantom.region import PhantomRegion, generate_negative_region, generate_region
from training.cohort import label
from training.evaluate import FoundView, is_hit
from training.phantoms import Group, group_patient, patient_key, view_of
from training.statistics import dice

# Longer than any detector's side: the region is then the whole view.
_WHOLE = 100_000


@dataclass(frozen=True, eq=False)
class WholeView:
    """One whole view, displayed, with its breast."""

    patient: str
    region: PhantomRegion
    label: int
    image: NDArray[np.float32]
    breast: NDArray[np.bool_]


def whole_views(ensemble: Ensemble, *, seed: int, group: Group, numbers: range, scenario: str) -> Iterator[WholeView]:
    """Render the four views of each patient and prepare them."""
    for number in numbers:
        patient = group_patient(seed, group, number)
        rng = np.random.default_rng(0)
        for laterality in LATERALITIES:
            for view in VIEWS:
                if laterality == patient.lesion_laterality:
                    region = generate_region(patient, view, size_px=_WHOLE, rng=rng)
                else:
                    region = generate_negative_region(patient, view, size_px=_WHOLE, rng=rng, laterality=laterality)
                image = prepare_view(region.stored, region.transforms, ensemble.bundle.preprocessing)
                # As the node does: the breast is looked for where no hard window has made it black.
                breast = find_breast(brightest(region.transforms, region.stored)).mask
                value = label(view_of(view, group, number, region, patient.vendor.name), scenario)
                yield WholeView(patient_key(group, number), region, value, image, breast)


def judge_whole(ensemble: Ensemble, whole: WholeView) -> FoundView:
    """Judge a view by `predict_view` alone, and compare with the truth."""
    true = whole.region.lesion_mask
    spacing = whole.region.spacing_mm
    seen = ensemble.predict_view(whole.image, whole.breast, spacing_mm=spacing)
    hits = [is_hit((candidate.row, candidate.column), true, spacing_mm=spacing) for candidate in seen.candidates]
    return FoundView(
        patient=whole.patient,
        laterality=whole.region.laterality,
        view=whole.region.view,
        label=whole.label,
        lesion=bool(true.any()),
        found=bool(hits),
        hit=bool(hits and hits[0]),
        any_hit=any(hits),
        false_marks=sum(not hit for hit in hits),
        dice=dice(seen.mask, true),
        probability=seen.probability,
    )


@dataclass(frozen=True)
class Swept:
    """One component of a sweep, for choosing what counts.

    Parameters
    ----------
    hit
        True if it is the true lesion.
    """

    threshold: float
    area_mm2: float
    summed_probability: float
    mean_probability: float
    calcifications: int
    hit: bool


@dataclass(frozen=True)
class SweptView:
    """All components of one view at several thresholds."""

    lesion: bool
    components: tuple[Swept, ...]


def sweep_whole(ensemble: Ensemble, whole: WholeView, *, thresholds: tuple[float, ...]) -> SweptView:
    """Sweep a view once and outline it at each threshold, leaving nothing out."""
    shape = (whole.image.shape[0], whole.image.shape[1])
    grid = ensemble.grid(shape, whole.region.spacing_mm)
    breast, true = highest(whole.breast, grid.shape), highest(whole.region.lesion_mask, grid.shape)
    foreground = ensemble.sweep_input(average(whole.image, grid.shape), breast)
    found = []
    for threshold in thresholds:
        loose = Localisation(threshold=threshold, min_area_mm2=0.5)
        for component in outline(foreground, loose, spacing_mm=grid.spacing_mm)[1]:
            hit = is_hit((component.row, component.column), true, spacing_mm=grid.spacing_mm)
            found.append(
                Swept(
                    threshold,
                    component.pixels * grid.spacing_mm[0] * grid.spacing_mm[1],
                    component.summed_probability,
                    component.mean_probability,
                    component.calcifications or 0,
                    hit,
                )
            )
    return SweptView(bool(true.any()), tuple(found))
