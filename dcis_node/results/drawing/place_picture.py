"""What stands in the place of one view: the view with its outline and figures, or why there is none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dcis_node.results.answer import SourceImage, ViewPicture
from dcis_node.results.drawing.montage import Box, Place
from dcis_node.results.drawing.picture import OUTLINE_COLOUR, TEXT_COLOUR, draw_view, fitted, reduced
from dcis_node.results.drawing.typeset import Paragraph, cut_to, height_of, lay, width_of, write
from dcis_node.results.identity import plain
from dcis_node.results.lesion import Lesion
from dcis_node.results.wording import percent, view_sentence

MARGIN = 10
LABEL_SIZE, CAPTION_SIZE = 28, 21
FRAME_COLOUR, INSET_COLOUR = (90, 90, 90), (150, 170, 190)
REFUSED_COLOUR = (255, 176, 96)
# An inset takes this share of the shorter side of its place, shows so much more than the lesion, and enlarges at least
# so much; else it would show nothing new.
INSET_SHARE = 0.36
INSET_ROUND = 1.45
# Pixels of the small picture: of a single calcification what lies round it tells more.
LEAST_WINDOW = 40
LEAST_ENLARGEMENT = 1.5
# It lies where there is nothing but air: so dark is all of it but the marker of the view.
AIR, AIR_PERCENTILE = 26, 85
# Smaller places have no inset.
LEAST_PLACE = 300


def draw_place(place: Place, lesion: Lesion | None, box: Box) -> Image.Image:
    """Draw one place.

    Parameters
    ----------
    lesion
        Of this view, where something was outlined.
    box
        Its size counts.

    Returns
    -------
    PIL.Image.Image
        RGB, of the size of the box.
    """
    image = place.image
    if image is None or image.prediction is None or image.picture is None or not has_picture(image):
        return _empty(place, lesion, box)
    picture, mask = image.picture, image.prediction.mask if image.outlined else None
    seat = seat_of(place, picture, box)
    drawn = Image.new("RGB", (box.width, box.height))
    pixels = draw_view(picture.grey, mask, mirrored=picture.mirrored, size=(seat.height, seat.width))
    drawn.paste(Image.fromarray(pixels), (seat.left, seat.top))
    caption = [_label(place), *_figures(place, lesion)]
    lines = lay(caption, box.width - 2 * MARGIN)
    corners = _outer_corners(place, box, (width_of(lines), height_of(lines)))
    # Rather below: above, many images show the marker of their view.
    corner = max(corners, key=lambda c: (not _is_outlined(drawn, c), c.top))
    write(ImageDraw.Draw(drawn), lines, (corner.left, corner.top), halo=2)
    if mask is not None and min(box.width, box.height) >= LEAST_PLACE:
        side = round(INSET_SHARE * min(box.width, box.height))
        other = next(c for c in _outer_corners(place, box, (side, side)) if (c.top == MARGIN) != (corner.top == MARGIN))
        _add_inset(drawn, picture, mask, other, seat=seat)
    return drawn


def seat_of(place: Place, picture: ViewPicture, box: Box) -> Box:
    """Give the part of a place, counted from its corner, that the view itself takes: at the chest walls' side."""
    height, width = fitted(picture.grey.shape, (box.height, box.width))
    return Box(box.width - width if place.right else 0, (box.height - height) // 2, width, height)


def has_picture(image: SourceImage) -> bool:
    """Tell if the picture of a view may be drawn: it was kept, and the view does not say that it names a person."""
    return image.picture is not None and not _names_a_person(image)


def _names_a_person(image: SourceImage) -> bool:
    """Tell if the image says of itself that identity is burned into its pixels: Burned In Annotation (0028,0301)."""
    return str(image.attributes.get("BurnedInAnnotation", "")).strip().upper() == "YES"


def _label(place: Place) -> Paragraph:
    return Paragraph(place.label, LABEL_SIZE, TEXT_COLOUR)


def _figures(place: Place, lesion: Lesion | None) -> list[Paragraph]:
    image = place.image
    if image is None or image.prediction is None:
        return []
    probability = image.prediction.probability
    if probability is None:
        lines = [view_sentence(image, None, label=place.label).removeprefix(f"{place.label}: ").rstrip(".")]
    else:
        lines = [f"high-risk DCIS {percent(probability)}"]
    if lesion is not None and lesion.extent_mm is not None:
        lines.append(f"extent {lesion.extent_mm:.1f} mm")
    return [Paragraph(text, CAPTION_SIZE, TEXT_COLOUR) for text in lines]


def _outer_corners(place: Place, box: Box, size: tuple[int, int]) -> Sequence[Box]:
    """Give the two corners away from the chest wall, the upper one first, for something of (width, height)."""
    width, height = size
    left = MARGIN if place.right else box.width - MARGIN - width
    return [Box(left, top, width, height) for top in (MARGIN, box.height - MARGIN - height)]


def _part(drawn: Image.Image, box: Box) -> Image.Image:
    return drawn.crop((box.left, box.top, box.left + box.width, box.top + box.height))


def _is_outlined(drawn: Image.Image, box: Box) -> bool:
    return bool((np.asarray(_part(drawn, box)) == OUTLINE_COLOUR).all(axis=2).any())


def _add_inset(
    drawn: Image.Image,
    picture: ViewPicture,
    mask: NDArray[np.bool_],
    corner: Box,
    *,
    seat: Box,
) -> None:
    """Show a small lesion enlarged in a corner, and where it was taken from; only over air.

    Parameters
    ----------
    seat
        Where the view was drawn.
    """
    covered = np.asarray(_part(drawn, corner))
    if _is_outlined(drawn, corner) or np.percentile(covered, AIR_PERCENTILE) > AIR:
        return
    window = _window(picture, mask)
    scale = seat.width / picture.grey.shape[1]
    if window is None or corner.width / window.width < LEAST_ENLARGEMENT * scale:
        return
    bottom, right = window.top + window.height, window.left + window.width
    (height, width), (rows, columns) = picture.grey.shape, mask.shape
    lesion = mask[
        window.top * rows // height : bottom * rows // height,
        window.left * columns // width : right * columns // width,
    ]
    grey = picture.grey[window.top : bottom, window.left : right]
    enlarged = draw_view(grey, lesion, mirrored=picture.mirrored, size=(corner.height, corner.width))
    drawn.paste(Image.fromarray(enlarged), (corner.left, corner.top))
    x = seat.left + scale * (width - right if picture.mirrored else window.left)
    y = seat.top + scale * window.top
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((x, y, x + scale * window.width, y + scale * window.height), outline=INSET_COLOUR)
    edge = (corner.left - 1, corner.top - 1, corner.left + corner.width, corner.top + corner.height)
    draw.rectangle(edge, outline=INSET_COLOUR)


def _window(picture: ViewPicture, mask: NDArray[np.bool_]) -> Box | None:
    """Give the square of the picture, as stored, that holds the lesion and what lies round it."""
    inside = reduced(mask, picture.grey.shape)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    height, width = picture.grey.shape
    side = max(LEAST_WINDOW, round(INSET_ROUND * (1 + max(rows[-1] - rows[0], columns[-1] - columns[0]))))
    if side > min(height, width):
        return None
    top = min(max(0, int(rows[0] + rows[-1] + 1 - side) // 2), height - side)
    left = min(max(0, int(columns[0] + columns[-1] + 1 - side) // 2), width - side)
    return Box(left, top, side, side)


def _empty(place: Place, lesion: Lesion | None, box: Box) -> Image.Image:
    """Draw a frame that says what would hang there, and why it does not."""
    drawn = Image.new("RGB", (box.width, box.height))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, 0, box.width - 1, box.height - 1), outline=FRAME_COLOUR, width=2)
    width, height = box.width - 2 * MARGIN, box.height - 2 * MARGIN
    texts = [_label(place), *_figures(place, lesion), *_why_empty(place.image)]
    lines = cut_to(lay(texts, width), width=width, height=height)
    write(draw, lines, (MARGIN, MARGIN + max(0, height - height_of(lines)) // 3))
    return drawn


def _why_empty(image: SourceImage | None) -> list[Paragraph]:
    if image is None:
        return [Paragraph("no image of this view", CAPTION_SIZE, (150, 150, 150))]
    if image.prediction is None:
        said = [Paragraph("NOT ANALYSED", LABEL_SIZE, REFUSED_COLOUR, before=4)]
        return [*said, Paragraph(plain(image.explanation), CAPTION_SIZE, REFUSED_COLOUR, before=4)]
    if _names_a_person(image):
        return [Paragraph("No picture: the image says that a person is named in it.", CAPTION_SIZE, TEXT_COLOUR)]
    return [Paragraph("No picture of this view was kept.", CAPTION_SIZE, TEXT_COLOUR)]
