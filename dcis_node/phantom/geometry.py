"""Form of a breast in one view: outline, nipple, pectoral muscle, and where a point of the breast is projected.

Coordinates are canonical: chest wall at x = 0 (left edge), x towards the nipple, y downwards; lateral (CC) or head
(MLO) is up. That is how a left breast is stored by rule; a right one is mirrored when it is stored.
"""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from dcis_node.phantom.latents import BreastLatents

Points = NDArray[np.float64]

_OUTLINE_STEP_MM = 0.4
_HALF = sqrt(0.5)


@dataclass(frozen=True, eq=False)
class ViewGeometry:
    """One compressed breast on the detector; all lengths in mm.

    Parameters
    ----------
    view
        CC or MLO.
    height_mm, width_mm
        The frame.
    nipple
        (x, y) of the tip.
    depth_mm
        Nipple to chest wall edge.
    half_height_mm
        Half height of the breast, the measure for positions along y.
    outline, normals
        (n, 2) points along the skin and the outward normals there.
    pectoral
        (width at the top, length along the chest wall) of the muscle; None in CC.
    """

    view: str
    height_mm: float
    width_mm: float
    nipple: tuple[float, float]
    depth_mm: float
    half_height_mm: float
    outline: Points
    normals: Points
    pectoral: tuple[float, float] | None
    tree: cKDTree

    def project(self, points: Points) -> Points:
        """Project points of the breast onto the detector.

        Parameters
        ----------
        points
            (n, 3): depth behind the nipple, lateral, up; in mm.

        Returns
        -------
        (n, 2): x, y in mm. Depth is the same in both views, so a lesion keeps its distance from the nipple.
        """
        depth, lateral, up = points.T
        along = lateral if self.view == "CC" else (lateral + up) * _HALF
        return np.column_stack((self.nipple[0] - depth, self.nipple[1] - along))

    def project_directions(self, directions: Points) -> Points:
        """Project direction vectors, (n, 3) to (n, 2); a stretch that points at the tube gets short."""
        depth, lateral, up = directions.T
        along = lateral if self.view == "CC" else (lateral + up) * _HALF
        return np.column_stack((-depth, -along))

    def inside_mm(self, points: Points) -> NDArray[np.float64]:
        """Give the distance of (n, 2) points to the skin; positive inside."""
        _, nearest = self.tree.query(points)
        away = self.outline[nearest] - points
        distance: NDArray[np.float64] = (away * self.normals[nearest]).sum(axis=1)
        return distance

    def pectoral_mm(self, points: Points) -> NDArray[np.float64]:
        """Give the distance of (n, 2) points to the edge of the muscle; positive in it, far negative in CC."""
        if self.pectoral is None:
            return np.full(len(points), -1e3)
        width, length = self.pectoral
        x, y = points.T
        # A straight edge from (width, 0) to (0, length), bulging a little forwards.
        bulge = 0.05 * width * np.sin(np.clip(y / length, 0.0, 1.0) * pi)
        distance: NDArray[np.float64] = (width * (1.0 - y / length) + bulge - x) * length / np.hypot(width, length)
        return distance


