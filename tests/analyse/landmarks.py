"""Mammograms with marks at known pixels, a network that outlines exactly the marks, and where the results put them.

A mark can come back exactly because the geometry is chosen so: an input pixel is 2 x 2 stored ones (0.2 mm over 0.1 mm)
and every edge of a mark is even, or the input has the stored spacing and sizes are odd, so that a mirror off by one
shows. The letter F looks like no turned or transposed F, and each view has it at a place of its own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from dcis_node.model.predict import Ensemble
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram, reread
from tests.results.reading import groups, region, source_of

VIEWS = ("R CC", "L CC", "R MLO", "L MLO")
AIR, TISSUE, MARK = 40, 1800, 4000
# Of the display values; tissue shows at 0.44, a mark at 0.98.
BRIGHT = 0.9
LOCATED = frozenset(
    {
        ResultKind.READABLE_REPORT,
        ResultKind.MEASUREMENT_REPORT,
        ResultKind.SEGMENTATION,
        ResultKind.PRESENTATION_STATE,
    }
)
# Boxes (first row, first column, last row + 1, last column + 1) of an F, and of a dot apart from it: one lesion (closer
# than 3 mm), outlined in two pieces (the dot has more than a tenth of the letter), of too few corners to be thinned.
LETTER = ((0, 0, 28, 6), (0, 6, 6, 22), (12, 6, 16, 14), (20, 14, 26, 20))


@dataclass(frozen=True)
class Geometry:
    """Size and spacing of a view, and how far its marks stand from even pixels."""

    rows: int
    columns: int
    spacing_mm: float
    offset: int


# Over the bundle's input of 0.2 mm.
GEOMETRIES = {"two to one": Geometry(256, 192, 0.1, 0), "one to one, odd": Geometry(211, 157, 0.2, 1)}


class BrightIsLesion(nn.Module):
    """A network that outlines what is bright."""

    def encode(self, image):
        return (image,)

    def segment(self, maps):
        lesion = (maps[-1] > BRIGHT).float()
        return 20.0 * torch.cat([1.0 - lesion, lesion], dim=1)  # (B, 2, H, W)

    def classify(self, maps):
        return torch.tensor([[0.0, 1.0]]).repeat(len(maps[-1]), 1)  # (B, 2)


class LandmarkEnsemble(Ensemble):
    """The real tiling, mirroring and mapping round that network."""

    def _build(self, fold):
        return BrightIsLesion()


def landmarks(geometry: Geometry, *, chest_wall: str, number: int) -> np.ndarray:
    """Give (rows, columns) bool: the marked pixels, as stored."""
    marked = np.zeros((geometry.rows, geometry.columns), np.bool_)
    top = geometry.rows // 4 * 2 - 20 + 4 * number + geometry.offset
    left = 30 + 6 * number + geometry.offset
    if chest_wall == "right":  # at a place of its own, not at the mirrored one
        left = (geometry.columns - left - 30) // 2 * 2 + geometry.offset
    for row0, column0, row1, column1 in LETTER:
        marked[top + row0 : top + row1, left + column0 : left + column1] = True
    return marked


def marked_view(number: int, name: str, geometry: Geometry, *, reversed_: bool, photometric: str):
    """Give a mammogram and its marked pixels.

    Parameters
    ----------
    reversed_
        True stores it against its laterality: the chest wall of a right breast to the left.
    """
    chest_wall = "right" if name.startswith("R") != reversed_ else "left"
    rows, columns = np.mgrid[0 : geometry.rows, 0 : geometry.columns]
    from_wall = columns if chest_wall == "left" else geometry.columns - 1 - columns
    inside = ((rows - geometry.rows / 2) / (0.45 * geometry.rows)) ** 2 + (
        from_wall / (0.8 * geometry.columns)
    ) ** 2 < 1
    marked = landmarks(geometry, chest_wall=chest_wall, number=number)
    assert not (marked & ~inside).any()
    pixels = np.where(marked, MARK, np.where(inside, TISSUE, AIR)).astype(np.uint16)
    side, foot = ("P", "L") if chest_wall == "right" else ("A", "R")
    image = mammogram(
        number,
        name,
        Rows=geometry.rows,
        Columns=geometry.columns,
        ImagerPixelSpacing=[geometry.spacing_mm] * 2,
        PatientOrientation=[side, "F" + foot if name.endswith("MLO") else foot],
        PhotometricInterpretation=photometric,
        PresentationLUTShape="INVERSE" if photometric == "MONOCHROME1" else "IDENTITY",
        PixelData=(4095 - pixels if photometric == "MONOCHROME1" else pixels).tobytes(),
    )
    return image, marked


def four_marked_views(geometry: Geometry, *, reversed_: bool, photometric: str):
    """Give the four views of an exam, and their marked pixels by SOP Instance UID."""
    views = [
        marked_view(number, name, geometry, reversed_=reversed_, photometric=photometric)
        for number, name in enumerate(VIEWS, 1)
    ]
    return [image for image, _ in views], {str(image.SOPInstanceUID): marked for image, marked in views}


def report_of(folder, bundle, images, ensemble_class=LandmarkEnsemble):
    """Send an exam through a node with such an ensemble; gives its result objects as they are read back."""
    node = Node(folder, bundle, ensemble_class(bundle, torch.device("cpu")))
    try:
        node.put(build=lambda answer, _kinds: build_results(answer, LOCATED))
        node.report(*images)
        return [reread(node.files.read(result.sha256)) for result in node.results]
    finally:
        node.db.close()


def covered(polygons, shape) -> np.ndarray:
    """Give the share of each pixel, (rows, columns) in [0, 1], that lies inside the polygons.

    By the even-odd rule at four points of each pixel: an outline that is off by half a pixel gives halves.
    """
    at = [np.sort(np.concatenate([np.arange(length) + 0.25, np.arange(length) + 0.75])) for length in shape]
    y, x = np.meshgrid(*at, indexing="ij")
    inside = np.zeros(y.shape, np.bool_)
    for points in polygons:
        for (x0, y0), (x1, y1) in pairwise(points):
            if y0 != y1:
                inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside.reshape(shape[0], 2, shape[1], 2).mean(axis=(1, 3))


def places(results, shape) -> dict[tuple[str, str], np.ndarray]:
    """Give where each object puts its lesion: (SOP Instance UID, `SEG`, `SCOORD` or `GSPS`) -> share of each pixel."""
    found = {}
    outlines: dict[tuple[str, str], list] = {}
    for ds in results:
        if ds.Modality == "SEG":
            found[source_of(ds), "SEG"] = ds.pixel_array.astype(float)
        elif ds.Modality == "PR":
            for annotation in ds.GraphicAnnotationSequence:
                uid = str(annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID)
                for graphic in annotation.get("GraphicObjectSequence", ()):
                    points = np.array(graphic.GraphicData, dtype=float).reshape(-1, 2)
                    outlines.setdefault((uid, "GSPS"), []).append(points)
        else:
            for group in groups(ds):
                points, uid = region(group)
                outlines.setdefault((uid, "SCOORD"), []).append(points)
    return found | {key: covered(polygons, shape) for key, polygons in outlines.items()}


def missed(results, marked: dict[str, np.ndarray]) -> set[tuple[str, str]]:
    """Give what does not lie exactly on the marked pixels of its image; empty when all does."""
    shape = next(iter(marked.values())).shape
    found = places(results, shape)
    return {
        (uid, kind)
        for uid, pixels in marked.items()
        for kind in ("SEG", "SCOORD", "GSPS")
        if (uid, kind) not in found or not np.array_equal(found[uid, kind], pixels)
    }
