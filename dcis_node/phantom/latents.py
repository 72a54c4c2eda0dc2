"""What is drawn for one patient before any pixel: grade, morphology, extent, counts, and the breasts.

The table is ours: consistent with Hofvind 2011 (Acta Radiol 52:481), BJR 2000 73:938 and the Sloane Project (Breast
Cancer Res 2008 10(S3):P14), not a measurement. It is sharpened so that a reader with perfect eyes reaches an AUC of
about 0.88: grades overlap, as they do in life. No figure learnt from it says anything of patients.
"""

from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from types import MappingProxyType

import numpy as np
from numpy.random import Generator

MORPHOLOGIES = ("fine_linear", "fine_pleomorphic", "coarse_heterogeneous", "amorphous", "punctate")
DISTRIBUTIONS = ("grouped", "segmental", "linear", "regional", "diffuse")
GRADE_SHARES = (0.300, 0.416, 0.284)  # Cancer Imaging 2024 (s40644-024-00691-x), cohort

_TABLE = np.array(
    [
        [0.15, 0.25, 0.12, 0.33, 0.15],
        [0.25, 0.37, 0.13, 0.18, 0.07],
        [0.42, 0.38, 0.10, 0.07, 0.03],
    ]
)
_SHARPENING = 1.7
_DISTRIBUTION = np.array([0.50, 0.25, 0.12, 0.11, 0.02])
_EXTENT_LOG_MEAN, _EXTENT_LOG_SD = 3.0, 0.65
_EXTENT_LOG_SHIFT = (-0.20, -0.05, 0.30)  # by grade
EXTENT_RANGE_MM = (4.0, 70.0)
_SIZE_BY_GRADE, _SIZE_LOG_SD = (0.85, 0.95, 1.20), 0.22
# Occult invasion rises with grade and size (O'Flynn 2008, BCR 10(S3):P51; OR 1.04 per mm); scaled to 14.7 % overall.
_UPSTAGED_BY_GRADE = (-2.52, -2.17, -1.57)
_UPSTAGED_PER_MM = 0.035
_MIDDLE_EXTENT_MM = 20.0
DENSITY_BETA = (1.6, 2.4)
_COUNT_FACTOR = MappingProxyType({"amorphous": 1.6})

# One number per grade 1, 2, 3.
Likelihoods = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class LesionLatents:
    """The drawn truth of one DCIS lesion.

    Parameters
    ----------
    grade
        1, 2 or 3.
    upstaged
        True if occult invasive cancer would be found in the specimen. Shows in the image through grade and size only.
    extent_mm
        Largest dimension of the calcified region.
    count
        Calcifications drawn; a few more or less are made, because branches are whole.
    size_scale, contrast_scale
        Factors on the diameter (depends on grade) and on the contrast (does not).
    """

    grade: int
    upstaged: bool
    extent_mm: float
    morphology: str
    distribution: str
    count: int
    size_scale: float
    contrast_scale: float


@dataclass(frozen=True)
class BreastLatents:
    """The drawn form and tissue of one breast; lengths are of the uncropped breast in mm on the detector.

    Parameters
    ----------
    depth_mm
        From the chest wall edge to the nipple, CC.
    half_height_mm
        Half of the height at the chest wall, CC.
    density
        Share of glandular tissue, 0..1.
    beta
        Slope of the power spectrum of the texture.
    wobble
        Six small numbers that bend the outline.
    """

    depth_mm: float
    half_height_mm: float
    density: float
    beta: float
    strands: float
    wobble: tuple[float, ...]
    pectoral_top: float
    pectoral_length: float


def sample_grade(rng: Generator) -> int:
    """Draw grade 1, 2 or 3 with the shares of the paper's cohort."""
    return int(rng.choice(3, p=GRADE_SHARES)) + 1


