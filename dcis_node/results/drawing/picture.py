"""Draw views: grey as the image asks to be shown, what is outlined in colour, hung as a radiologist hangs them.

Right beside left, CC above MLO, chest walls back to back. All sizes are (height, width), pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from dcis_node.results.drawing.typeset import font

# Row of the hanging by view; what is neither CC- nor MLO-like goes below.
CC_LIKE = ("CC", "XCCL", "XCCM")
MLO_LIKE = ("MLO", "ML", "LM", "LMO")
OUTLINE_COLOUR = (255, 210, 0)
TEXT_COLOUR = (235, 235, 235)
WARNING_COLOUR = (255, 120, 120)
GAP = 6
# The line stays so far away from what it outlines, so that it covers none of it, and is so wide.
CLEARANCE, LINE_WIDTH = 1, 2


def fitted(shape: tuple[int, int], place: tuple[int, int]) -> tuple[int, int]:
    """Give the largest size with the proportions of a shape that fits a place."""
    scale = min(place[0] / shape[0], place[1] / shape[1])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def draw_view(
    grey: NDArray[np.uint8], mask: NDArray[np.bool_] | None, *, mirrored: bool, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw one view with its outline.

    Parameters
    ----------
    grey
        (height, width) uint8, the whole view as stored, of any size: `ViewPicture.grey`.
    mask
        (rows, columns) bool, what is outlined, as stored; of any size, over the whole view. None draws no outline.
    mirrored
        True turns both left to right.
    size
        Of the drawing.

    Returns
    -------
        (height, width, 3) uint8 RGB of that size.
    """
    scaled = Image.fromarray(grey).resize(size[::-1], Image.Resampling.LANCZOS)
    pixels = np.repeat(np.asarray(scaled)[:, :, None], 3, axis=2)
    if mask is not None:
        pixels[outline(reduced(mask, size))] = OUTLINE_COLOUR
    return pixels[:, ::-1] if mirrored else pixels


def reduced(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Bring a mask to another size; a pixel is set if it covers any set pixel of the mask, were it a single one."""
    height, width = size
    rows, columns = mask.shape
    small = np.zeros(size, dtype=bool)
    if height >= rows and width >= columns:
        small |= mask[np.arange(height) * rows // height][:, np.arange(width) * columns // width]
        return small
    filled = np.flatnonzero(mask.any(axis=1))
    if filled.size:
        # Only the rows that hold something are searched: a full mask has millions of pixels.
        row, column = np.nonzero(mask[filled[0] : filled[-1] + 1])
        small[(row + filled[0]) * height // rows, column * width // columns] = True
    return small


def outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the line round what is set, just outside of it, on an array of the same size."""
    line = np.zeros(inside.shape, dtype=bool)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if rows.size:
        reach = CLEARANCE + LINE_WIDTH
        window = tuple(slice(max(0, found[0] - reach), found[-1] + 1 + reach) for found in (rows, columns))
        near = ndimage.binary_dilation(inside[window], iterations=CLEARANCE)
        line[window] = ndimage.binary_dilation(near, iterations=LINE_WIDTH) & ~near
    return line


@dataclass(frozen=True, eq=False)
class HungView:
    """One view to be hung.

    Parameters
    ----------
    image
        (rows, columns) float32 in [0, 1], as stored.
    mask
        (rows, columns) bool, what is outlined; as stored.
    chest_wall
        Side of the stored image that shows the chest wall: `left` or `right`.
    lines
        Texts for the corner.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    laterality: str
    view: str
    chest_wall: str
    lines: tuple[str, ...] = ()


def hang(
    views: Sequence[HungView],
    *,
    title: str,
    banner: str,
    footer: Sequence[str] = (),
    cell: tuple[int, int] = (900, 720),
) -> Image.Image:
    """Draw the views side by side.

    Parameters
    ----------
    views
        Any number; each lands in its row (CC, MLO, other) and column (right breast on the viewer's left).
    title, banner, footer
        Texts of the whole picture; the banner is the research-use warning and stands in a colour of its own.
    cell
        (height, width) of the place of one view, pixels.

    Returns
    -------
    PIL.Image.Image
        RGB picture. Nothing in it identifies the patient unless the texts do.
    """
    places = _places(views)
    rows = max((row for row, _ in places), default=0) + 1
    height, width = cell
    head, line = 78, 24
    picture = Image.new("RGB", (2 * width + GAP, head + rows * (height + GAP) + line * len(footer) + 12))
    draw = ImageDraw.Draw(picture)
    draw.text((12, 8), title, fill=TEXT_COLOUR, font=font(24))
    draw.text((12, 42), banner, fill=WARNING_COLOUR, font=font(24))
    for (row, column), view in zip(places, views, strict=True):
        corner = (column * (width + GAP), head + row * (height + GAP))
        picture.paste(_cell(view, cell), corner)
    for number, text in enumerate(footer):
        position = (12, head + rows * (height + GAP) + number * line)
        draw.text(position, text, fill=TEXT_COLOUR, font=font(18))
    return picture


def _places(views: Sequence[HungView]) -> list[tuple[int, int]]:
    """Give (row, column) for each view; a second one of the same place goes into a row below."""
    taken: set[tuple[int, int]] = set()
    places = []
    for view in views:
        row = 0 if view.view in CC_LIKE else 1 if view.view in MLO_LIKE else 2
        column = 0 if view.laterality == "R" else 1
        while (row, column) in taken:
            row += 1
        taken.add((row, column))
        places.append((row, column))
    return places


def _cell(view: HungView, cell: tuple[int, int]) -> Image.Image:
    grey = np.round(np.clip(view.image, 0, 1) * 255).astype(np.uint8)
    # Chest walls meet in the middle: the right breast's on its right, the left breast's on its left.
    mirrored = view.chest_wall != ("right" if view.laterality == "R" else "left")
    size = fitted(grey.shape, cell)
    place = Image.new("RGB", cell[::-1])
    left = cell[1] - size[1] if view.laterality == "R" else 0
    drawn = draw_view(grey, view.mask, mirrored=mirrored, size=size)
    place.paste(Image.fromarray(drawn), (left, (cell[0] - size[0]) // 2))
    draw = ImageDraw.Draw(place)
    label = f"{view.laterality} {view.view}"
    # The lower corner away from the chest wall is the empty one: the upper one holds the view marker.
    lines = (label, *view.lines)
    for number, text in enumerate(lines):
        face = font(26 if number == 0 else 18)
        length = draw.textlength(text, font=face)
        x = 12 if view.laterality == "R" else cell[1] - 12 - length
        y = cell[0] - 14 - 24 * (len(lines) - number) - (8 if number == 0 else 0)
        draw.text((x, y), text, fill=TEXT_COLOUR, font=face, stroke_width=2, stroke_fill=(0, 0, 0))
    return place
