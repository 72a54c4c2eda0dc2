"""Segmentations of 3D Slicer (`.seg.nrrd`) and plain NRRD label maps.

The format: https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html. One slice of three
axes, the first along the image's columns; a list axis before them holds the layers where segments overlap. By default
the file is cropped to what is drawn, and the origin tells where that lies.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nrrd
import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training.annotations import names
from training.annotations.annotation import (
    CALCIFICATION,
    REGION,
    Annotation,
    ImageFacts,
    Labels,
    Mask,
    annotation,
    check_size,
    readable,
)
from training.annotations.grid import Affine, Placement, place, whole_picture
from training.annotations.values import labels_of

# To LPS, the frame of DICOM and ITK. What names no frame comes from ITK, which writes LPS.
_TO_LPS: Final = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
    "": (1.0, 1.0, 1.0),
}
_RAS_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPATIAL_AXES: Final = 3
_GEOMETRY: Final = "Reference image geometry"


@dataclass(frozen=True)
class Segment:
    """One segment as the header describes it."""

    number: int
    label: int | None
    layer: int
    value: int
    biopsied: bool


def read_nrrd(path: Path, image: ImageFacts) -> Annotation:
    """Read a `.seg.nrrd` or an NRRD label map; the header tells which.

    Parameters
    ----------
    image
        The mammogram it is to lie on.

    Raises
    ------
    TrainingError
        If it cannot be read, does not lie on the image, or holds what is neither lesion region nor calcification.
    """
    file = path.name
    with readable(file, "NRRD"):
        header = nrrd.read_header(str(path))
        if "data file" in header or "datafile" in header:
            raise TrainingError(f"{file}: its voxels lie in another file; save it as one .nrrd")
        voxels, header = nrrd.read(str(path), index_order="F")
        segments = _segments(header)
        layers = _layers(voxels, header, file=file)
    if layers[0].size == 1:
        raise TrainingError(f"{file}: a single voxel stands for nothing annotated, the mask is empty")
    pictures = _pictures(layers, header, image, file=file, whole=not segments)
    if not segments:
        if len(pictures) > 1:
            raise TrainingError(f"{file}: a label map has one layer, this one {len(pictures)}")
        return annotation(labels_of(pictures[0], file=file), image, file=file, kind="nrrd")
    labels, biopsied = _draw(segments, pictures, file=file)
    return annotation(labels, image, file=file, kind="slicer", biopsied=biopsied)


def _segments(header: dict[str, Any]) -> tuple[Segment, ...]:
    """Read what the header says of the segments; () of a plain label map.

    Before Slicer 4.11 a file had one layer of ones for each segment, and named neither layer nor value.
    """
    found = (re.fullmatch(r"Segment(\d+)_.+", key) for key in header)
    numbers = sorted({int(match.group(1)) for match in found if match})
    named = any(key.endswith(("_Layer", "_LabelValue")) for key in header)
    return tuple(_segment(header, number, layer=0 if named else number) for number in numbers)


def _segment(header: dict[str, Any], number: int, *, layer: int) -> Segment:
    name = str(header.get(f"Segment{number}_Name", ""))
    code, meaning = _terminology(str(header.get(f"Segment{number}_Tags", "")))
    return Segment(
        number=number + 1,
        label=names.label_of(name, code=code, meaning=meaning),
        layer=int(header.get(f"Segment{number}_Layer", layer)),
        value=int(header.get(f"Segment{number}_LabelValue", 1)),
        biopsied=names.is_biopsied(name),
    )


def _terminology(tags: str) -> tuple[str, str]:
    """Give code and meaning of the type: the third part of the terminology entry."""
    entry = re.search(r"TerminologyEntry:[^~|]*~[^~|]*~[^~|^]*\^([^~|^]*)\^([^~|^]*)", tags)
    return (entry.group(1), entry.group(2)) if entry else ("", "")


def _layers(voxels: NDArray[np.generic], header: dict[str, Any], *, file: str) -> list[NDArray[np.generic]]:
    """Give the layers, each with its spatial axes only."""
    lists = [axis for axis, is_space in enumerate(_spatial(voxels, header)) if not is_space]
    if not lists:
        return [voxels]
    if len(lists) > 1:
        raise TrainingError(f"{file}: has several list axes; a segmentation has one, of its layers")
    return list(np.moveaxis(voxels, lists[0], 0))


def _spatial(voxels: NDArray[np.generic], header: dict[str, Any]) -> list[bool]:
    """Tell of each axis whether it runs through space; the direction of the others is `none`."""
    directions = header.get("space directions")
    if directions is None:
        kinds = header.get("kinds", ["domain"] * voxels.ndim)
        return [kind in ("domain", "space", "???", "none") for kind in kinds]
    return [row is not None and bool(np.isfinite(row).all()) for row in directions]


def _pictures(
    layers: list[NDArray[np.generic]], header: dict[str, Any], image: ImageFacts, *, file: str, whole: bool
) -> list[NDArray[np.generic]]:
    """Draw each layer in the image's size; a plain label map must have it already."""
    affine = _affine(header, file=file)
    if affine is None:
        return [whole_picture(layer, image, file=file) for layer in layers]
    layers = [layer.reshape(*layer.shape, *[1] * (_SPATIAL_AXES - layer.ndim)) for layer in layers]
    reference = None if whole else _reference(header, image)
    placement = place(layers[0].shape, affine, image, file=file, reference=reference, whole=whole)
    if reference is None and layers[0].size != image.rows * image.columns:
        _check_crop(header, layers, placement, image, file=file)
    return [placement.draw(layer, image, file=file) for layer in layers]


