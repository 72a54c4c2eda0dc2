"""Draw one image with what lies over it: the whole view, and what was drawn enlarged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

from dcis_node.mammogram.display import choose, transforms
from dcis_node.results.drawing.picture import TEXT_COLOUR, fitted, outline, reduced
from dcis_node.results.drawing.typeset import LEADING, Paragraph, font, height_of, lay, line_height, write
from dcis_node.results.placement import beside
from dcis_node.results.preview.drawing import Caption, Drawing
from dcis_node.results.preview.scene import ShownImage

LABEL_SIZE, CAPTION_SIZE, LEAST_CAPTION = 24, 15, 9
MARGIN = 10
UNUSED_COLOUR = (255, 176, 96)
FRAME_COLOUR = (90, 90, 90)
# Of a fill: the image stays seen below it.
OPACITY = 0.35
# Arms of the symbol at a centre.
SYMBOL = 9
LINE_WIDTH, MARK_WIDTH = 2, 5
# Round what is drawn, in an enlarged piece: this share of its longer side, and at least so many pixels of the image.
ROUND, LEAST_ROUND = 0.25, 60

Window = tuple[float, float, float, float]


def grey_of(stored: NDArray[np.integer[Any]], attributes: Dataset, drawings: Sequence[Drawing]) -> NDArray[np.uint8]:
    """Show an image: by the presentation state if one is drawn, else as the image asks to be shown.

    Returns
    -------
        (rows, columns) uint8.
    """
    steps = next((drawing.softcopy for drawing in drawings if drawing.softcopy is not None), None)
    header = attributes if steps is None else _completed(steps, attributes)
    return np.asarray(np.round(choose(transforms(header)).apply(stored) * 255), dtype=np.uint8)


def _completed(steps: Dataset, attributes: Dataset) -> Dataset:
    """Give the state's steps with what the image says of its stored values."""
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "Rows", "Columns"):
        if keyword in attributes:
            steps[keyword] = attributes[keyword]
    return steps


