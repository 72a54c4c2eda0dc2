"""Where the lesion is: outlined components of a probability map, ranked.

Everything here is in pixels of the network's input; `predict` brings it back to stored pixels.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass
from scipy import ndimage

from dcis_node.model.tiles import blend_weights, cut, tiles_over

# (n, tile, tile) float32 in [0, 1] -> (n, classes, tile, tile) float32 probabilities; class 0 is background.
SegmentTiles = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Calcification class of a network with three segmentation classes.
CALCIFICATION = 2


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Localisation:
    """What counts as an outlined lesion. It travels in the bundle: its values were chosen with the weights.

    Parameters
    ----------
    threshold
        Lesion probability from which a pixel is outlined.
    join_mm
        Components closer than this are one lesion: a cluster is outlined in pieces. 3 mm is about the distance of
        neighbours in a grouped cluster (BI-RADS: at least five within 1 cm).
    min_area_mm2
        Smaller components are noise.
    min_calcifications
        Components with fewer counted calcifications are left out, where the network counts them. A single benign
        calcification is not a cluster.
    rank
        `calcifications`: by number of calcifications times mean probability, which keeps a long calcified vessel
        from winning by its area; `summed_probability`: where the network does not count.
    """

    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    join_mm: Annotated[float, Field(ge=0.0, le=50.0)] = 3.0
    min_area_mm2: Annotated[float, Field(ge=0.0)] = 4.0
    min_calcifications: Annotated[int, Field(ge=0)] = 0
    rank: Literal["calcifications", "summed_probability"] = "summed_probability"

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the manifest."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Component:
    """One outlined component in input pixels.

    Parameters
    ----------
    label
        Its value in the label image.
    row, column
        Probability-weighted centre.
    box
        (first row, first column, last row + 1, last column + 1).
    """

    label: int
    row: float
    column: float
    box: tuple[int, int, int, int]
    pixels: int
    summed_probability: float
    calcifications: int | None

    @property
    def mean_probability(self) -> float:
        """Mean lesion probability over the component."""
        return self.summed_probability / self.pixels


def sweep(
    image: NDArray[np.float32],
    breast: NDArray[np.bool_],
    segment: SegmentTiles,
    *,
    tile: int,
    overlap: int,
    at_once: int = 1,
) -> NDArray[np.float32]:
    """Segment a whole view tile by tile, over the breast only.

    Parameters
    ----------
    image
        (rows, columns) float32 in [0, 1].
    breast
        (rows, columns) bool; outside it every probability is set to 0, as air and labels are no tissue.
    segment
        What segments some tiles.
    at_once
        How many it is given at once.

    Returns
    -------
    (classes - 1, rows, columns) float32: the probabilities of the classes other than background, blended where
    tiles overlap. One empty class if there is no breast.
    """
    weights = blend_weights(tile, overlap)
    total: NDArray[np.float32] | None = None
    # Room for tiles that leave an image smaller than a tile.
    shape = tuple(max(length, tile) for length in image.shape)
    seen = np.zeros(shape, np.float32)
    origins = tiles_over(breast, tile, overlap)
    for first in range(0, len(origins), at_once):
        some = origins[first : first + at_once]
        segmented = segment(np.stack([cut(image, origin, tile) for origin in some]))
        for (row, column), classes in zip(some, segmented, strict=True):
            foreground = classes[1:]
            if total is None:
                total = np.zeros((len(foreground), *shape), np.float32)
            window = (slice(row, row + tile), slice(column, column + tile))
            total[:, *window] += foreground * weights
            seen[window] += weights
    if total is None:
        return np.zeros((1, *image.shape), np.float32)
    total /= np.maximum(seen, np.finfo(np.float32).tiny)
    inside = total[:, : image.shape[0], : image.shape[1]]
    inside *= breast
    return inside


def outline(
    foreground: NDArray[np.float32], settings: Localisation, *, spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.int32], tuple[Component, ...]]:
    """Find the components of a foreground map and rank them.

    Parameters
    ----------
    foreground
        (classes - 1, rows, columns) probabilities; the lesion's is their sum.
    spacing_mm
        Row and column spacing of an input pixel.

    Returns
    -------
    (rows, columns) int32 labels, 0 = background, and the components that count, best first.
    """
    lesion = foreground.sum(axis=0)
    outlined = lesion >= settings.threshold
    labels = join(outlined, settings.join_mm, spacing_mm=spacing_mm)
    calcified = foreground[CALCIFICATION - 1] >= 0.5 if len(foreground) >= CALCIFICATION else None
    components = _measure(labels, lesion, calcified)
    least = settings.min_area_mm2 / (spacing_mm[0] * spacing_mm[1])
    kept = [
        component
        for component in components
        if component.pixels >= least
        and (component.calcifications is None or component.calcifications >= settings.min_calcifications)
    ]
    return labels, tuple(sorted(kept, key=lambda component: _rank(component, settings), reverse=True))


def join(outlined: NDArray[np.bool_], join_mm: float, *, spacing_mm: tuple[float, float]) -> NDArray[np.int32]:
    """Label the components of a (rows, columns) mask; those closer than `join_mm` share a label."""
    labels = np.zeros(outlined.shape, np.int32)
    box = ndimage.find_objects(outlined.astype(np.int8))
    if not box:
        return labels
    # Distances only round what was outlined: a view has millions of pixels, its lesions few.
    reach = [int(np.ceil(join_mm / 2 / spacing)) + 1 for spacing in spacing_mm]
    window = tuple(slice(max(0, s.start - r), s.stop + r) for s, r in zip(box[0], reach, strict=True))
    inside = outlined[window]
    near = ndimage.distance_transform_edt(~inside, sampling=spacing_mm) <= join_mm / 2
    joined, _ = ndimage.label(near, structure=np.ones((3, 3)))
    labels[window] = joined * inside
    return labels


def _measure(
    labels: NDArray[np.int32], lesion: NDArray[np.float32], calcified: NDArray[np.bool_] | None
) -> list[Component]:
    components = []
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[window] == label
        weights = lesion[window] * inside
        total = float(weights.sum(dtype=np.float64))
        rows, columns = (np.arange(s.start, s.stop) for s in window)
        centre = (float(weights.sum(axis=1) @ rows) / total, float(weights.sum(axis=0) @ columns) / total)
        count = None
        if calcified is not None:
            count = int(ndimage.label(calcified[window] & inside, structure=np.ones((3, 3)))[1])
        box = (window[0].start, window[1].start, window[0].stop, window[1].stop)
        components.append(Component(label, *centre, box, int(inside.sum()), total, count))
    return components


def _rank(component: Component, settings: Localisation) -> tuple[float, float]:
    if settings.rank == "calcifications" and component.calcifications is not None:
        return component.calcifications * component.mean_probability, component.summed_probability
    return component.summed_probability, 0.0
