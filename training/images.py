"""The one way from a row of the cohort to its pixels, be they in a DICOM file or drawn on demand."""

from numpy.random import Generator

from training.cohort import Cohort, CohortView
from training.images_dicom import load_dicom_region, load_dicom_view
from training.images_phantom import is_phantom, load_phantom_region, load_phantom_view
from training.loaded import LoadedRegion, LoadedView


def load_view(cohort: Cohort, row: CohortView) -> LoadedView:
    """Load a whole view with its labels.

    Parameters
    ----------
    cohort
        Whose row it is; says where files and masks are.
    row
        One of its views.

    Raises
    ------
    TrainingError
        If a file or mask is missing, was altered since the cohort was made, or cannot be decoded.
    """
    return load_phantom_view(row) if is_phantom(row.file) else load_dicom_view(cohort, row)


def load_region(cohort: Cohort, row: CohortView, *, side_mm: float, rng: Generator) -> LoadedRegion:
    """Load a square region round the lesion, or, where there is none, round a place drawn evenly over the breast.

    Parameters
    ----------
    side_mm
        Side of the square at the detector plane; kept inside the image.
    rng
        Draws the place where there is no lesion, and only then.

    Raises
    ------
    TrainingError
        As `load_view`.
    """
    if is_phantom(row.file):
        return load_phantom_region(row, side_mm=side_mm, rng=rng)
    return load_dicom_region(cohort, row, side_mm=side_mm, rng=rng)
