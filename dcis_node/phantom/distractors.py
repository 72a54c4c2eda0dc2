"""What a mammogram shows besides the lesion: benign calcifications, vessels, nodes, markers."""

from dataclasses import dataclass
from math import ceil, pi
from types import MappingProxyType

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dcis_node.phantom.geometry import Points, ViewGeometry
from dcis_node.phantom.noise import Field, Window
from dcis_node.phantom.shapes import Shape

_BENIGN_PER_VIEW = 7.0
_VESSELS_PER_VIEW = 2.2
_CALCIFIED_SHARE = 0.3
_MARKED_NIPPLE_SHARE = 0.2
_SPLAT_STEP_MM = 0.05

# Strokes of the letters on a field of 0..1 (x, y downwards): a lead marker, drawn as rounded lines.
_LETTERS = MappingProxyType(
    {
        "R": ((0, 0, 0, 1), (0, 0, 0.6, 0), (0.6, 0, 0.6, 0.5), (0.6, 0.5, 0, 0.5), (0.25, 0.5, 0.65, 1)),
        "L": ((0, 0, 0, 1), (0, 1, 0.6, 1)),
        "C": ((0, 0, 0, 1), (0, 0, 0.6, 0), (0, 1, 0.6, 1)),
        "M": ((0, 0, 0, 1), (0, 0, 0.35, 0.5), (0.35, 0.5, 0.7, 0), (0.7, 0, 0.7, 1)),
        "O": ((0, 0, 0, 1), (0, 0, 0.6, 0), (0, 1, 0.6, 1), (0.6, 0, 0.6, 1)),
    }
)


@dataclass(frozen=True, eq=False)
class Vessel:
    """A smooth curved band.

    Parameters
    ----------
    path
        (n, 2) points x, y in mm, evenly spaced by 0.05 mm.
    width_mm, contrast
        Width of the band and the signal it adds.
    """

    path: Points
    width_mm: float
    contrast: float


@dataclass(frozen=True)
class Node:
    """A smooth oval, brighter than fat; with a hilum, its middle is fat."""

    x_mm: float
    y_mm: float
    length_mm: float
    width_mm: float
    angle: float
    contrast: float
    hilum: bool


@dataclass(frozen=True, eq=False)
class Distractors:
    """Everything in one view that is neither tissue nor lesion."""

    vessels: tuple[Vessel, ...]
    nodes: tuple[Node, ...]
    shapes: tuple[Shape, ...]
    marker: tuple[Shape, ...]


def sample_distractors(rng: Generator, geometry: ViewGeometry, *, laterality: str) -> Distractors:
    """Draw the distractors of one view."""
    area = min(1.0, geometry.depth_mm * geometry.half_height_mm / 6000.0)  # a small breast holds fewer
    vessels, wall = _vessels(rng, geometry, int(rng.poisson(_VESSELS_PER_VIEW * area)))
    benign = _benign(rng, geometry, int(rng.poisson(_BENIGN_PER_VIEW * area)))
    ball = _nipple_marker(rng, geometry) if rng.random() < _MARKED_NIPPLE_SHARE else ()
    return Distractors(
        vessels=vessels,
        nodes=_nodes(rng, geometry),
        shapes=(*wall, *benign, *ball),
        marker=_view_marker(rng, geometry, laterality),
    )


def add_vessels(signal: Field, vessels: tuple[Vessel, ...], *, window: Window, pitch_mm: float) -> None:
    """Add vessels to the signal of a window whose cells are `pitch_mm` wide."""
    for vessel in vessels:
        sigma = max(vessel.width_mm / 2.6 / pitch_mm, 0.8)
        edge = ceil(3.0 * sigma) + 1
        cells = vessel.path / pitch_mm - 0.5
        column, row = np.rint(cells).astype(np.int64).T
        near = (row >= window.row - edge) & (row < window.row + window.rows + edge)
        near &= (column >= window.column - edge) & (column < window.column + window.columns + edge)
        if not near.any():
            continue
        row, column = row[near], column[near]
        top, left = int(row.min()) - edge, int(column.min()) - edge
        band = np.zeros((int(row.max()) + edge + 1 - top, int(column.max()) + edge + 1 - left), np.float32)
        np.add.at(band, (row - top, column - left), np.float32(_SPLAT_STEP_MM / pitch_mm))
        band = gaussian_filter(band, sigma, truncate=3.0)
        band *= np.float32(vessel.contrast * np.sqrt(2.0 * pi) * sigma)
        _paste(signal, band, top - window.row, left - window.column)


