"""Write label pictures as annotation tools do: for phantom cohorts that look like a hospital's, and for tests.

All take the labels as the cohort has them: 0 background, 1 lesion region, 2 calcification inside it.
"""

from pathlib import Path
from typing import Any, Final

import nibabel
import nrrd
import numpy as np
from PIL import Image

from training.annotations.annotation import CALCIFICATION, REGION, Labels
from training.annotations.writing_dicom import write_dicom_seg

__all__ = ["write_dicom_seg", "write_nifti", "write_nrrd", "write_png", "write_seg_nrrd"]

# 3D Slicer gives an image that states no spacing unit spacing.
UNIT_SPACING: Final = (1.0, 1.0)
SEGMENT_NAMES: Final = {REGION: "Lesion region", CALCIFICATION: "Calcifications"}
# PS3.16 CID 6014.
_CODES: Final = {REGION: "SCT^129769006^Calcification Cluster", CALCIFICATION: "SCT^129770007^Individual Calcification"}


def write_seg_nrrd(
    path: Path,
    labels: Labels,
    spacing_mm: tuple[float, float] | None,
    *,
    cropped: bool = True,
    layers: bool = False,
    names: dict[int, str] | None = None,
) -> None:
    """Write a `.seg.nrrd` of one slice as 3D Slicer 5 does: LPS, first index along the columns, gzip.

    Parameters
    ----------
    path
        File to write.
    labels
        (rows, columns) uint8.
    spacing_mm
        (row, column) spacing of the image; None where the image states none.
    cropped
        Keep the box round the labels only, as Slicer does by default; the origin moves with it. Without any label a
        single voxel is left, which stands for "empty".
    layers
        Two segments that overlap, each in a layer of its own: the region then holds its calcifications, and the file
        has four dimensions.
    names
        Names of the segments by label, instead of `SEGMENT_NAMES`.
    """
    spacing = spacing_mm or UNIT_SPACING
    top, left, box = _box(labels) if cropped else (0, 0, labels)
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": np.diag([spacing[1], spacing[0], 1.0]),
        "space origin": np.array([left * spacing[1], top * spacing[0], 0.0]),
        "encoding": "gzip",
    }
    voxels = box.T[:, :, None]
    if layers:
        voxels = np.stack([voxels > 0, voxels == CALCIFICATION]).astype(np.uint8)
        header["space directions"] = np.vstack([np.full(3, np.nan), header["space directions"]])
        header["kinds"] = ["list", "domain", "domain", "domain"]
    else:
        header["kinds"] = ["domain", "domain", "domain"]
    header |= _segments(labels, box, layers=layers, names=names or SEGMENT_NAMES)
    header |= _segmentation(labels.shape, spacing, top, left)
    nrrd.write(str(path), voxels, header, index_order="F")


def write_nrrd(path: Path, labels: Labels, spacing_mm: tuple[float, float] | None) -> None:
    """Write a plain label map as NRRD: one slice, LPS, the whole image."""
    spacing = spacing_mm or UNIT_SPACING
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([spacing[1], spacing[0], 1.0]),
        "space origin": np.zeros(3),
        "kinds": ["domain", "domain", "domain"],
        "encoding": "gzip",
    }
    nrrd.write(str(path), labels.T[:, :, None], header, index_order="F")


def write_nifti(path: Path, labels: Labels, spacing_mm: tuple[float, float] | None) -> None:
    """Write a label map as NIfTI (`.nii` or `.nii.gz`): one slice, the whole image, as ITK writes an image in LPS."""
    spacing = spacing_mm or UNIT_SPACING
    # NIfTI's axes point to right, anterior and superior; an image without orientation runs to left and posterior.
    affine = np.diag([-spacing[1], -spacing[0], 1.0, 1.0])
    picture = nibabel.Nifti1Image(labels.T[:, :, None], affine)  # type: ignore[no-untyped-call]
    nibabel.save(picture, path)


def write_png(path: Path, labels: Labels) -> None:
    """Write a mask as an 8-bit grey PNG: 0, 1, 2; the commoner 0 and 255 where there is no calcification."""
    calcified = bool((labels == CALCIFICATION).any())
    Image.fromarray(labels if calcified else np.where(labels > 0, 255, 0).astype(np.uint8)).save(path, format="PNG")


def _box(labels: Labels) -> tuple[int, int, Labels]:
    """Give the first row and column of the box round the labels, and the box; one voxel without any label."""
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if not rows.size:
        return 0, 0, labels[:1, :1]
    return int(rows[0]), int(columns[0]), labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _segments(labels: Labels, box: Labels, *, layers: bool, names: dict[int, str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    present = [label for label in (REGION, CALCIFICATION) if (labels == label).any()]
    for number, label in enumerate(present):
        inside = box > 0 if layers and label == REGION else box == label
        top, left, part = _box(inside.astype(np.uint8))
        extent = (left, left + part.shape[1] - 1, top, top + part.shape[0] - 1, 0, 0)
        fields |= {
            f"Segment{number}_Color": "0.5 0.7 0.6" if label == REGION else "0.9 0.8 0.3",
            f"Segment{number}_Extent": " ".join(map(str, extent)),
            f"Segment{number}_ID": f"Segment_{number + 1}",
            f"Segment{number}_LabelValue": "1" if layers else str(label),
            f"Segment{number}_Layer": str(label - REGION) if layers else "0",
            f"Segment{number}_Name": names[label],
            f"Segment{number}_NameAutoGenerated": "0",
            f"Segment{number}_Tags": "Segmentation.Status:completed|TerminologyEntry:Segmentation category and type"
            f"~SCT^49755003^Morphologically Altered Structure~{_CODES[label]}~^^~Anatomic codes~^^~^^|",
        }
    return fields


def _segmentation(shape: tuple[int, ...], spacing: tuple[float, float], top: int, left: int) -> dict[str, str]:
    """Give the fields of the whole segmentation; the reference geometry is a matrix to RAS, then the extent."""
    matrix = (-spacing[1], 0, 0, 0, 0, -spacing[0], 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
    extent = (0, shape[1] - 1, 0, shape[0] - 1, 0, 0)
    geometry = "".join(f"{value:.17g};" for value in (*matrix, *extent))
    return {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": f"Reference image geometry|{geometry}|Geometry of the labelmap.&",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": f"{left} {top} 0",
    }
