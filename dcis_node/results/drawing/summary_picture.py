"""The picture of the summary image: the warning above, the views on the left, the texts on the right."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dcis_node.model.evidence import Risk
from dcis_node.results import wording
from dcis_node.results.answer import ExamAnswer
from dcis_node.results.drawing.montage import Box, hang_places
from dcis_node.results.drawing.picture import TEXT_COLOUR
from dcis_node.results.drawing.place_picture import REFUSED_COLOUR, draw_place
from dcis_node.results.drawing.typeset import Paragraph, cut_to, height_of, lay, write
from dcis_node.results.hanging import analysed_images, view_labels
from dcis_node.results.identity import plain
from dcis_node.results.lesion import Lesion
from dcis_node.results.sr.readable import finding_sentences, impression_sentences, procedure_sentences, size_sentences

# A landscape picture that a viewer shows whole; its smallest letters are legible when it is so wide on the screen.
WIDTH, HEIGHT = 1600, 1240
BANNER_COLOUR, BANNER_TEXT_COLOUR = (140, 22, 22), (255, 255, 255)
BANNER_SIZES, BANNER_MARGIN = (34, 32, 30, 28, 26), 8
VIEWS_WIDTH = 940
MARGIN = 14
HEADLINE_SIZE = 36
RESULT_SIZE = 27
# Texts are set as large as they fit.
TEXT_SIZES = (22, 21, 20)
SOFT_COLOUR = (176, 186, 196)
BLOCK_GAP = 14
ITEM_GAP = 5


def draw_summary(answer: ExamAnswer, lesions: dict[str, Lesion]) -> NDArray[np.uint8]:
    """Draw the summary of an exam.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.

    Returns
    -------
        (1240, 1600, 3) uint8 RGB. No text in it tells the patient, and no picture of a view that names one is drawn.
    """
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    _draw_banner(picture, answer)
    seats, without = hang_places(answer, views_area(answer))
    for place, box in seats:
        lesion = None if place.image is None else lesions.get(place.image.header.sop_instance_uid)
        picture.paste(draw_place(place, lesion, box), (box.left, box.top))
    top = views_area(answer).top
    column = Box(VIEWS_WIDTH + MARGIN, top, WIDTH - VIEWS_WIDTH - 2 * MARGIN, HEIGHT - top - MARGIN)
    hidden = [place.label for place in without]
    lines = summary_lines(answer, lesions, hidden=hidden, size=(column.height, column.width))
    write(ImageDraw.Draw(picture), lines, (column.left, column.top))
    return np.asarray(picture, dtype=np.uint8)


def views_area(answer: ExamAnswer) -> Box:
    """Give the part of the picture in which the views hang."""
    top = banner_height(answer) + MARGIN // 2
    return Box(0, top, VIEWS_WIDTH, HEIGHT - top)


def banner_height(answer: ExamAnswer) -> int:
    """Give the height of the warning's band at the top of the picture, pixels."""
    return height_of(_banner(answer)) + 2 * BANNER_MARGIN


def _banner(answer: ExamAnswer) -> list[Paragraph]:
    # In one line, above what viewers write over the upper corners of an image.
    for size in BANNER_SIZES:
        lines = lay([Paragraph(plain(wording.banner(answer)), size, BANNER_TEXT_COLOUR)], WIDTH - 2 * MARGIN)
        if len(lines) == 1:
            break
    return lines


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=\.) (?=[A-Z])", plain(text))


def _draw_banner(picture: Image.Image, answer: ExamAnswer) -> None:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH - 1, banner_height(answer) - 1), fill=BANNER_COLOUR)
    write(draw, _banner(answer), (MARGIN, BANNER_MARGIN))


def summary_lines(
    answer: ExamAnswer, lesions: dict[str, Lesion], *, hidden: Sequence[str], size: tuple[int, int]
) -> list[Paragraph]:
    """Set the texts as large as they fit; where not all fit, sentences on single views go first, and a line says so.

    Parameters
    ----------
    hidden
        Labels of views that found no place among the pictures.
    size
        (height, width) of their column.
    """
    height, width = size
    blocks = _blocks(answer, lesions, hidden=hidden)
    for text_size in TEXT_SIZES:
        paragraphs = _paragraphs(answer, blocks, text_size)
        lines = lay(paragraphs, width)
        if height_of(lines) <= height:
            return lines
    spare = [plain(sentence) for sentence in _spare(answer, lesions)]
    return _shortened(paragraphs, spare, width=width, height=height)


def _blocks(answer: ExamAnswer, lesions: dict[str, Lesion], *, hidden: Sequence[str]) -> list[list[str]]:
    """Give the sentences of the readable report but those that stand larger in this picture."""
    large = (wording.banner(answer), wording.headline(answer))
    impressions = [sentence for sentence in impression_sentences(answer) if sentence not in large]
    findings = finding_sentences(answer, lesions)
    if hidden:
        findings = [*findings, f"No room for the pictures of {', '.join(hidden)}."]
    return [impressions, findings, procedure_sentences(answer, lesions)]


def _paragraphs(answer: ExamAnswer, blocks: Sequence[Sequence[str]], text_size: int) -> list[Paragraph]:
    paragraphs = _headline(answer)
    for block, colour in zip(blocks, (TEXT_COLOUR, TEXT_COLOUR, SOFT_COLOUR), strict=True):
        for number, sentence in enumerate(block):
            before = ITEM_GAP if number else BLOCK_GAP
            paragraphs.append(Paragraph(plain(sentence), text_size, colour, before=before))
    return paragraphs


def _spare(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[str]:
    """Give the sentences that may go, the least needed first: what the pictures say, too, then the reasons in full.

    If the exam was complete, who made it, when, and of which version, stays.
    """
    labels = view_labels(answer)
    analysed = {image.header.sop_instance_uid: image for image in analysed_images(answer)}
    views = [wording.view_sentence(image, lesions.get(uid), label=labels[uid]) for uid, image in analysed.items()]
    return [*reversed(views), *reversed(wording.left_out(answer)), *size_sentences(answer, lesions)]


def _shortened(paragraphs: Sequence[Paragraph], spare: Sequence[str], *, width: int, height: int) -> list[Paragraph]:
    laid = [(paragraph.text, lay([paragraph], width)) for paragraph in paragraphs]
    for text in spare:
        laid = [(kept, lines) for kept, lines in laid if kept != text]
        dropped = len(paragraphs) - len(laid)
        more = f"Sentences that stand in the readable report only: {dropped}."
        sign = Paragraph(more, TEXT_SIZES[-1], SOFT_COLOUR, before=ITEM_GAP)
        lines = [line for _, found in laid for line in found] + lay([sign], width)
        if height_of(lines) <= height:
            return lines
    return cut_to([line for _, found in laid for line in found], width=width, height=height)


def _headline(answer: ExamAnswer) -> list[Paragraph]:
    """Set the first sentence large; one that says that nothing was analysed in the colour of what was left out."""
    first, *others = _sentences(wording.headline(answer))
    colour = REFUSED_COLOUR if answer.decision.risk is Risk.NOT_ANALYSED else (255, 255, 255)
    size = HEADLINE_SIZE if len(first) < 60 else RESULT_SIZE + 3
    return [Paragraph(first, size, colour), *(Paragraph(text, RESULT_SIZE, colour, before=6) for text in others)]
