"""An outline on an image: closed, inside, and round pixels of the mask; the same rule for every kind of object.

SCOORD and the PIXEL units of a presentation state have the same origin, the upper left corner of the first pixel
(PS3.3 C.18.6.1.1 and C.10.5), so the same numbers are held to the same mask.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import demand
from dcis_node.results.hanging import hung
from dcis_node.results.outline import Points


def analysed_image(answer: ExamAnswer, uid: str) -> SourceImage:
    """Give the analysed image of a SOP Instance UID.

    Raises
    ------
    ResultError
        If that is no image of the exam, or one that was not analysed.
    """
    image = next((i for i in hung(answer) if i.header.sop_instance_uid == uid), None)
    if image is None or image.prediction is None:
        raise ResultError("a region lies on no analysed image")
    return image


def points_of(graphic_data: Iterable[float]) -> Points:
    """Give Graphic Data (x, y, x, y ...) as (n, 2) points.

    Raises
    ------
    ResultError
        If a number is missing, or one is not finite.
    """
    values = np.array(list(graphic_data), dtype=np.float64)
    demand(values.size > 0 and values.size % 2 == 0, "a region lacks a coordinate")
    demand(bool(np.isfinite(values).all()), "a region has a coordinate that is no number")
    return values.reshape(-1, 2)


def check_inside(points: Points, image: SourceImage) -> None:
    """Demand that points (n, 2) lie inside their image, its border included.

    Raises
    ------
    ResultError
        Naming the image.
    """
    limit = (image.header.columns, image.header.rows)
    inside = bool((points >= 0).all() and (points <= limit).all())
    demand(inside, f"a region leaves its image {image.header.sop_instance_uid}")


def check_outline(points: Points, image: SourceImage) -> None:
    """Demand that an outline is closed, lies inside its image and runs along pixels of the mask.

    Parameters
    ----------
    points
        (n, 2) corners (x, y) of a POLYLINE, the first one repeated at the end.

    Raises
    ------
    ResultError
        Naming the image.
    """
    uid = image.header.sop_instance_uid
    closed = len(points) >= 4 and bool((points[0] == points[-1]).all())
    demand(closed, f"an outline on {uid} is not closed")
    check_inside(points, image)
    demand(_meets(points, image), f"an outline does not lie on the mask of {uid}")


def mask_box(image: SourceImage) -> tuple[int, int, int, int]:
    """Give the box round all pixels of the mask as (x0, y0, x1, y1) in coordinates of SCOORD; zeros without any."""
    return (0, 0, 0, 0) if image.prediction is None else box_of(image.prediction.mask)


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Give the box (x0, y0, x1, y1) round all pixels of a (rows, columns) mask; zeros without any."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return 0, 0, 0, 0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _meets(points: Points, image: SourceImage) -> bool:
    """Tell if each corner of an outline touches a pixel of the mask: a mirrored or shifted outline does not."""
    mask = image.prediction.mask if image.prediction else np.zeros((1, 1), dtype=bool)
    x, y = points.astype(int).T
    padded = np.pad(mask[_window(y, mask.shape[0]), _window(x, mask.shape[1])], 1)
    x, y = x - _window(x, mask.shape[1]).start + 1, y - _window(y, mask.shape[0]).start + 1
    touched = padded[y, x] | padded[y - 1, x] | padded[y, x - 1] | padded[y - 1, x - 1]
    return bool(touched.all())


def _window(indices: np.ndarray[tuple[int], np.dtype[np.int_]], size: int) -> slice:
    return slice(max(0, int(indices.min()) - 1), min(size, int(indices.max()) + 1))
