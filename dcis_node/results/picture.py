"""Hang views as a radiologist hangs them: right beside left, CC above MLO, chest walls back to back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

# Row of the hanging by view; what is neither CC- nor MLO-like goes below.
CC_LIKE = ("CC", "XCCL", "XCCM")
MLO_LIKE = ("MLO", "ML", "LM", "LMO")
OUTLINE_COLOUR = (255, 210, 0)
TEXT_COLOUR = (235, 235, 235)
WARNING_COLOUR = (255, 120, 120)
GAP = 6


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
    draw.text((12, 8), title, fill=TEXT_COLOUR, font=ImageFont.load_default(24))
    draw.text((12, 42), banner, fill=WARNING_COLOUR, font=ImageFont.load_default(24))
    for (row, column), view in zip(places, views, strict=True):
        corner = (column * (width + GAP), head + row * (height + GAP))
        picture.paste(_cell(view, cell), corner)
    for number, text in enumerate(footer):
        position = (12, head + rows * (height + GAP) + number * line)
        draw.text(position, text, fill=TEXT_COLOUR, font=ImageFont.load_default(18))
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
    image, mask = view.image, view.mask
    # Chest walls meet in the middle: the right breast's on its right, the left breast's on its left.
    if view.chest_wall != ("right" if view.laterality == "R" else "left"):
        image, mask = image[:, ::-1], mask[:, ::-1]
    height, width = cell
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    grey = Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    pixels = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    pixels[_outline(mask, size)] = OUTLINE_COLOUR
    place = Image.new("RGB", (width, height))
    left = width - size[0] if view.laterality == "R" else 0
    place.paste(Image.fromarray(pixels), (left, (height - size[1]) // 2))
    draw = ImageDraw.Draw(place)
    label = f"{view.laterality} {view.view}"
    # The lower corner away from the chest wall is the empty one: the upper one holds the view marker.
    lines = (label, *view.lines)
    for number, text in enumerate(lines):
        font = ImageFont.load_default(26 if number == 0 else 18)
        length = draw.textlength(text, font=font)
        x = 12 if view.laterality == "R" else width - 12 - length
        y = height - 14 - 24 * (len(lines) - number) - (8 if number == 0 else 0)
        draw.text((x, y), text, fill=TEXT_COLOUR, font=font, stroke_width=2, stroke_fill=(0, 0, 0))
    return place


def _outline(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a line two pixels wide round the mask, at the size of the picture, just outside of it."""
    small = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    inside = np.asarray(small) > 0
    grown = ndimage.binary_dilation(inside, iterations=3)
    return np.asarray(grown & ~ndimage.binary_dilation(inside, iterations=1), dtype=np.bool_)
