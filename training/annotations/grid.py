"""Where a picture with a geometry in space lies in the mammogram it was drawn on.

A mammogram states no position and no orientation. ITK, and so 3D Slicer, then gives it the identity in LPS: columns
run to the left (+x), rows to posterior (+y), the first pixel lies at 0, and a pixel is 1 mm wide where no spacing is
stated. A mask carries the geometry of the image it was drawn on, so only whole pixels are read from it here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training.annotations.annotation import ImageFacts, check_size

Affine = NDArray[np.float64]
Picture = NDArray[np.generic]

# A mask drawn on the image's grid misses it by rounding only; half a pixel off is another grid.
_OFF_GRID_PX = 0.25
# Pixel Spacing of a contact view may be corrected for magnification (about 1.05; PS3.3 10.7.1.3), oversampling is 2.
_SPACING_RATIO = 1.2


@dataclass(frozen=True)
class Placement:
    """How the voxels of a file become a picture of the image.

    Parameters
    ----------
    axes
        Axis of the file that runs along the image's rows (downwards), along its columns, and through it.
    flips
        Whether the first two run backwards.
    top, left
        Row and column in the image where the box's first pixel lies, after the flips; may be negative.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool]
    top: int
    left: int

    def draw(self, voxels: Picture, image: ImageFacts, *, file: str) -> Picture:
        """Draw the one slice into a picture of the image's size.

        Parameters
        ----------
        voxels
            Three axes as in the file, the one through the image of length 1.

        Returns
        -------
        Picture
            (rows, columns) of the same type, 0 where the file has no voxels.

        Raises
        ------
        TrainingError
            If anything is marked outside the image.
        """
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        box = voxels.transpose(self.axes)[:, :, 0][steps]
        rows = slice(max(-self.top, 0), max(min(box.shape[0], image.rows - self.top), 0))
        columns = slice(max(-self.left, 0), max(min(box.shape[1], image.columns - self.left), 0))
        picture = np.zeros(image.shape, voxels.dtype)
        inside = box[rows, columns]
        if np.count_nonzero(inside) != np.count_nonzero(box):
            raise TrainingError(f"{file}: the mask reaches outside the image; was it drawn on this one?")
        top, left = self.top + rows.start, self.left + columns.start
        if inside.size:
            picture[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        return picture


def place(
    shape: tuple[int, ...],
    affine: Affine,
    image: ImageFacts,
    *,
    file: str,
    reference: Affine | None = None,
    whole: bool = False,
) -> Placement:
    """Find where the voxels lie.

    Parameters
    ----------
    shape
        Lengths of the three axes of the file.
    affine
        (4, 4) from the voxel's indices to LPS in mm.
    reference
        (4, 4) from the image's (column, row, 0) to LPS, where the file states it; else the identity with the file's
        own spacing.
    whole
        The format knows no crops: the size must be the image's.

    Raises
    ------
    TrainingError
        If the picture is of another size or resolution, turned, between the pixels, has several slices, or runs
        backwards without lying on the image.
    """
    frame = reference if reference is not None else _default_frame(affine, file=file)
    to_image: Affine = np.linalg.solve(frame, affine).astype(np.float64)
    axes, signs = _axes(to_image[:3, :3], shape, file=file)
    column, row, through = axes
    if shape[through] != 1:
        raise TrainingError(f"{file}: holds {shape[through]} slices; a mask of a mammogram has one")
    size = (shape[row], shape[column])
    lowest = [to_image[axis, 3] - (shape[axes[axis]] - 1 if signs[axis] < 0 else 0) for axis in (1, 0)]  # row, column
    flips = (bool(signs[1] < 0), bool(signs[0] < 0))
    if whole or size == image.shape[::-1] != image.shape:
        check_size(size, image, file=file)
    if size == image.shape and reference is None:
        _check_flips(flips, lowest, size, file=file)
        return Placement((row, column, through), flips, 0, 0)
    if reference is None:
        _check_spacing(frame, image, file=file)
    return Placement((row, column, through), flips, *(_whole(value, file=file) for value in lowest))


def whole_picture(voxels: Picture, image: ImageFacts, *, file: str) -> Picture:
    """Take a picture without a geometry as it is: its size tells which axis is which.

    Parameters
    ----------
    voxels
        Two axes, or three with one of length 1.

    Returns
    -------
    Picture
        (rows, columns).

    Raises
    ------
    TrainingError
        If the size is another one, or the image is square.
    """
    picture = voxels.reshape([length for length in voxels.shape if length != 1])
    if picture.ndim > len(image.shape):
        raise TrainingError(f"{file}: holds several slices; a mask of a mammogram has one")
    if image.rows == image.columns:
        raise TrainingError(
            f"{file}: states no geometry, and of a square image its size does not tell rows from columns"
        )
    if picture.shape not in (image.shape, image.shape[::-1]):
        sizes = f"{' x '.join(map(str, picture.shape))}, the image {image.rows} x {image.columns} (rows x columns)"
        raise TrainingError(f"{file}: the mask is {sizes}")
    return picture if picture.shape == image.shape else picture.T


def _default_frame(affine: Affine, *, file: str) -> Affine:
    """Give the identity of LPS with the file's own spacing, axis by axis."""
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.isfinite(affine).all() or (lengths == 0).any():
        raise TrainingError(f"{file}: states no usable geometry (directions of length 0 or no numbers)")
    along = np.abs(steps).argmax(axis=0)
    frame = np.eye(4)
    frame[along, along] = lengths
    return frame


def _axes(steps: Affine, shape: tuple[int, ...], *, file: str) -> tuple[tuple[int, int, int], tuple[float, ...]]:
    """Give the file's axes along x, y and z of the image, and which way each runs."""
    nearest = np.rint(steps)
    # What the last voxel of each axis is off by; of the axis through the image only the direction matters.
    drift = np.abs(steps - nearest) * (np.array(shape) - 1)
    is_permutation = (np.abs(nearest).sum(axis=0) == 1).all() and (np.abs(nearest).sum(axis=1) == 1).all()
    if not is_permutation or (drift > _OFF_GRID_PX).any():
        raise TrainingError(f"{file}: the mask is turned against the image, or of another resolution")
    x, y, z = (int(axis) for axis in np.abs(nearest).argmax(axis=1))
    return (x, y, z), (nearest[0, x], nearest[1, y], nearest[2, z])


def _check_flips(flips: tuple[bool, bool], lowest: list[float], size: tuple[int, ...], *, file: str) -> None:
    """Believe a backward axis of a whole picture only where it brings the picture onto the image.

    That is where it begins at 0 after the flip, or lies centred round 0 as "center volume" leaves it. Otherwise the
    image itself may have run backwards, and nothing tells.
    """
    for flip, low, length in zip(flips, lowest, size, strict=True):
        centred = -(length - 1) / 2
        if flip and min(abs(low), abs(low - centred)) > _OFF_GRID_PX:
            raise TrainingError(f"{file}: an axis runs backwards and puts the mask beside the image; was it flipped?")


def _check_spacing(frame: Affine, image: ImageFacts, *, file: str) -> None:
    """Refuse a cropped mask of another resolution, where its place in pixels would be wrong."""
    row_mm, column_mm = frame[1, 1], frame[0, 0]
    units = np.allclose((row_mm, column_mm), 1.0)
    if units or not all(image.spacing_mm):
        return
    ratios = (row_mm / image.spacing_mm[0], column_mm / image.spacing_mm[1])
    if any(not 1 / _SPACING_RATIO < ratio < _SPACING_RATIO for ratio in ratios):
        raise TrainingError(
            f"{file}: the mask has another resolution than the image; export it on the image's own grid"
        )


def _whole(value: float, *, file: str) -> int:
    if abs(value - round(value)) > _OFF_GRID_PX:
        raise TrainingError(f"{file}: the mask lies between the pixels of the image")
    return round(value)
