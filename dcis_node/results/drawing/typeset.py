"""Set texts in a picture: wrapped inside their column, never cut without a sign, in Pillow's own scalable font."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

# Height of a line over the size of its letters.
LEADING = 1.28
CUT = "..."


@dataclass(frozen=True)
class Paragraph:
    """A text to be set.

    Parameters
    ----------
    size
        Of the letters, pixels.
    before
        Free space above, pixels.
    """

    text: str
    size: int
    colour: Colour
    before: int = 0


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Give Pillow's font (Aileron, embedded in Pillow) at a size in pixels: the same on every machine.

    Raises
    ------
    TypeError
        If Pillow was built without FreeType; its wheels are built with it.
    """
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise TypeError("Pillow lacks FreeType, without which it has no scalable font")
    return found


def line_height(size: int) -> int:
    """Give the distance from line to line, pixels."""
    return round(LEADING * size)


def wrapped(text: str, *, size: int, width: int) -> list[str]:
    """Break a text into lines of at most a width in pixels; a word that is wider alone is broken, too."""
    face = font(size)
    space = face.getlength(" ")
    lines: list[str] = []
    used = float(width) + 1
    for word in (part for whole in text.split() for part in _parts(whole, face, width)):
        length = face.getlength(word)
        if lines and used + space + length <= width:
            lines[-1] += f" {word}"
            used += space + length
        else:
            lines.append(word)
            used = length
    return lines


def _parts(word: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    parts = [""]
    for letter in word if face.getlength(word) > width else ():
        if parts[-1] and face.getlength(parts[-1] + letter) > width:
            parts.append("")
        parts[-1] += letter
    return parts if parts[0] else [word]


def lay(paragraphs: Sequence[Paragraph], width: int) -> list[Paragraph]:
    """Break paragraphs into lines: one Paragraph for each, with the space above it."""
    lines = []
    for paragraph in paragraphs:
        for number, text in enumerate(wrapped(paragraph.text, size=paragraph.size, width=width)):
            lines.append(replace(paragraph, text=text, before=0 if number else paragraph.before))
    return lines


def height_of(lines: Sequence[Paragraph]) -> int:
    """Give the height of lines that were laid, pixels."""
    return sum(line.before + line_height(line.size) for line in lines)


def width_of(lines: Sequence[Paragraph]) -> int:
    """Give the width of the widest of lines that were laid, pixels."""
    return max((ceil(font(line.size).getlength(line.text)) for line in lines), default=0)


def cut_to(lines: Sequence[Paragraph], *, width: int, height: int) -> list[Paragraph]:
    """Keep the lines that fit a height; where some do not, the last one kept ends in a sign."""
    kept = list(lines)
    while kept and height_of(kept) > height:
        kept.pop()
    if kept and len(kept) < len(lines):
        text = kept[-1].text
        while text and font(kept[-1].size).getlength(text + CUT) > width:
            text = text[:-1]
        kept[-1] = replace(kept[-1], text=text + CUT)
    return kept


def write(draw: ImageDraw.ImageDraw, lines: Sequence[Paragraph], corner: tuple[int, int], *, halo: int = 0) -> int:
    """Write lines below each other from a corner (x, y); give the y below the last one.

    Parameters
    ----------
    halo
        Width of a black rim round the letters, to be read over a picture.
    """
    x, y = corner
    for line in lines:
        y += line.before
        draw.text((x, y), line.text, fill=line.colour, font=font(line.size), stroke_width=halo, stroke_fill=(0, 0, 0))
        y += line_height(line.size)
    return y