def place_breast(latents: BreastLatents, view: str, *, height_mm: float, width_mm: float) -> ViewGeometry:
    """Lay a breast onto a detector; one that is too large for the frame is made smaller, never cut off."""
    half = latents.half_height_mm * (1.0 if view == "CC" else 0.82)
    depth = latents.depth_mm * (1.0 if view == "CC" else 1.06)
    fit = min(1.0, 0.86 * width_mm / depth, 0.90 * height_mm / (2.0 * half))
    depth, half = depth * fit, half * fit
    if view == "CC":
        nipple_y = height_mm * 0.5 + half * 0.05 * latents.wobble[0]
        knots = _cc_outline(latents, depth=depth, half=half, nipple_y=nipple_y)
        pectoral = None
    else:
        nipple_y = min(height_mm * 0.58 + 0.03 * half * latents.wobble[0], height_mm * 0.96 - half * 1.05)
        width = min(latents.pectoral_top * width_mm, 0.72 * depth)
        pectoral = (width, max(latents.pectoral_length * height_mm, 1.25 * width))
        knots = _mlo_outline(latents, depth=depth, half=half, nipple_y=nipple_y, top=width)
    outline, normals = _trace(knots)
    size = float(np.clip(1.9 + 1.1 * latents.wobble[5], 0.3, 4.0)) * fit  # some nipples are flat
    outline = outline + normals * _nipple_bump(outline, (depth, nipple_y), size=size)[:, None]
    tip = int(np.argmin(np.abs(outline[:, 1] - nipple_y) + 10.0 * (outline[:, 0] < 0.6 * depth)))
    nipple = float(outline[tip, 0]), float(outline[tip, 1])
    return ViewGeometry(
        view, height_mm, width_mm, nipple, depth, half, outline, _normals(outline), pectoral, cKDTree(outline)
    )


def _cc_outline(latents: BreastLatents, *, depth: float, half: float, nipple_y: float) -> Points:
    """Half a superellipse whose centre lies behind the chest wall, bent a little."""
    angles = np.linspace(-0.5 * pi, 0.5 * pi, 25)
    behind = 0.12 * depth
    power = 0.92 + 0.03 * latents.wobble[1]
    x = (depth + behind) * np.abs(np.cos(angles)) ** power - behind
    y = half * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    y *= np.where(y < 0, 1.03, 0.97)
    bend = 0.012 * half * sum(latents.wobble[k] * np.sin((k + 1) * angles + k) for k in (2, 3, 4))
    return np.column_stack((x + bend * np.cos(angles), nipple_y + y))


def _mlo_outline(latents: BreastLatents, *, depth: float, half: float, nipple_y: float, top: float) -> Points:
    """From the axilla at the upper edge round the nipple to the fold below the breast."""
    w = latents.wobble
    shoulder = max(top + 0.10 * depth, (0.62 + 0.06 * w[1]) * depth)
    fold = nipple_y + half * (1.0 + 0.04 * w[3])
    return np.array(
        [
            (shoulder - 0.06 * depth, -0.35 * nipple_y),
            (shoulder, 0.0),
            (min(0.90 * depth, shoulder + (0.13 + 0.02 * w[2]) * depth), 0.36 * nipple_y),
            (0.955 * depth, nipple_y - 0.36 * half),
            (depth, nipple_y),
            (0.90 * depth, nipple_y + 0.40 * half),
            (0.60 * depth, nipple_y + 0.78 * half),
            (0.24 * depth, nipple_y + 0.97 * half),
            (0.02 * depth, fold + 0.06 * half),
            (-0.20 * depth, fold + 0.14 * half),
        ]
    )


def _trace(knots: Points) -> tuple[Points, Points]:
    """Lay a smooth curve through the knots, in even steps."""
    along = np.concatenate(([0.0], np.cumsum(np.sqrt(np.hypot(*np.diff(knots, axis=0).T)))))  # centripetal: no loops
    spline = CubicSpline(along, knots)
    fine = spline(np.linspace(0.0, along[-1], 2000))
    length = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(fine, axis=0).T))))
    even = np.arange(0.0, length[-1], _OUTLINE_STEP_MM)
    outline = np.column_stack([np.interp(even, length, fine[:, k]) for k in (0, 1)])
    return outline, _normals(outline)


def _normals(outline: Points) -> Points:
    tangent = np.gradient(outline, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    return np.column_stack((tangent[:, 1], -tangent[:, 0]))  # the outline runs downwards, so outside is to its left


def _nipple_bump(outline: Points, nipple: tuple[float, float], *, size: float) -> NDArray[np.float64]:
    distance = np.hypot(outline[:, 0] - nipple[0], outline[:, 1] - nipple[1])
    bump: NDArray[np.float64] = size * np.exp(-((distance / 5.5) ** 4))
    return bump