def whole_view(
    image: ShownImage, grey: NDArray[np.uint8] | None, drawings: Sequence[Drawing], size: tuple[int, int]
) -> Image.Image:
    """Draw a whole view with what lies over it and its texts; a frame with the reason where it cannot be shown.

    Parameters
    ----------
    size
        (height, width) of the place.
    """
    height, width = size
    drawn = Image.new("RGB", (width, height))
    if grey is not None:
        shape = fitted(grey.shape, size)
        view = _overlaid(grey, drawings, (0.0, 0.0, float(grey.shape[1]), float(grey.shape[0])), shape, texts=True)
        drawn.paste(view, (_left(image.side, width, shape[1]), (height - shape[0]) // 2))
    else:
        ImageDraw.Draw(drawn).rectangle((0, 0, width - 1, height - 1), outline=FRAME_COLOUR, width=2)
    _name(drawn, image, grey is not None)
    return drawn


def _left(side: str, width: int, used: int) -> int:
    """Chest walls meet in the middle: what is right of the breast's own side goes to the outside."""
    return {"R": width - used, "L": 0}.get(side, (width - used) // 2)


def _name(drawn: Image.Image, image: ShownImage, shown: bool) -> None:  # noqa: FBT001 -- of two values in one place
    """Write the view's name and why it was not used into the outer lower corner."""
    texts = [Paragraph(image.label or "view", LABEL_SIZE, TEXT_COLOUR)]
    if image.unused:
        texts.append(Paragraph(f"not used: {image.unused}", CAPTION_SIZE + 2, UNUSED_COLOUR))
    if not shown:
        texts.append(Paragraph("its pixels cannot be shown here", CAPTION_SIZE + 2, FRAME_COLOUR))
    width = round(drawn.width * (0.6 if shown else 0.9))
    lines = lay(texts, width)
    longest = max(round(font(line.size).getlength(line.text)) for line in lines)
    x = drawn.width - MARGIN - longest if image.side == "L" else MARGIN
    write(ImageDraw.Draw(drawn), lines, (x, drawn.height - MARGIN - height_of(lines)), halo=2)


def enlarged(
    image: ShownImage, grey: NDArray[np.uint8], drawings: Sequence[Drawing], size: tuple[int, int]
) -> Image.Image | None:
    """Draw the part of an image that something is drawn on, enlarged and without texts; None if nothing is."""
    boxes = [drawing.extent for drawing in drawings if drawing.extent is not None]
    if not boxes:
        return None
    corners = np.array(boxes).reshape(-1, 2)
    window = _window(corners, shape=grey.shape, size=size)
    drawn = _overlaid(grey, drawings, window, size, texts=False)
    label = [Paragraph(f"{image.label}, enlarged", CAPTION_SIZE + 2, TEXT_COLOUR)]
    write(ImageDraw.Draw(drawn), label, (MARGIN, MARGIN), halo=2)
    return drawn


def _window(corners: NDArray[np.float64], *, shape: tuple[int, int], size: tuple[int, int]) -> Window:
    """Give the part (x0, y0, x1, y1) of the image round some points, with the proportions of a place."""
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    more = max(LEAST_ROUND, ROUND * max(x1 - x0, y1 - y0))
    width, height = x1 - x0 + 2 * more, y1 - y0 + 2 * more
    scale = max(width / size[1], height / size[0])
    scale = min(scale, shape[1] / size[1], shape[0] / size[0])
    width, height = scale * size[1], scale * size[0]
    left = min(max((x0 + x1 - width) / 2, 0.0), shape[1] - width)
    top = min(max((y0 + y1 - height) / 2, 0.0), shape[0] - height)
    return float(left), float(top), float(left + width), float(top + height)


def _overlaid(
    grey: NDArray[np.uint8], drawings: Sequence[Drawing], window: Window, size: tuple[int, int], *, texts: bool
) -> Image.Image:
    """Draw a window of an image at a size (height, width), with everything that lies over it."""
    height, width = size
    part = Image.fromarray(grey).resize((width, height), Image.Resampling.LANCZOS, box=window, reducing_gap=3.0)
    pixels = np.repeat(np.asarray(part)[:, :, None], 3, axis=2)
    for drawing in drawings:
        if drawing.fill is not None:
            _lay_fill(pixels, drawing, window)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for drawing in drawings:
        _draw_lines(draw, drawing, window, size)
    if texts:
        _draw_texts(draw, drawings, window, size)
    return picture


def _lay_fill(pixels: NDArray[np.uint8], drawing: Drawing, window: Window) -> None:
    mask = drawing.fill
    if mask is None:
        return
    x0, y0, x1, y1 = window
    part = mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
    inside = reduced(part, pixels.shape[:2])
    colour = np.array(drawing.colour, dtype=np.float64)
    pixels[inside] = np.round((1 - OPACITY) * pixels[inside] + OPACITY * colour).astype(np.uint8)
    pixels[outline(inside)] = drawing.colour


def _placed(points: NDArray[np.float64], window: Window, size: tuple[int, int]) -> NDArray[np.float64]:
    """Bring points of the image to the drawing of a window."""
    x0, y0, x1, y1 = window
    scale = np.array([size[1] / (x1 - x0), size[0] / (y1 - y0)])
    return np.asarray((points - np.array([x0, y0])) * scale, dtype=np.float64)


def _draw_lines(draw: ImageDraw.ImageDraw, drawing: Drawing, window: Window, size: tuple[int, int]) -> None:
    # The outline of a mark is the very one of a presentation state, which is laid over it.
    width = MARK_WIDTH if drawing.centres else LINE_WIDTH
    for points in drawing.outlines:
        draw.line([tuple(p) for p in _placed(points, window, size)], fill=drawing.colour, width=width, joint="curve")
    for centre in drawing.centres:
        ((x, y),) = _placed(np.array([centre]), window, size)
        draw.line((x - SYMBOL, y, x + SYMBOL, y), fill=drawing.colour, width=3)
        draw.line((x, y - SYMBOL, x, y + SYMBOL), fill=drawing.colour, width=3)


def _draw_texts(draw: ImageDraw.ImageDraw, drawings: Sequence[Drawing], window: Window, size: tuple[int, int]) -> None:
    for drawing in drawings:
        for caption in drawing.captions:
            _draw_caption(draw, caption, drawing, window=window, size=size)


def _draw_caption(
    draw: ImageDraw.ImageDraw, caption: Caption, drawing: Drawing, *, window: Window, size: tuple[int, int]
) -> None:
    """Write a text where its object or its viewer puts it, with a line to what it belongs to."""
    letters = _letter_size(caption, scale=size[0] / (window[3] - window[1]))
    lines = [Paragraph(text, letters, drawing.colour) for text in caption.lines]
    width = max(font(line.size).getlength(line.text) for line in lines)
    height, tall = height_of(lines), line_height(letters)
    ((anchor_x, anchor_y),) = _placed(np.array([caption.anchor]), window, size)
    if caption.corner is None:
        parts = [_placed(points, window, size) for points in drawing.outlines]
        box = beside(parts, width, height, gap=tall, rows=size[0], columns=size[1])
        x, y = box.x0, box.y0
    else:
        ((x, y),) = _placed(np.array([caption.corner]), window, size)
        # A viewer moves a text into its window.
        x, y = min(max(x, 0.0), size[1] - width), min(max(y, 0.0), size[0] - height)
    near = (x if anchor_x < x else x + width if anchor_x > x + width else x + width / 2, y + height / 2)
    draw.line((anchor_x, anchor_y, *near), fill=drawing.colour, width=1)
    write(draw, lines, (round(x), round(y)), halo=2)


def _letter_size(caption: Caption, *, scale: float) -> int:
    """Give the size of letters whose lines fill the box of a text."""
    if caption.height is None:
        return CAPTION_SIZE
    fitting = int(caption.height * scale / len(caption.lines) / LEADING)
    return min(max(fitting, LEAST_CAPTION), CAPTION_SIZE)
