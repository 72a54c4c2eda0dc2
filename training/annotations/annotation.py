"""What an annotation file says of one mammogram, and the checks that every format shares."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.errors import TrainingError

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BACKGROUND: Final = 0
REGION: Final = 1
CALCIFICATION: Final = 2

# Diagonal neighbours belong together, as in the node's outlines.
_NEIGHBOURS: Final = np.ones((3, 3))
# No lesion fills half of a mammogram: a mask that does is inverted, or outlines the breast.
_LARGEST_SHARE: Final = 0.5


@dataclass(frozen=True)
class ImageFacts:
    """What must be known of the mammogram to judge whether an annotation lies right on it.

    Parameters
    ----------
    sop_instance_uid
        Of the image.
    rows, columns
        Its size as stored.
    spacing_mm
        (row, column) spacing at the detector plane; (0.0, 0.0) where unknown.
    """

    sop_instance_uid: str
    rows: int
    columns: int
    spacing_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns


@dataclass(frozen=True, eq=False)
class Annotation:
    """The label picture of one mammogram.

    Parameters
    ----------
    labels
        (rows, columns) uint8: 0 background, 1 lesion region, 2 calcification.
    kind
        `slicer`, `nrrd`, `nifti`, `dicom_seg`, `png`, `sr` or `gsps`, as `CohortView.annotation`.
    weak
        True if nothing is outlined: points, circles, ellipses or boxes only.
    references
        SOP Instance UIDs of all images that the file says it belongs to; () if it names none.
    parts
        Number of separate (8-connected) parts.
    biopsied
        (rows, columns) bool of the segments whose name says they were biopsied; None if none does.
    """

    labels: Labels
    kind: str
    weak: bool
    references: tuple[str, ...]
    parts: int
    biopsied: Mask | None = None


def annotation(
    labels: Labels,
    image: ImageFacts,
    *,
    file: str,
    kind: str,
    weak: bool = False,
    references: tuple[str, ...] = (),
    biopsied: Mask | None = None,
) -> Annotation:
    """Check a label picture and make it the annotation of an image.

    Parameters
    ----------
    labels
        (rows, columns) uint8 in {0, 1, 2}.
    file
        Name of the file, for the texts of errors.
    biopsied
        (rows, columns) bool; without any pixel it becomes None.

    Raises
    ------
    TrainingError
        If the size is another one, nothing is labelled, or more than half of the picture is.
    """
    check_size(labels.shape, image, file=file)
    share = float((labels > BACKGROUND).mean())
    if share == 0.0:
        raise TrainingError(f"{file}: nothing is annotated, the mask is empty")
    if share > _LARGEST_SHARE:
        raise TrainingError(
            f"{file}: {share:.0%} of the image is annotated; inverted, or the breast and not the lesion?"
        )
    return Annotation(
        labels=np.ascontiguousarray(labels, np.uint8),
        kind=kind,
        weak=weak,
        references=references,
        parts=int(ndimage.label(labels > BACKGROUND, structure=_NEIGHBOURS)[1]),
        biopsied=biopsied if biopsied is not None and biopsied.any() else None,
    )


def check_size(shape: tuple[int, ...], image: ImageFacts, *, file: str) -> None:
    """Refuse a picture of another size than the image's.

    Raises
    ------
    TrainingError
        Naming both sizes, and the swap of rows and columns if that is what it is.
    """
    if shape == image.shape:
        return
    sizes = f"{' x '.join(map(str, shape))} (rows x columns), the image {image.rows} x {image.columns}"
    swapped = "; rows and columns are swapped" if shape == image.shape[::-1] else ""
    raise TrainingError(f"{file}: the mask is {sizes}{swapped}")


def check_references(references: tuple[str, ...], image: ImageFacts, *, file: str) -> None:
    """Refuse a file that names images, but not this one.

    Raises
    ------
    TrainingError
        If so. No UID is told: those of a hospital lead to its patients.
    """
    if references and image.sop_instance_uid not in references:
        number = f"{len(references)} other images" if len(references) > 1 else "another image"
        raise TrainingError(f"{file}: belongs to {number}, it does not reference this one")


@contextmanager
def readable(file: str, kind: str) -> Iterator[None]:
    """Turn whatever a library raises on a broken file into one error that quotes nothing of it.

    Raises
    ------
    TrainingError
        Naming the file, the format, and the type of what went wrong.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # their texts quote values of the file
            yield
    except TrainingError:
        raise
    except Exception as error:  # noqa: BLE001 - foreign bytes fail in any way; the caller records it
        raise TrainingError(f"{file}: cannot be read as {kind} ({type(error).__name__})") from None
