"""Masks as PNG: grey of 1, 8 or 16 bits, a palette, or two colours."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcis_node.errors import TrainingError
from training.annotations.annotation import Annotation, ImageFacts, annotation, check_size, readable
from training.annotations.values import labels_of

# One number a pixel: 1-bit, grey, palette (its indices are the labels), 16-bit grey.
_PLAIN: Final = ("1", "L", "P", "I;16", "I;16B", "I")
_TWO: Final = 2


def read_png(path: Path, image: ImageFacts) -> Annotation:
    """Read a mask of the image's own size, row by row as the image is stored.

    Raises
    ------
    TrainingError
        If it cannot be read, is of another size, a picture in colours, or has values that are no labels.
    """
    file = path.name
    with readable(file, "PNG"), Image.open(path, formats=["PNG"]) as picture:
        check_size((picture.height, picture.width), image, file=file)
        plain = picture.mode in _PLAIN
        values = np.asarray(picture if plain else picture.convert("RGB"))
        is_clear = not plain and "A" in picture.getbands() and bool((np.asarray(picture.getchannel("A")) == 0).any())
        if is_clear:
            raise TrainingError(f"{file}: the mask has transparent parts; save it as grey, 0 background and 255 lesion")
    return annotation(
        labels_of(values if plain else _two_colours(values, file=file), file=file), image, file=file, kind="png"
    )


def _two_colours(values: NDArray[np.uint8], *, file: str) -> NDArray[np.bool_]:
    """Give what is not black in a picture of black and one colour.

    Parameters
    ----------
    values
        (rows, columns, 3) uint8.
    """
    colours = np.unique(values.reshape(-1, 3), axis=0)
    if len(colours) > _TWO or (len(colours) == _TWO and colours[0].any()):
        raise TrainingError(
            f"{file}: is a picture in colours, not a mask; only black and one colour can be told apart for sure"
        )
    return np.asarray(values.any(axis=2))
