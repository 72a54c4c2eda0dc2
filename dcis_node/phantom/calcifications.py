"""The calcifications of one lesion in three dimensions, so that both views show the same cluster.

Sizes and forms by class: see the table of sources in `latents`; Feret diameters measured on real Hologic clusters have
percentiles 10/50/90/99 of 0.22/0.36/0.65/1.01 mm. Visible down to about 0.13 mm (amorphous, at low contrast).
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.random import Generator

from dcis_node.phantom.geometry import Points, ViewGeometry
from dcis_node.phantom.latents import LesionLatents
from dcis_node.phantom.shapes import Shape

# Semi-axes of the region in units of the extent: towards the nipple, across, across.
_AXES = MappingProxyType(
    {
        "grouped": (0.50, 0.40, 0.34),
        "segmental": (0.50, 0.24, 0.20),
        "linear": (0.50, 0.07, 0.06),
        "regional": (0.50, 0.46, 0.40),
        "diffuse": (0.50, 0.50, 0.46),
    }
)
_CONTRAST = MappingProxyType(
    {"fine_linear": 0.34, "fine_pleomorphic": 0.34, "coarse_heterogeneous": 0.46, "amorphous": 0.25, "punctate": 0.30}
)
_REFERENCE_MM = 0.3


@dataclass(frozen=True)
class Calcification:
    """One calcification of a lesion.

    Parameters
    ----------
    position
        (depth behind the nipple, lateral, up) in mm.
    direction
        Unit vector of its length in the same frame.
    length_mm, width_mm
        Full length and width.
    form, contrast, lumps
        As of `dcis_node.phantom.shapes.Shape`.
    """

    position: tuple[float, float, float]
    direction: tuple[float, float, float]
    length_mm: float
    width_mm: float
    form: str
    contrast: float
    lumps: tuple[float, ...]


def grow(rng: Generator, lesion: LesionLatents, *, centre: tuple[float, float, float]) -> tuple[Calcification, ...]:
    """Make the calcifications of a lesion round its centre (depth, lateral, up in mm)."""
    middle = np.asarray(centre)
    frame = _frame(rng, lesion, middle)
    semi = np.asarray(_AXES[lesion.distribution]) * lesion.extent_mm
    if lesion.morphology == "fine_linear":
        positions, directions = _along_ducts(rng, lesion, semi)
    else:
        positions = _scattered(rng, lesion, semi)
        directions = _unit(rng.normal(size=positions.shape))
    positions = _stretch(positions, lesion.extent_mm) @ frame + middle
    directions = directions @ frame
    return tuple(_make(rng, lesion, p, d) for p, d in zip(positions, directions, strict=True))


def project(calcifications: tuple[Calcification, ...], geometry: ViewGeometry) -> tuple[Shape, ...]:
    """Give the calcifications as shapes of one view, in the same order."""
    if not calcifications:
        return ()
    places = geometry.project(np.array([c.position for c in calcifications]))
    directions = geometry.project_directions(np.array([c.direction for c in calcifications]))
    lengths = np.hypot(*directions.T)
    return tuple(
        Shape(
            x_mm=float(x),
            y_mm=float(y),
            length_mm=max(c.length_mm * float(seen), c.width_mm),
            width_mm=c.width_mm,
            angle=float(np.arctan2(dy, dx)),
            form=c.form,
            contrast=c.contrast,
            lumps=c.lumps,
        )
        for c, (x, y), (dx, dy), seen in zip(calcifications, places, directions, lengths, strict=True)
    )


def _frame(rng: Generator, lesion: LesionLatents, centre: Points) -> Points:
    """Axes of the region as rows: the first towards the nipple (segmental, linear) or anywhere."""
    first = -centre if lesion.distribution in ("segmental", "linear") else rng.normal(size=3)
    if lesion.distribution in ("segmental", "linear"):
        first = first / max(float(np.linalg.norm(first)), 1e-6) + rng.normal(0.0, 0.12, 3)
    axes, _ = np.linalg.qr(np.column_stack((first, rng.normal(size=(3, 2)))))
    return axes.T * np.sign(axes[:, 0] @ first)


def _scattered(rng: Generator, lesion: LesionLatents, semi: Points) -> Points:
    points = _in_ball(rng, lesion.count)
    if lesion.morphology in ("fine_pleomorphic", "amorphous"):
        foci = _in_ball(rng, int(rng.integers(2, 5))) * 0.8
        nearest = rng.integers(0, len(foci), lesion.count)
        tight = foci[nearest] + rng.normal(0.0, 0.14, points.shape)
        points = np.where(rng.random(lesion.count)[:, None] < 0.5, tight, points)
    return points * semi


def _in_ball(rng: Generator, count: int) -> Points:
    return _unit(rng.normal(size=(count, 3))) * rng.random((count, 1)) ** (1.0 / 3.0)


def _along_ducts(rng: Generator, lesion: LesionLatents, semi: Points) -> tuple[Points, Points]:
    """Walk along duct branches; leave a cast, then a gap."""
    branches = int(np.clip(round(lesion.count / 7.0), 2, 14))
    positions: list[Points] = []
    directions: list[Points] = []
    for start in _in_ball(rng, branches) * semi:
        heading = _unit(np.array([1.0, 0.0, 0.0]) + rng.normal(0.0, 0.28, 3))
        place = start - heading * rng.uniform(0.1, 0.5) * semi[0]
        for _ in range(max(2, round(lesion.count / branches))):
            positions.append(place)
            directions.append(heading)
            if rng.random() < 0.18:  # a branch leaves at 25-50 degrees
                aside = _turn(rng, heading, rng.uniform(0.44, 0.87))
                positions.append(place + aside * rng.uniform(0.4, 0.8))
                directions.append(aside)
            heading = _unit(heading + rng.normal(0.0, 0.13, 3))
            place = place + heading * rng.uniform(0.9, 2.6)
    return np.array(positions), np.array(directions)


def _turn(rng: Generator, heading: Points, angle: float) -> Points:
    across = rng.normal(size=3)
    across = _unit(across - heading * (across @ heading))
    turned: Points = np.cos(angle) * heading + np.sin(angle) * across
    return turned


def _unit(vectors: Points) -> Points:
    unit: Points = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return unit


def _stretch(points: Points, extent_mm: float) -> Points:
    """Centre the points and scale them so that they span the extent along their longest axis of the frame."""
    points = points - 0.5 * (points.min(axis=0) + points.max(axis=0))
    span = float(np.ptp(points, axis=0).max())
    scaled: Points = points * (extent_mm / max(span, 1e-6))
    return scaled


def _make(rng: Generator, lesion: LesionLatents, position: Points, direction: Points) -> Calcification:
    length, width, form, lumpy = _size(rng, lesion.morphology)
    length, width = length * lesion.size_scale, width * lesion.size_scale
    contrast = _CONTRAST[lesion.morphology] * lesion.contrast_scale * float(np.exp(rng.normal(0.0, 0.22)))
    contrast *= float(np.clip((width / _REFERENCE_MM) ** 0.45, 0.6, 1.5))
    lumps = tuple(
        float(v) for k in range(3) for v in (rng.uniform(0.3, 1.0) * lumpy / (k + 1), rng.uniform(0.0, 6.283))
    )
    return Calcification(
        position=(float(position[0]), float(position[1]), float(position[2])),
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        length_mm=length,
        width_mm=width,
        form=form,
        contrast=contrast,
        lumps=lumps if lumpy else (),
    )


def _size(rng: Generator, morphology: str) -> tuple[float, float, str, float]:
    """Draw length and width in mm, the form, and how irregular the edge is."""
    if morphology == "fine_linear":
        if rng.random() < 0.22:  # beads
            width = float(rng.uniform(0.14, 0.34))
            return width * float(rng.uniform(1.0, 1.5)), width, "grain", 0.18
        length = float(np.clip(np.exp(rng.normal(np.log(0.95), 0.45)), 0.4, 2.2))
        return length, float(rng.uniform(0.12, 0.34)), "rod", 0.5
    if morphology == "fine_pleomorphic":
        length = float(np.clip(np.exp(rng.normal(np.log(0.34), 0.38)), 0.13, 0.8))
        return length, max(length / float(rng.uniform(1.0, 2.5)), 0.13), "grain", 0.30
    if morphology == "coarse_heterogeneous":
        length = float(np.clip(np.exp(rng.normal(np.log(0.58), 0.35)), 0.3, 1.2))
        return length, length / float(rng.uniform(1.0, 1.8)), "grain", 0.30
    if morphology == "amorphous":
        length = float(rng.uniform(0.12, 0.32))
        return length * float(rng.uniform(1.0, 1.4)), length, "fuzzy", 0.0
    length = float(rng.uniform(0.18, 0.45))
    return length * float(rng.uniform(1.0, 1.12)), length, "grain", 0.04
