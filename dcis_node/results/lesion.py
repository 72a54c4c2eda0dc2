"""From the mask of a view to its lesion: the figures of the whole, and an outline for each of its pieces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.results.answer import ModelIdentity, SourceImage
from dcis_node.results.identity import derived_uid
from dcis_node.results.outline import Points, close, long_axis, simplify, trace

# Specks would hide the outlines that count. So at most so many pieces are outlined, none of less than this share of the
# largest. The segmentation shows every piece.
MAX_OUTLINES = 4
LEAST_SHARE = 0.1
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of one piece.

    Parameters
    ----------
    points
        (n, 2) float32, closed, (x, y) in SCOORD coordinates of the full image.
    tracking_id, tracking_uid
        Of the piece; those of the first one are also the segment's, which is the whole lesion: a SEG with a segment
        for each piece has frames that do not begin at a byte for many image sizes, and OHIF 3.13.2 then loads for ever.
    """

    points: NDArray[np.float32]
    tracking_id: str
    tracking_uid: str


@dataclass(frozen=True, eq=False)
class Lesion:
    """The outlined lesion of one view.

    Parameters
    ----------
    outlines
        Of the largest pieces, the largest first: at least one, at most `MAX_OUTLINES`.
    pieces
        Connected components of the mask.
    area_mm2, extent_mm
        Of all pieces together, at the detector plane; None without a spacing. The extent is the largest distance
        between two points of the lesion.
    calcifications
        Counted by the model, or None where it does not count.
    """

    outlines: tuple[Outline, ...]
    pieces: int
    area_mm2: float | None
    extent_mm: float | None
    calcifications: int | None


def lesion_of(image: SourceImage, model: ModelIdentity, *, label: str) -> Lesion | None:
    """Describe the outlined lesion of a view.

    Parameters
    ----------
    label
        Name of the view, for the tracking identifiers.

    Returns
    -------
    Lesion or None where nothing was outlined.
    """
    if image.prediction is None or not image.outlined:
        return None
    (top, left), box = _bounding_box(image.prediction.mask)
    numbered, count = ndimage.label(box, structure=_EIGHT_NEIGHBOURS)
    sizes = np.bincount(numbered.ravel())[1:]
    windows = ndimage.find_objects(numbered)
    by_size = np.argsort(-sizes, kind="stable")
    drawn = int(np.count_nonzero(sizes >= LEAST_SHARE * sizes.max()))
    borders: list[Points] = []
    for piece in by_size:
        rows, columns = windows[piece]
        corner = np.array([left + columns.start, top + rows.start])
        borders.append(trace(numbered[rows, columns] == piece + 1) + corner)
    spacing = image.header.spacing_mm
    candidates = image.prediction.candidates
    return Lesion(
        outlines=tuple(
            _outline(image, model, border, number=number, label=label)
            for number, border in enumerate(borders[: min(drawn, MAX_OUTLINES)], 1)
        ),
        pieces=count,
        area_mm2=float(sizes.sum()) * spacing[0] * spacing[1] if spacing else None,
        extent_mm=long_axis(np.vstack(borders), spacing) if spacing else None,
        # The lesion is the first candidate; its pieces are not counted apart.
        calcifications=candidates[0].calcifications if candidates else None,
    )


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    rows = np.flatnonzero(mask.any(axis=1))
    band = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(band.any(axis=0))
    return (int(rows[0]), int(columns[0])), band[:, columns[0] : columns[-1] + 1]


def _outline(image: SourceImage, model: ModelIdentity, border: Points, *, number: int, label: str) -> Outline:
    # The same outline of the same image keeps its tracking UID in every later version of the report.
    shape = ",".join(f"{value:g}" for value in border.ravel())
    return Outline(
        points=close(simplify(border)),
        tracking_id=f"DCIS-NODE {label}" + (f" piece {number}" if number > 1 else ""),
        tracking_uid=derived_uid("tracking", model.sha256, image.header.sop_instance_uid, shape),
    )