def _affine(header: dict[str, Any], *, file: str) -> Affine | None:
    """Give (4, 4) from indices to LPS; None if the file states no directions."""
    directions = header.get("space directions")
    if directions is None:
        return None
    rows = [row for row in directions if row is not None and np.isfinite(row).all()]
    space = str(header.get("space", "")).lower().removesuffix("-time")
    if space not in _TO_LPS or not rows:
        raise TrainingError(f"{file}: its space is none of left-posterior-superior, right- or left-anterior-superior")
    axes = len(rows)
    affine = np.eye(4)
    affine[:axes, :axes] = np.array(rows, np.float64).T
    affine[:axes, 3] = header.get("space origin", np.zeros(axes))
    to_lps: Affine = np.diag([*_TO_LPS[space], 1.0]) @ affine
    return to_lps


def _reference(header: dict[str, Any], image: ImageFacts) -> Affine | None:
    """Give the geometry of the image that was drawn on, if it is stated and of this image's size.

    Sixteen numbers of the matrix to RAS, row by row, then first and last index of each axis.
    """
    match = re.search(rf"{_GEOMETRY}\|([^|&]*)", str(header.get("Segmentation_ConversionParameters", "")))
    try:
        numbers = [float(part) for part in match.group(1).split(";") if part] if match else []
    except ValueError:
        return None
    if len(numbers) != 16 + 6 or not np.isfinite(numbers).all():
        return None
    matrix, extent = np.reshape(numbers[:16], (4, 4)), numbers[16:]
    if extent != [0, image.columns - 1, 0, image.rows - 1, 0, 0] or np.linalg.det(matrix) == 0:
        return None
    to_lps: Affine = _RAS_TO_LPS @ matrix
    return to_lps


def _check_crop(
    header: dict[str, Any], layers: list[NDArray[np.generic]], placement: Placement, image: ImageFacts, *, file: str
) -> None:
    """Believe a smaller picture only where it is a crop of this image without doubt.

    The origin is Slicer's own geometry, and its extent offset (which may be negative) can be ignored where the
    geometry of the image is stated. Where it is not, an image that did not lie at 0 would put the mask anywhere: the
    two must agree. And a mask of a smaller image begins at 0 as well; a crop there reaches to its four sides.
    """
    parts = str(header.get("Segmentation_ReferenceImageExtentOffset", "")).split()
    if len(parts) != _SPATIAL_AXES or (not any(map(int, parts[:2])) and not _is_tight(layers)):
        sizes = layers[0].transpose(placement.axes).shape[:2]
        check_size(sizes, image, file=file)
    elif (placement.left, placement.top) != tuple(int(part) for part in parts[:2]):
        raise TrainingError(
            f"{file}: its origin and its extent offset put the mask at different places of the image; "
            "save it without cropping to the minimum extent"
        )


def _is_tight(layers: list[NDArray[np.generic]]) -> bool:
    """Tell whether what is drawn reaches to both ends of each axis."""
    drawn = np.any([layer != 0 for layer in layers], axis=0)
    ends = (drawn.take(index, axis=axis).any() for axis in range(drawn.ndim) for index in (0, -1))
    return all(ends)


def _draw(segments: tuple[Segment, ...], pictures: list[NDArray[np.generic]], *, file: str) -> tuple[Labels, Mask]:
    """Draw the regions, the calcifications over them, and what was biopsied."""
    _check_values(segments, pictures, file=file)
    labels = np.zeros(pictures[0].shape, np.uint8)
    biopsied = np.zeros(pictures[0].shape, np.bool_)
    order = {REGION: 0, CALCIFICATION: 1}
    for segment in sorted(segments, key=lambda one: order.get(one.label or 0, 0)):
        inside = pictures[segment.layer] == segment.value
        if not inside.any():
            continue
        if segment.label is None:  # its name may hold a patient's, so it is not told
            raise TrainingError(f"{file}: segment {segment.number} has a name that is not known; {names.ALLOWED}")
        labels[inside] = segment.label
        biopsied |= inside & segment.biopsied
    return labels, biopsied


def _check_values(segments: tuple[Segment, ...], pictures: list[NDArray[np.generic]], *, file: str) -> None:
    for segment in segments:
        if not 0 <= segment.layer < len(pictures):
            raise TrainingError(f"{file}: segment {segment.number} is in a layer that the file does not have")
    for layer, picture in enumerate(pictures):
        known = {segment.value for segment in segments if segment.layer == layer}
        if 0 in known or set(np.unique(picture).tolist()) - known - {0}:
            raise TrainingError(f"{file}: unknown label values in layer {layer}: no segment has them")
