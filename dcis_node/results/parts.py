"""From the mask of a view to the parts of its lesion: what gets an outline, a segment and its figures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.results.answer import ModelIdentity, SourceImage
from dcis_node.results.identity import derived_uid
from dcis_node.results.outline import close, long_axis, simplify, trace

# Each part is one outline with its figures on the image. A lesion in more pieces keeps its largest ones apart; the
# small rest is one part together.
MAX_PARTS = 5
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the outlined lesion.

    Parameters
    ----------
    number
        From 1, largest first.
    outline
        (n, 2) float32, closed, (x, y) in SCOORD coordinates of the full image; of the largest piece.
    pieces
        Connected components in this part: 1, or more for the collected rest.
    area_px
        Pixels of the mask that belong to it.
    area_mm2, long_axis_mm
        At the detector plane; None without a spacing. The long axis is that of the outline.
    calcifications
        Counted by the model in the whole lesion of the view, told with its first part; else None.
    tracking_id, tracking_uid
        Of the first part also those of the segment, which is the whole lesion of the view: a SEG of several segments
        has frames that do not begin at a byte for many image sizes, and OHIF 3.13.2 then loads for ever.
    """

    number: int
    outline: NDArray[np.float32]
    pieces: int
    area_px: int
    area_mm2: float | None
    long_axis_mm: float | None
    calcifications: int | None
    tracking_id: str
    tracking_uid: str


def lesion_parts(image: SourceImage, model: ModelIdentity, *, label: str) -> tuple[Part, ...]:
    """Take the outlined lesion of a view apart.

    Parameters
    ----------
    label
        Name of the view, for the tracking identifiers.

    Returns
    -------
    tuple of Part
        At most `MAX_PARTS`, together all pixels of the view's mask; () where nothing was outlined.
    """
    if image.prediction is None or not image.outlined:
        return ()
    (top, left), box = _bounding_box(image.prediction.mask)
    numbered, count = ndimage.label(box, structure=_EIGHT_NEIGHBOURS)
    sizes = np.bincount(numbered.ravel())[1:]
    by_size = [int(i) + 1 for i in np.argsort(-sizes, kind="stable")]
    groups = [[n] for n in by_size]
    if count > MAX_PARTS:
        groups = [*groups[: MAX_PARTS - 1], by_size[MAX_PARTS - 1 :]]
    return tuple(
        _part(image, model, number=i, numbered=numbered, pieces=pieces, corner=(top, left), label=label)
        for i, pieces in enumerate(groups, 1)
    )


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    rows = np.flatnonzero(mask.any(axis=1))
    band = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(band.any(axis=0))
    return (int(rows[0]), int(columns[0])), band[:, columns[0] : columns[-1] + 1]


def _part(
    image: SourceImage,
    model: ModelIdentity,
    *,
    number: int,
    numbered: NDArray[np.integer],
    pieces: list[int],
    corner: tuple[int, int],
    label: str,
) -> Part:
    (top, left), mask = _bounding_box(np.isin(numbered, pieces))
    (piece_top, piece_left), piece = _bounding_box(numbered == pieces[0])
    corners = trace(piece) + np.array([corner[1] + piece_left, corner[0] + piece_top])
    spacing = image.header.spacing_mm
    area_px = int(np.count_nonzero(mask))
    place = (corner[0] + top, corner[1] + left)
    # The same outline of the same image keeps its tracking UID in every later version of the report.
    shape = f"{place[0]},{place[1]},{mask.shape[0]},{mask.shape[1]},{area_px}"
    return Part(
        number=number,
        outline=close(simplify(corners)),
        pieces=len(pieces),
        area_px=area_px,
        area_mm2=area_px * spacing[0] * spacing[1] if spacing else None,
        long_axis_mm=long_axis(corners, spacing) if spacing else None,
        calcifications=_lesion_count(image) if number == 1 else None,
        tracking_id=f"DCIS-NODE {label}" + (f" part {number}" if number > 1 else ""),
        tracking_uid=derived_uid("tracking", model.sha256, image.header.sop_instance_uid, shape),
    )


def _lesion_count(image: SourceImage) -> int | None:
    """Give what the model counted in the lesion: its best candidate; the pieces are not counted apart."""
    candidates = image.prediction.candidates if image.prediction else ()
    return candidates[0].calcifications if candidates else None
