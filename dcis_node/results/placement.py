"""Where a text stands on an image: beside the lesion, inside the image, on the side with most room."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dcis_node.results.outline import Points

# Of the longer side of the image: 16 pixels in a view that is shown 1000 pixels high, so letters of about 12.
LINE_HEIGHT = 1 / 64
# Of a line's height: a little more than the mean letter of common fonts.
LETTER_WIDTH = 0.6
# Between the lesion and the text, in lines.
GAP = 1.0


@dataclass(frozen=True)
class Box:
    """A rectangle in the coordinates of SCOORD: x to the right, y down, from the image's upper left corner."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: "Box") -> float:
        """Give the area that both cover."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, width) * max(0.0, height)

    def nearest(self, points: Points) -> tuple[float, float]:
        """Give that of the points (n, 2) which lies nearest."""
        beside = np.array([self.x0, self.y0]) - points, points - np.array([self.x1, self.y1])
        gaps = np.maximum(np.maximum(*beside), 0.0)
        x, y = points[int(np.argmin(np.hypot(gaps[:, 0], gaps[:, 1])))]
        return float(x), float(y)


def box_of(points: Points) -> Box:
    """Give the box round points (n, 2)."""
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return Box(float(x0), float(y0), float(x1), float(y1))


def place(lines: Sequence[str], parts: Sequence[Points], *, rows: int, columns: int) -> Box:
    """Find the place of a text beside the parts of a lesion.

    Parameters
    ----------
    lines
        Of the text, at least one.
    parts
        Points (n, 2) of each part that is not to be covered, at least one part.
    rows, columns
        Of the image.

    Returns
    -------
    Box inside the image: to the right or left of all parts, where the wider room is, as that is often air; above or
    below where a text beside them would cover a part. Where every place covers some, that which covers least.
    """
    line = LINE_HEIGHT * max(rows, columns)
    width = min(float(columns), line * LETTER_WIDTH * max(len(text) for text in lines))
    height = min(float(rows), line * len(lines))
    return beside(parts, width, height, gap=GAP * line, rows=rows, columns=columns)


def beside(parts: Sequence[Points], width: float, height: float, *, gap: float, rows: int, columns: int) -> Box:
    """Find the place of something of a size beside the parts of a lesion, as `place` does."""
    whole = box_of(np.vstack(list(parts)))
    x, y = (whole.x0 + whole.x1 - width) / 2, (whole.y0 + whole.y1 - height) / 2
    # room on that side, and the corner of the text there
    beside = (
        (columns - whole.x1, (whole.x1 + gap, y)),
        (whole.x0, (whole.x0 - gap - width, y)),
    )
    above_or_below = (
        (rows - whole.y1, (x, whole.y1 + gap)),
        (whole.y0, (x, whole.y0 - gap - height)),
    )
    corners = [corner for sides in (beside, above_or_below) for _, corner in sorted(sides, reverse=True)]
    boxes = [_inside(corner, width, height, rows=rows, columns=columns) for corner in corners]
    around = [box_of(part) for part in parts]
    return min(boxes, key=lambda box: sum(box.overlap(part) for part in around))


def _inside(corner: tuple[float, float], width: float, height: float, *, rows: int, columns: int) -> Box:
    """Move a box into the image; its edges are whole pixels."""
    x = np.floor(min(max(corner[0], 0.0), columns - width))
    y = np.floor(min(max(corner[1], 0.0), rows - height))
    return Box(float(x), float(y), float(min(columns, np.ceil(x + width))), float(min(rows, np.ceil(y + height))))
