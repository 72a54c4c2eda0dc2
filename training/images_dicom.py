"""Pixels of a cohort's DICOM files: checked against the row's hash, then read by the node's own rules."""

import hashlib
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread

from dcis_node.errors import HeaderError, PixelError, TrainingError
from dcis_node.mammogram.anatomy import Breast, find_breast, orientation
from dcis_node.mammogram.curves import FullRange, Rescale, Table, Window
from dcis_node.mammogram.display import DisplayTransform, brightest, transforms
from dcis_node.mammogram.facts import Laterality
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.mammogram.voi import stored_range
from training.annotations.annotation import readable
from training.cohort import Cohort, CohortView
from training.loaded import LoadedRegion, LoadedView

# A crop store keeps stored values as 16-bit whole numbers from 0.
LARGEST_STORED = 65_535
HIGHEST_LABEL = 2


@dataclass(frozen=True, eq=False)
class Decoded:
    """What one file shows: stored values from 0, ways to show them, and the breast.

    Parameters
    ----------
    stored
        (rows, columns) uint16.
    transforms
        For values as in `stored`.
    breast
        Where the breast lies in them.
    pixels_sha256
        Digest of the values as the file has them, whatever its transfer syntax; "" where it was not asked for.
    """

    stored: NDArray[np.uint16]
    transforms: tuple[DisplayTransform, ...]
    breast: Breast
    pixels_sha256: str


def load_dicom_view(cohort: Cohort, row: CohortView) -> LoadedView:
    """Load a whole view of a DICOM row.

    Raises
    ------
    TrainingError
        If the file or the mask is missing or not what the cohort's row names by hash, or cannot be decoded.
    """
    return _load(cohort, row)[0]


def load_dicom_region(cohort: Cohort, row: CohortView, *, side_mm: float, rng: Generator) -> LoadedRegion:
    """Load a square of `side_mm` round the middle of the lesion's box, moved back into the image where it would leave.

    Parameters
    ----------
    side_mm
        At the detector plane; a side longer than the image is cut to it.
    rng
        Draws the place, evenly over the breast, where nothing is annotated.

    Raises
    ------
    TrainingError
        As `load_dicom_view`.
    """
    view, breast = _load(cohort, row)
    centre = _middle(view.labels > 0) if view.labels.any() else _anywhere(breast.mask, rng)
    rows, top = _stretch(centre[0], side_mm / view.spacing_mm[0], view.stored.shape[0])
    columns, left = _stretch(centre[1], side_mm / view.spacing_mm[1], view.stored.shape[1])
    window = slice(top, top + rows), slice(left, left + columns)
    return LoadedRegion(
        stored=np.ascontiguousarray(view.stored[window]),
        labels=np.ascontiguousarray(view.labels[window]),
        transforms=tuple(_over_whole_view(transform, view.stored) for transform in view.transforms),
        spacing_mm=view.spacing_mm,
        mirrored=view.mirrored,
        centre=(centre[0] - top, centre[1] - left),
        origin=(top, left),
    )


def read_dataset(path: Path, *, name: str) -> tuple[Dataset, str]:
    """Read a DICOM file with its pixels.

    Parameters
    ----------
    name
        What to call the file in an error.

    Returns
    -------
        The dataset, and the SHA-256 of the file's bytes.

    Raises
    ------
    TrainingError
        If it cannot be read, or is no DICOM file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{name}: the image file cannot be read ({error.strerror})"
        raise TrainingError(msg) from None
    with readable(name, "DICOM"):
        ds = dcmread(BytesIO(data))
    return ds, hashlib.sha256(data).hexdigest()


def decode(ds: Dataset, *, with_digest: bool = False) -> Decoded:
    """Decode one image and find its breast.

    Parameters
    ----------
    with_digest
        Digest the pixel values too: a tenth of a second in a full-size view, of use to an import only.

    Raises
    ------
    PixelError
        As `stored_pixels` and `find_breast`; PIXELS_OVER_LIMIT where the values do not fit 16 bits.
    """
    values = stored_pixels(ds)
    stored, choices = from_zero(values, transforms(ds), lowest=stored_range(ds)[0])
    breast = find_breast(brightest(choices, stored))
    return Decoded(stored, choices, breast, pixels_digest(values) if with_digest else "")


def from_zero(
    values: NDArray[Any], choices: tuple[DisplayTransform, ...], *, lowest: int
) -> tuple[NDArray[np.uint16], tuple[DisplayTransform, ...]]:
    """Move signed or wide stored values into 0 ... 65535, and the transforms with them: the picture stays the same.

    Parameters
    ----------
    values
        (rows, columns) integers of any kind.
    choices
        Display transforms for them.
    lowest
        Smallest value that the header allows; images of one kind then move by the same step.

    Raises
    ------
    PixelError
        PIXELS_OVER_LIMIT if largest and smallest value are further apart than 65535.
    """
    low, high = int(values.min()), int(values.max())
    step = 0 if low >= 0 and high <= LARGEST_STORED else lowest
    if low < step or high - step > LARGEST_STORED:
        step = low
    if high - step > LARGEST_STORED:
        raise PixelError("pixels_over_limit", "the stored values span more than 16 bits")
    if not step:
        return values.astype(np.uint16), choices
    moved = (values.astype(np.int64) - step).astype(np.uint16)
    return moved, tuple(_moved(choice, step) for choice in choices)


def _moved(choice: DisplayTransform, step: int) -> DisplayTransform:
    modality = choice.modality
    if isinstance(modality, Table):
        modality = replace(modality, first=modality.first - step)
    else:
        modality = Rescale(modality.slope, modality.intercept + modality.slope * step)
    padding = choice.padding and (choice.padding[0] - step, choice.padding[1] - step)
    return replace(choice, modality=modality, padding=padding)


def pixels_digest(values: NDArray[Any]) -> str:
    """Give the SHA-256 of shape and values, the same for any integer type, byte order and transfer syntax."""
    head = f"{values.shape[0]}x{values.shape[1]}:".encode("ascii")
    return hashlib.sha256(head + np.ascontiguousarray(values, "<i4").tobytes()).hexdigest()


def read_mask(path: Path, *, shape: tuple[int, int], sha256: str, name: str) -> NDArray[np.uint8]:
    """Read a label picture of the cohort.

    Returns
    -------
        (rows, columns) uint8: 0, 1 or 2.

    Raises
    ------
    TrainingError
        If it is missing, altered, of another size or holds another label.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{name}: the mask cannot be read ({error.strerror})"
        raise TrainingError(msg) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        msg = f"{name}: the mask was altered since the cohort was made"
        raise TrainingError(msg)
    with Image.open(BytesIO(data)) as picture:
        labels = np.asarray(picture)
    if labels.shape != shape or labels.dtype != np.uint8 or labels.max(initial=0) > HIGHEST_LABEL:
        msg = f"{name}: the mask is not a picture of labels 0, 1 and 2 of the image's size"
        raise TrainingError(msg)
    return labels