def add_nodes(signal: Field, nodes: tuple[Node, ...], *, window: Window, pitch_mm: float) -> None:
    """Add nodes to the signal of a window whose cells are `pitch_mm` wide."""
    for node in nodes:
        half = ceil(0.75 * node.length_mm / pitch_mm)
        row, column = round(node.y_mm / pitch_mm), round(node.x_mm / pitch_mm)
        own = Window(row - half, column - half, 2 * half + 1, 2 * half + 1)
        y, x = own.centres_mm(pitch_mm)
        x, y = x - np.float32(node.x_mm), y - np.float32(node.y_mm)
        c, s = np.float32(np.cos(node.angle)), np.float32(np.sin(node.angle))
        u, v = (c * x + s * y) * np.float32(2.0 / node.length_mm), (c * y - s * x) * np.float32(2.0 / node.width_mm)
        radius = np.hypot(u, v)
        oval = np.clip((np.float32(1.08) - radius) * np.float32(5.0), 0.0, 1.0)
        if node.hilum:
            oval = oval * (np.float32(1.0) - np.float32(0.75) * np.exp(-((u - 0.1) ** 2 + (v - 0.25) ** 2) / 0.10))
        _paste(
            signal,
            np.asarray(oval * np.float32(node.contrast), np.float32),
            own.row - window.row,
            own.column - window.column,
        )


def _paste(signal: Field, patch: Field, top: int, left: int) -> None:
    rows = slice(max(0, -top), max(0, min(patch.shape[0], signal.shape[0] - top)))
    columns = slice(max(0, -left), max(0, min(patch.shape[1], signal.shape[1] - left)))
    part = patch[rows, columns]
    if part.size:
        signal[
            top + rows.start : top + rows.start + part.shape[0],
            left + columns.start : left + columns.start + part.shape[1],
        ] += part


def _vessels(rng: Generator, geometry: ViewGeometry, count: int) -> tuple[tuple[Vessel, ...], tuple[Shape, ...]]:
    vessels: list[Vessel] = []
    calcified: list[Shape] = []
    for _ in range(count):
        path, headings = _walk(rng, geometry)
        width = float(rng.uniform(0.9, 2.4))
        vessels.append(Vessel(path, width, float(rng.uniform(0.06, 0.14))))
        if rng.random() < _CALCIFIED_SHARE:
            calcified += _tram_tracks(rng, path, headings, width)
    return tuple(vessels), tuple(calcified)


def _walk(rng: Generator, geometry: ViewGeometry) -> tuple[Points, Points]:
    """Walk from the back of the breast forwards, winding."""
    steps = int(rng.uniform(0.35, 0.9) * geometry.depth_mm / _SPLAT_STEP_MM)
    start = np.array(
        [
            rng.uniform(0.02, 0.35) * geometry.depth_mm,
            geometry.nipple[1] + rng.uniform(-0.75, 0.6) * geometry.half_height_mm,
        ]
    )
    aim = np.arctan2(geometry.nipple[1] - start[1], geometry.nipple[0] - start[0])
    slow = rng.normal(0.0, 1.0, ceil(steps * _SPLAT_STEP_MM / 4.0) + 3)
    turns = np.interp(np.arange(steps) * _SPLAT_STEP_MM / 4.0, np.arange(slow.size), slow)
    heading = 0.8 * aim + rng.normal(0.0, 0.25) + 0.30 * turns
    stride = np.column_stack((np.cos(heading), np.sin(heading))) * _SPLAT_STEP_MM
    path = start + np.cumsum(stride, axis=0)
    keep = geometry.inside_mm(path[::20]).repeat(20)[:steps] > 3.0
    end = steps if keep.all() else int(np.argmin(keep))
    return path[:end], heading[:end]


def _tram_tracks(rng: Generator, path: Points, headings: Points, width: float) -> list[Shape]:
    """Lay broken lines of calcium along both walls of a vessel."""
    shapes: list[Shape] = []
    contrast = float(rng.uniform(0.16, 0.36))
    first, last = np.sort(rng.uniform(0.0, 1.0, 2)) * len(path)
    for side in (-1.0, 1.0):
        place = first
        while place < last:
            length = float(rng.uniform(0.4, 2.4))
            index = int(place + 0.5 * length / _SPLAT_STEP_MM)
            if index >= len(path):
                break
            angle = float(headings[index])
            offset = side * 0.5 * width * np.array([-np.sin(angle), np.cos(angle)])
            x, y = path[index] + offset
            lumps = (0.3, float(rng.uniform(0, 2 * pi)), 0.4, float(rng.uniform(0, 2 * pi)))
            thick = float(rng.uniform(0.13, 0.28))
            shapes.append(
                Shape(float(x), float(y), length, thick, angle, "rod", contrast * rng.uniform(0.6, 1.2), lumps)
            )
            place += (length + rng.exponential(0.9)) / _SPLAT_STEP_MM
    return shapes


