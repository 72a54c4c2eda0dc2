"""The preview as one picture: the views, the objects that were sent, the text and the picture that the viewer opens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

from dcis_node.errors import InputError
from dcis_node.results.drawing.picture import GAP, TEXT_COLOUR, WARNING_COLOUR
from dcis_node.results.drawing.typeset import Colour, Paragraph, height_of, lay, write
from dcis_node.results.preview.drawing import Drawing
from dcis_node.results.preview.scene import Scene, ShownImage
from dcis_node.results.preview.viewers import VIEWERS
from dcis_node.results.preview.views import enlarged, grey_of, whole_view

# Places of views, (height, width), pixels: of a used one, of a row without any, of what is enlarged.
VIEW, UNUSED_VIEW, ENLARGED = (1000, 760), (400, 760), (520, 760)
PANEL, MARGIN = 640, 16
TITLE_SIZE, HEAD_SIZE, TEXT_SIZE = 26, 20, 16
HEAD_COLOUR: Colour = (130, 190, 255)
QUIET_COLOUR: Colour = (160, 160, 160)
# More views than a screen holds are listed in the report only.
MOST_ROWS = 8

# Gives the stored pixels (rows, columns) of an image by its SOP Instance UID, or None where they cannot be decoded.
Pixels = Callable[[str], NDArray[np.integer[Any]] | None]


@dataclass(frozen=True, eq=False)
class Row:
    """Two views beside each other; None where there is none."""

    right: ShownImage | None
    left: ShownImage | None

    @property
    def images(self) -> tuple[ShownImage | None, ShownImage | None]:
        """Both, as they hang."""
        return self.right, self.left


def draw_preview(scene: Scene, pixels: Pixels) -> Image.Image:
    """Draw what the user of the profile's viewer will see.

    Parameters
    ----------
    pixels
        Asked once for each image.

    Returns
    -------
    PIL.Image.Image
        RGB. No patient's identity is in it beside what the images' own pixels hold.
    """
    head = _head(scene)
    views = _stacked(list(_views(scene, pixels)), width=2 * VIEW[1] + GAP)
    panel = _text_block(_panel(scene), PANEL)
    body = _beside(views, panel)
    parts = [_text_block(head, body.width), body, *_pictures(scene, body.width)]
    return _stacked(parts, width=body.width)


def _head(scene: Scene) -> list[Paragraph]:
    title = f"Profile {scene.profile}: {VIEWERS[scene.profile].about}"
    says = (
        "Preview by dcis-node, not a screenshot of that viewer. "
        "Images as they are stored; outlines, texts and pictures as they stand in the objects that are sent."
    )
    return [
        Paragraph(title, TITLE_SIZE, TEXT_COLOUR),
        Paragraph(scene.banner, HEAD_SIZE, WARNING_COLOUR, before=2),
        *(Paragraph(text, TEXT_SIZE, QUIET_COLOUR, before=2) for text in (says, *scene.notes)),
    ]


def rows_of(images: Sequence[ShownImage]) -> list[Row]:
    """Hang images two and two: right breast left, the same view beside it; what has no side fills what is free."""
    rows: list[tuple[str, dict[str, ShownImage]]] = []
    for image in images:
        view = image.label.partition(" ")[2]
        sides = (image.side,) if image.side else ("R", "L")
        free = ((row, side) for name, row in rows for side in sides if name == view and side not in row)
        row, side = next(free, ({}, sides[0]))
        if not row:
            rows.append((view, row))
        row[side] = image
    return [Row(row.get("R"), row.get("L")) for _, row in rows]


def _views(scene: Scene, pixels: Pixels) -> Iterator[Image.Image]:
    """Draw the views row by row, then what is drawn on them, enlarged."""
    rows = rows_of(scene.images)
    pieces: list[Image.Image] = []
    for row in rows[:MOST_ROWS]:
        yield _drawn_row(scene, row, pixels, pieces)
    more = sum(image is not None for row in rows[MOST_ROWS:] for image in row.images)
    if more:
        yield _text_block([Paragraph(f"and {more} more images", TEXT_SIZE, QUIET_COLOUR)], 2 * VIEW[1] + GAP)
    for first in range(0, len(pieces), 2):
        yield _pair(pieces[first : first + 2], ENLARGED)


def _drawn_row(scene: Scene, row: Row, pixels: Pixels, pieces: list[Image.Image]) -> Image.Image:
    """Draw a row of views; what is drawn on them is added to `pieces`, enlarged. Each image is decoded once."""
    used = any(image is not None and not image.unused for image in row.images)
    size = VIEW if used else UNUSED_VIEW
    whole: list[Image.Image | None] = []
    for image in row.images:
        if image is None:
            whole.append(None)
            continue
        drawings = scene.drawings(image.uid)
        grey = _grey(pixels(image.uid), image, drawings)
        whole.append(whole_view(image, grey, drawings, size))
        piece = None if grey is None else enlarged(image, grey, drawings, ENLARGED)
        pieces += [] if piece is None else [piece]
    return _pair(whole, size)


def _grey(
    stored: NDArray[np.integer[Any]] | None, image: ShownImage, drawings: Sequence[Drawing]
) -> NDArray[np.uint8] | None:
    """Show an image; None if it is not decoded, or its header does not say how, as may be with an unused one."""
    if stored is None:
        return None
    try:
        return grey_of(stored, image.attributes, drawings)
    except InputError:
        return None


def _pair(pictures: Sequence[Image.Image | None], size: tuple[int, int]) -> Image.Image:
    height, width = size
    pair = Image.new("RGB", (2 * width + GAP, height))
    for number, picture in enumerate(pictures):
        if picture is not None:
            pair.paste(picture, (number * (width + GAP), 0))
    return pair


def _panel(scene: Scene) -> list[Paragraph]:
    """List every object, then the text that the viewer opens."""
    texts = [Paragraph(f"Objects sent: {len(scene.objects)}", HEAD_SIZE, HEAD_COLOUR)]
    for sent in scene.objects:
        values = sent.to_json(scene.profile)
        built = "; built for this preview" if sent.built_again else ""
        texts.append(
            Paragraph(f"{values['series_number']}  {values['series_description']}", TEXT_SIZE, TEXT_COLOUR, before=8)
        )
        texts.append(Paragraph(f"{_class(sent.dataset)}, {_size(len(sent.data))}", TEXT_SIZE - 2, QUIET_COLOUR))
        texts.append(Paragraph(f"{values['viewer']}{built}", TEXT_SIZE - 2, QUIET_COLOUR))
    sections = scene.sections()
    if sections:
        texts.append(Paragraph("Readable report, as text", HEAD_SIZE, HEAD_COLOUR, before=28))
    for section in sections:
        texts.append(Paragraph(section.heading, TEXT_SIZE, QUIET_COLOUR, before=10))
        texts += [Paragraph(text, TEXT_SIZE, TEXT_COLOUR, before=4) for text in section.texts]
    return texts


def _class(dataset: Dataset) -> str:
    return str(dataset.SOPClassUID.name).removesuffix(" Storage")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{max(1, round(size_bytes / 1e3))} kB"


def _pictures(scene: Scene, width: int) -> Iterator[Image.Image]:
    """Show the pictures that the viewer opens, at their own size where there is room."""
    for dataset in scene.pictures():
        yield _text_block([Paragraph("Summary image, as a picture", HEAD_SIZE, HEAD_COLOUR)], width)
        picture = Image.fromarray(np.asarray(dataset.pixel_array, dtype=np.uint8))
        picture.thumbnail((width, 4 * width))
        yield _centred(picture, width)


def _centred(picture: Image.Image, width: int) -> Image.Image:
    drawn = Image.new("RGB", (width, picture.height))
    drawn.paste(picture, ((width - picture.width) // 2, 0))
    return drawn


def _text_block(paragraphs: Sequence[Paragraph], width: int) -> Image.Image:
    lines = lay(paragraphs, width - 2 * MARGIN)
    block = Image.new("RGB", (width, height_of(lines) + 2 * MARGIN))
    write(ImageDraw.Draw(block), lines, (MARGIN, MARGIN))
    return block


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _stacked(parts: Sequence[Image.Image], *, width: int) -> Image.Image:
    height = sum(part.height + GAP for part in parts)
    stack = Image.new("RGB", (width, max(1, height)))
    top = 0
    for part in parts:
        stack.paste(part, (0, top))
        top += part.height + GAP
    return stack