def _load(cohort: Cohort, row: CohortView) -> tuple[LoadedView, Breast]:
    ds, sha256 = read_dataset(inside(cohort.images, row.file, name=row.image), name=row.image)
    if sha256 != row.sha256:
        msg = f"{row.image}: the image file was altered since the cohort was made"
        raise TrainingError(msg)
    try:
        decoded, header = decode(ds), read_header(ds)
    except (PixelError, HeaderError) as error:
        msg = f"{row.image}: {error}"
        raise TrainingError(msg) from None
    shape = decoded.stored.shape[0], decoded.stored.shape[1]
    labels = np.zeros(shape, np.uint8)
    if row.mask:
        path = inside(cohort.folder, row.mask, name=row.image)
        labels = read_mask(path, shape=shape, sha256=row.mask_sha256, name=row.image)
    # The row's side: public data sets state it beside the image, not in it.
    lies = orientation(replace(header, laterality=Laterality(row.laterality)), decoded.breast)
    view = LoadedView(decoded.stored, labels, decoded.transforms, row.spacing_mm, lies.mirrored)
    return view, decoded.breast


def inside(folder: Path, file: str, *, name: str) -> Path:
    """Give the path of a cohort's file.

    Raises
    ------
    TrainingError
        If it would lead out of the folder.
    """
    relative = PurePosixPath(file)
    if not file or relative.is_absolute() or ".." in relative.parts:
        msg = f"{name}: the file must lie in the cohort's folder"
        raise TrainingError(msg)
    return folder / relative


def _over_whole_view(transform: DisplayTransform, stored: NDArray[np.uint16]) -> DisplayTransform:
    """Fix what is shown over "the image's own range" to the range of the whole view: a region has another one."""
    if not isinstance(transform.voi, FullRange):
        return transform
    values = np.flatnonzero(np.bincount(stored.ravel(), minlength=1))
    if transform.padding is not None:
        kept = values[(values < transform.padding[0]) | (values > transform.padding[1])]
        values = kept if kept.size else values
    measured = transform.modality(np.arange(values[0], values[-1] + 1, dtype=np.float64))
    low, high = float(measured.min()), float(measured.max())
    # A flat image shows black, as the full range does: a window above its only value.
    window = Window((low + high) / 2.0, high - low, "LINEAR_EXACT") if high > low else Window(low + 1.0, 1.0)
    return replace(transform, voi=window)


def _middle(mask: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(rows[0] + rows[-1]) / 2.0, float(columns[0] + columns[-1]) / 2.0


def _anywhere(breast: NDArray[np.bool_], rng: Generator) -> tuple[float, float]:
    places = np.flatnonzero(breast)
    row, column = divmod(int(places[rng.integers(places.size)]), breast.shape[1])
    return float(row), float(column)


def _stretch(centre: float, wanted: float, available: int) -> tuple[int, int]:
    """Give length and first pixel of a side of about `wanted` pixels round `centre`, inside the image."""
    length = min(max(round(wanted), 1), available)
    return length, min(max(round(centre - (length - 1) / 2), 0), available - length)
