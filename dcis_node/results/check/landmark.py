"""The mask laid back over its source by a landmark: what was outlined lies on the breast, not in the air beside it.

The picture of a view is reduced from the stored pixels and never went the way of the mask (crop, tiles, mirror), so
the breast in it is a landmark that does not share the mask's faults. A mask that was mirrored, turned upside down or
transposed falls into air for most breasts. The rule asks twice before it speaks, as a right mask must never fail: of
what was outlined most lies far from the breast that is found in the picture, and there the picture is as dark as air.
The first alone would fail a lesion near the skin, or in fat that a hard window shows as black as air; the second alone
one that is too faint for a small picture.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.errors import PixelError
from dcis_node.mammogram.anatomy import TISSUE_FROM, find_breast
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import demand
from dcis_node.results.check.region import box_of
from dcis_node.results.hanging import hung

# So far from the breast, as a share of the picture's longer side (7 mm of a large detector), is beside it. The skin
# line is as faint as air, and the breast that is found may lack it.
MARGIN = 0.025
# Of the outlined pixels; a lesion at the skin may reach beyond it.
MOST = 0.5
# Distances are taken on every fourth pixel of the picture, far finer than the margin.
_STEP = 4


def check_landmarks(answer: ExamAnswer) -> None:
    """Lay each mask back over the picture of its view.

    A view without a picture is left out, as is one in whose picture no breast is found: old analyses have none, and a
    hard window may leave too little of a breast to be found.

    Raises
    ------
    ResultError
        If what was outlined lies in air, naming the image.
    """
    for image in hung(answer):
        demand(not in_air(image), f"what was outlined lies in air beside the breast of {image.header.sop_instance_uid}")


def in_air(image: SourceImage) -> bool:
    """Tell if what was outlined lies in the air of its picture; False where that cannot be told."""
    if image.picture is None or image.prediction is None or not image.outlined:
        return False
    grey = image.picture.grey
    rows, columns = _places(image.prediction.mask, grey.shape)
    air, bright = _rank(grey, 0.005), _rank(grey, 0.99)
    if _rank(grey[rows, columns], 0.95) > air + TISSUE_FROM * (bright - air):
        return False
    try:
        breast = find_breast(np.divide(grey, 255, dtype=np.float32)).mask
    except PixelError:
        return False
    beyond = ndimage.distance_transform_edt(~breast[::_STEP, ::_STEP]) * _STEP
    far = beyond[rows // _STEP, columns // _STEP] > MARGIN * max(grey.shape)
    return bool(far.mean() > MOST)


def _places(mask: NDArray[np.bool_], size: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the row and the column in a picture of (height, width) of each outlined pixel."""
    left, top, right, bottom = box_of(mask)
    rows, columns = np.nonzero(mask[top:bottom, left:right])
    return (rows + top) * size[0] // mask.shape[0], (columns + left) * size[1] // mask.shape[1]


def _rank(grey: NDArray[np.uint8], share: float) -> int:
    """Give the grey below which that share of the pixels lies: a label or a dead pixel does not set it."""
    return int(np.searchsorted(np.cumsum(np.bincount(grey.ravel(), minlength=256)), share * grey.size))
