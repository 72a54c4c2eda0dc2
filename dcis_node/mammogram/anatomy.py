"""Where the breast is, and on which side its chest wall lies: told by the pixels, held against the tags."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.errors import PixelError
from dcis_node.mammogram.facts import Laterality, MammogramHeader, Reason

Side = Literal["left", "right"]

# The search runs on a picture of about this many rows or columns; 3 mm of breast are then a few pixels.
SEARCH_SIZE_PX: Final = 448
# Tissue begins this far up from the air to the bright tissue. Air varies by 1 to 2 % after display processing, and the
# skin line of a thin breast stands at about 8 % (measured on a real exam and on phantoms).
TISSUE_FROM: Final = 0.05
# What is smaller cannot be a breast: markers and labels take up to 1 % of a full-field image.
SMALLEST_BREAST: Final = 0.02
# An image whose bright parts are not brighter than its air by this shows nothing.
SMALLEST_CONTRAST: Final = 0.05
# Width of the two edges that are compared to find the chest wall, and what difference settles it.
EDGE_FRACTION: Final = 0.04
EDGE_DIFFERENCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Breast:
    """The breast in the image as stored.

    Parameters
    ----------
    mask
        (rows, columns) bool; holes filled, markers left out. Its edge is exact to the search's pixel (about 8 px in a
        full-size view).
    chest_wall
        The side of the image at which the chest wall lies.
    """

    mask: NDArray[np.bool_]
    chest_wall: Side


@dataclass(frozen=True)
class Orientation:
    r"""How the image lies, against what its tags say.

    Parameters
    ----------
    mirrored
        True if the image has to be mirrored left to right to lie as its laterality is hung: chest wall to the right
        for a right breast, to the left for a left one (PS3.17 A: R CC is P\L, L CC is A\R).
    expected_chest_wall
        The side that Patient Orientation states, or None where it states none.
    notes
        `chest_wall_disagrees_with_orientation`: the pixels are believed; `orientation_absent`;
        `mirrored_against_laterality`.
    """

    mirrored: bool
    expected_chest_wall: Side | None
    notes: tuple[str, ...]


def find_breast(image: NDArray[np.float32]) -> Breast:
    """Find the breast in one view.

    Parameters
    ----------
    image
        (rows, columns) float32 in [0, 1], air black.

    Returns
    -------
        Mask and chest wall. The air's level is the darkest part of the image itself, so a view cropped to the breast
        is found as well as one on a large detector.

    Raises
    ------
    PixelError
        NO_BREAST_FOUND if the image is flat, or nothing in it is as large as a breast.
    """
    factor = max(1, round(max(image.shape) / SEARCH_SIZE_PX))
    small = _reduced(image, factor)
    # Both ends by rank, not by extreme: a dead pixel or a burned-in label must not set the scale.
    air, bright = np.quantile(small, (0.005, 0.95))
    bright = max(float(bright), float(np.quantile(small, 0.99)) * 0.5)
    if bright - air < SMALLEST_CONTRAST:
        raise PixelError(Reason.NO_BREAST_FOUND, "the image is flat")
    part = _largest_part(small > air + TISSUE_FROM * (bright - air))
    if part.mean() < SMALLEST_BREAST:
        raise PixelError(Reason.NO_BREAST_FOUND, "nothing in the image is as large as a breast")
    side = _chest_wall(part)
    return Breast(_enlarged(_filled_from(part, side), factor, image.shape), side)


def orientation(header: MammogramHeader, breast: Breast) -> Orientation:
    """Hold the chest wall that was found against Patient Orientation and laterality.

    The pixels are believed where the tags disagree: some vendors store images reversed without saying so.
    """
    stated = {"P": "right", "A": "left"}.get(header.patient_orientation[0][:1] if header.patient_orientation else "")
    expected: Side | None = "right" if stated == "right" else "left" if stated == "left" else None
    hung: dict[Laterality | None, Side] = {Laterality.RIGHT: "right", Laterality.LEFT: "left"}
    mirrored = breast.chest_wall != hung.get(header.laterality, breast.chest_wall)
    notes = (
        ("orientation_absent", expected is None),
        ("chest_wall_disagrees_with_orientation", expected is not None and expected != breast.chest_wall),
        ("mirrored_against_laterality", mirrored),
    )
    return Orientation(mirrored, expected, tuple(name for name, holds in notes if holds))


def _reduced(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of factor x factor; rows and columns that do not fill a block are averaged by their edge."""
    rows, columns = (-(-length // factor) for length in image.shape)
    padding = ((0, rows * factor - image.shape[0]), (0, columns * factor - image.shape[1]))
    padded = np.pad(image, padding, mode="edge") if any(map(any, padding)) else image
    blocks = padded.reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _enlarged(mask: NDArray[np.bool_], factor: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    large = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.ascontiguousarray(large[: shape[0], : shape[1]])


def _largest_part(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected part without thin bridges (frame lines, label strokes), its holes filled."""
    disc = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 2)
    # The chest wall runs out of the image: continue the picture beyond its border, so that opening spares its corners.
    opened = ndimage.binary_opening(np.pad(tissue, 3, mode="edge"), disc)[3:-3, 3:-3]
    labels, count = ndimage.label(opened)
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(labels == int(sizes.argmax())), np.bool_)


def _filled_from(part: NDArray[np.bool_], side: Side) -> NDArray[np.bool_]:
    """Fill each row from the chest wall out to the skin.

    Fat before the chest wall and the armpit are as black as air after many a vendor's processing (seen on the real
    exam), and such a hollow is open to the image's border, so that filling holes does not reach it.
    """
    from_skin = part if side == "right" else part[:, ::-1]
    filled = np.logical_or.accumulate(from_skin, axis=1)
    return filled if side == "right" else filled[:, ::-1]


def _chest_wall(mask: NDArray[np.bool_]) -> Side:
    """Tell the side: the chest wall covers its edge, the other edge is air or, in a cropped view, the nipple."""
    edge = max(1, round(mask.shape[1] * EDGE_FRACTION))
    left, right = float(mask[:, :edge].mean()), float(mask[:, -edge:].mean())
    if abs(left - right) >= EDGE_DIFFERENCE:
        return "left" if left > right else "right"
    centre = (mask.shape[1] - 1) / 2
    return "left" if float(np.nonzero(mask)[1].mean()) <= centre else "right"