def _benign(rng: Generator, geometry: ViewGeometry, count: int) -> list[Shape]:
    return [_one_benign(rng, *place) for place in _places(rng, geometry, count, margin_mm=1.5)]


def _one_benign(rng: Generator, x: float, y: float) -> Shape:
    kind = rng.choice(("round", "rim", "coarse", "rod"), p=(0.64, 0.21, 0.12, 0.03))
    angle = float(rng.uniform(0.0, pi))
    contrast = float(rng.uniform(0.25, 0.6))
    if kind == "round":
        size = float(np.clip(np.exp(rng.normal(np.log(0.42), 0.45)), 0.16, 1.4))
        return Shape(x, y, size * 1.05, size, angle, "grain", contrast)
    if kind == "rim":
        size = float(rng.uniform(1.0, 3.2))
        return Shape(x, y, size * float(rng.uniform(1.0, 1.2)), size, angle, "rim", contrast * 1.2)
    if kind == "coarse":
        size = float(rng.uniform(1.0, 3.5))
        lumps = tuple(float(v) for k in range(3) for v in (rng.uniform(0.08, 0.22), rng.uniform(0.0, 2 * pi)))
        return Shape(x, y, size * float(rng.uniform(1.0, 1.5)), size, angle, "grain", contrast * 1.3, lumps)
    towards = float(rng.normal(0.0, 0.5))  # a large rod of a secretory kind
    lumps = (float(rng.uniform(0.5, 1.5)), float(rng.uniform(0, 2 * pi)), 0.5, float(rng.uniform(0, 2 * pi)))
    return Shape(x, y, float(rng.uniform(2.0, 4.0)), float(rng.uniform(0.3, 0.5)), towards, "rod", contrast, lumps)


def _places(rng: Generator, geometry: ViewGeometry, count: int, *, margin_mm: float) -> list[tuple[float, float]]:
    if count == 0:
        return []
    low, high = geometry.outline.min(axis=0), geometry.outline.max(axis=0)
    points = rng.uniform((0.0, max(0.0, low[1])), (high[0], min(high[1], geometry.height_mm)), (count * 4, 2))
    inside = points[geometry.inside_mm(points) > margin_mm][:count]
    return [(float(x), float(y)) for x, y in inside]


def _nodes(rng: Generator, geometry: ViewGeometry) -> tuple[Node, ...]:
    nodes = [_node(rng, x, y, (3.5, 8.0)) for x, y in _places(rng, geometry, int(rng.poisson(0.6)), margin_mm=8.0)]
    if geometry.pectoral is not None:  # axillary nodes lie over the muscle
        for _ in range(int(rng.poisson(0.9))):
            x, y = rng.uniform(0.05, 0.95) * geometry.pectoral[0], rng.uniform(0.0, 0.22) * geometry.height_mm
            nodes.append(_node(rng, float(x), float(y), (7.0, 16.0)))
    return tuple(nodes)


def _node(rng: Generator, x: float, y: float, sizes: tuple[float, float]) -> Node:
    length = float(rng.uniform(*sizes))
    width = length * float(rng.uniform(0.55, 0.9))
    angle = float(rng.uniform(0.0, pi))
    return Node(x, y, length, width, angle, float(rng.uniform(0.10, 0.24)), bool(rng.random() < 0.5))


def _nipple_marker(rng: Generator, geometry: ViewGeometry) -> tuple[Shape, ...]:
    x, y = geometry.nipple
    return (Shape(x - float(rng.uniform(0.0, 2.0)), y, 1.9, 1.9, 0.0, "grain", 1.6),)


def _view_marker(rng: Generator, geometry: ViewGeometry, laterality: str) -> tuple[Shape, ...]:
    """Put lead letters beside the breast, on the axillary side; readable when the image hangs as it is stored."""
    size = min(7.0, 0.045 * geometry.width_mm)
    text = laterality + geometry.view
    length = size * 0.95 * len(text)
    left = geometry.width_mm - length - size * float(rng.uniform(0.4, 1.2))
    top = geometry.height_mm * float(rng.uniform(0.03, 0.10))
    shapes = []
    for order, letter in enumerate(text):
        for x0, y0, x1, y1 in _LETTERS[letter]:
            across = (order * 0.95 + 0.5 * (x0 + x1)) * size
            # A right view is mirrored when it is stored: mirrored letters become readable.
            x = left + (length - across if laterality == "R" else across)
            angle = float(np.arctan2(y1 - y0, (x1 - x0) * (-1.0 if laterality == "R" else 1.0)))
            run = float(np.hypot(x1 - x0, y1 - y0)) * size + 0.16 * size
            shapes.append(Shape(x, top + 0.5 * (y0 + y1) * size, run, 0.16 * size, angle, "rod", 1.0))
    return tuple(shapes)