def morphology_probabilities(grade: int, extent_mm: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the probability of each of `MORPHOLOGIES` for a grade and an extent."""
    mean = np.array(GRADE_SHARES) @ _TABLE
    weights = mean * (_TABLE[grade - 1] / mean) ** _SHARPENING
    weights /= weights.sum()
    # Casting type rises with size at every grade (Sloane).
    weights[0] *= exp(0.02 * (extent_mm - _MIDDLE_EXTENT_MM))
    probabilities: np.ndarray[tuple[int], np.dtype[np.float64]] = weights / weights.sum()
    return probabilities


def sample_lesion(rng: Generator, *, grade: int | None = None) -> LesionLatents:
    """Draw the latents of one lesion; the grade too, unless it is given."""
    drawn = sample_grade(rng)
    grade = drawn if grade is None else grade
    extent = float(np.exp(rng.normal(_extent_log_mean(grade), _EXTENT_LOG_SD)))
    extent = float(np.clip(extent, *EXTENT_RANGE_MM))
    morphology = str(rng.choice(MORPHOLOGIES, p=morphology_probabilities(grade, extent)))
    return LesionLatents(
        grade=grade,
        upstaged=bool(rng.random() < upstaged_probability(grade, extent)),
        extent_mm=extent,
        morphology=morphology,
        distribution=_sample_distribution(rng, morphology),
        count=_sample_count(rng, morphology, extent),
        size_scale=float(np.exp(rng.normal(log(_SIZE_BY_GRADE[grade - 1]), _SIZE_LOG_SD))),
        contrast_scale=float(np.exp(rng.normal(0.0, 0.25))),
    )


def upstaged_probability(grade: int, extent_mm: float) -> float:
    """Give the probability of occult invasion."""
    return 1.0 / (1.0 + exp(-(_UPSTAGED_BY_GRADE[grade - 1] + _UPSTAGED_PER_MM * (extent_mm - _MIDDLE_EXTENT_MM))))


def extent_likelihoods(extent_mm: float) -> Likelihoods:
    """Give the likelihood of an extent for grades 1, 2, 3, up to a factor that is the same for all.

    At the ends of `EXTENT_RANGE_MM` it is that of all extents beyond, which were cut to it.
    """
    z = [(log(extent_mm) - _extent_log_mean(grade)) / _EXTENT_LOG_SD for grade in (1, 2, 3)]
    low, high = EXTENT_RANGE_MM
    if extent_mm <= low:
        return np.array([0.5 * erfc(-value / sqrt(2.0)) for value in z])
    if extent_mm >= high:
        return np.array([0.5 * erfc(value / sqrt(2.0)) for value in z])
    return np.array([exp(-0.5 * value * value) for value in z])


def morphology_likelihoods(morphology: str, extent_mm: float) -> Likelihoods:
    """Give the probability of a morphology for grades 1, 2, 3, given the extent."""
    place = MORPHOLOGIES.index(morphology)
    return np.array([morphology_probabilities(grade, extent_mm)[place] for grade in (1, 2, 3)])


def size_likelihoods(size_scale: float) -> Likelihoods:
    """Give the likelihood of the calcifications' size for grades 1, 2, 3, up to a factor that is the same for all."""
    z = [(log(size_scale) - log(size)) / _SIZE_LOG_SD for size in _SIZE_BY_GRADE]
    return np.array([exp(-0.5 * value * value) for value in z])


def _extent_log_mean(grade: int) -> float:
    return _EXTENT_LOG_MEAN + _EXTENT_LOG_SHIFT[grade - 1]


def _sample_distribution(rng: Generator, morphology: str) -> str:
    shares = _DISTRIBUTION.copy()
    if morphology == "fine_linear":  # casts follow ducts: fewer groups, more segments and lines
        shares += (-0.15, 0.10, 0.05, 0.0, 0.0)
    return str(rng.choice(DISTRIBUTIONS, p=shares))


def _sample_count(rng: Generator, morphology: str, extent_mm: float) -> int:
    count = np.exp(rng.normal(log(20.0), 0.5)) * (extent_mm / 12.0) ** 0.8 * _COUNT_FACTOR.get(morphology, 1.0)
    return int(np.clip(round(count), 5, 250))


def sample_breasts(rng: Generator) -> tuple[BreastLatents, BreastLatents]:
    """Draw the right and the left breast: one woman's, so alike, but not equal."""
    depth = float(np.clip(rng.normal(88.0, 16.0), 55.0, 135.0))
    half = float(np.clip(depth * rng.normal(1.0, 0.08), 58.0, 130.0))
    density = float(rng.beta(*DENSITY_BETA))
    beta = float(np.clip(rng.normal(3.0, 0.25), 2.3, 3.7))  # PMC3298563, and measured on real files
    strands = float(rng.uniform(0.6, 1.4))
    pectoral = float(np.clip(rng.normal(0.38, 0.10), 0.20, 0.58)), float(np.clip(rng.normal(0.50, 0.11), 0.28, 0.72))
    one, other = (
        BreastLatents(
            depth_mm=depth * float(rng.normal(1.0, 0.02)),
            half_height_mm=half * float(rng.normal(1.0, 0.02)),
            density=float(np.clip(density + rng.normal(0.0, 0.04), 0.02, 0.95)),
            beta=beta,
            strands=strands,
            wobble=tuple(float(v) for v in rng.normal(0.0, 1.0, 6)),
            pectoral_top=pectoral[0] * float(rng.normal(1.0, 0.06)),
            pectoral_length=pectoral[1] * float(rng.normal(1.0, 0.06)),
        )
        for _ in range(2)
    )
    return one, other
