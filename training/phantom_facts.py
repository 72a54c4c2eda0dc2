"""What a hospital would know of a phantom patient beside the images: drawn from the seed, synthetic, plausible.

The shares follow the paper's cohort where it tells them; nothing of this shows in the image except the density.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.stats import beta

from dcis_node.phantom.latents import DENSITY_BETA
from dcis_node.phantom.patient import Patient

# Cancer Imaging 2024 (s40644-024-00691-x): median 54, IQR 49-62; the ends are ours.
_AGE_QUANTILES, _AGES = (0.0, 0.25, 0.5, 0.75, 1.0), (38, 49, 54, 62, 84)
_SCREENED = 0.539  # same source
# P(biopsy I, II, III | grade at surgery). Same source: of 331 graded biopsies 17 were I where surgery found II; 2 were
# I and 28 were II where it found III. It does not tell how often surgery found less: 5 % is ours.
_BIOPSY_BY_GRADE = ((0.95, 0.05, 0.0), (0.123, 0.827, 0.05), (0.021, 0.298, 0.681))
_BIOPSY_UNKNOWN = 133 / 464
# BI-RADS density a/b/c/d in about 10/40/40/10 % of women.
_DENSITY_SHARES = (0.1, 0.5, 0.9)
# Stream of a seed's random numbers that no part of the image draws from.
_STREAM = 1000


@dataclass(frozen=True)
class PhantomFacts:
    """Synthetic facts of one phantom patient.

    Parameters
    ----------
    age
        Years, 38 to 84.
    detection
        `screening` or `symptomatic`.
    grade_biopsy
        1, 2, 3 or None where unknown, and None without a lesion; not always the grade at surgery.
    density
        BI-RADS `a` ... `d`, of the denser breast.
    size_mm
        Extent of the lesion, one decimal; None without one.
    """

    age: int
    detection: str
    grade_biopsy: int | None
    density: str
    size_mm: float | None


def phantom_facts(patient: Patient) -> PhantomFacts:
    """Draw the facts of a patient; equal seeds give equal facts."""
    rng = np.random.default_rng((patient.seed, _STREAM))
    age = round(float(np.interp(rng.random(), _AGE_QUANTILES, _AGES)))
    detection = "screening" if rng.random() < _SCREENED else "symptomatic"
    lesion = patient.lesion
    return PhantomFacts(
        age=age,
        detection=detection,
        grade_biopsy=_biopsy(rng, lesion.grade) if lesion else None,
        density=density_letter(max(breast.density for breast in patient.breasts)),
        size_mm=round(lesion.extent_mm, 1) if lesion else None,
    )


def density_letter(density: float) -> str:
    """Give the BI-RADS letter of a share of glandular tissue, 0..1."""
    limits = beta.ppf(_DENSITY_SHARES, *DENSITY_BETA)
    return "abcd"[int(np.searchsorted(limits, density))]


def _biopsy(rng: Generator, grade: int) -> int | None:
    unknown = rng.random() < _BIOPSY_UNKNOWN
    drawn = int(rng.choice(3, p=_BIOPSY_BY_GRADE[grade - 1])) + 1
    return None if unknown else drawn
