"""The summary image is a picture of this exam: of the agreed form, made of its images, with the warning drawn in it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import demand
from dcis_node.results.drawing.montage import hang_places, hung_images
from dcis_node.results.drawing.picture import OUTLINE_COLOUR
from dcis_node.results.drawing.place_picture import has_picture, seat_of
from dcis_node.results.drawing.summary_picture import (
    BANNER_COLOUR,
    BANNER_TEXT_COLOUR,
    HEIGHT,
    VIEWS_WIDTH,
    WIDTH,
    banner_height,
    views_area,
)

# Rows, columns, samples, photometric interpretation, planar configuration, bits allocated, stored, high bit, sign.
_FORM = (
    ("Rows", HEIGHT),
    ("Columns", WIDTH),
    ("SamplesPerPixel", 3),
    ("PhotometricInterpretation", "RGB"),
    ("PlanarConfiguration", 0),
    ("BitsAllocated", 8),
    ("BitsStored", 8),
    ("HighBit", 7),
    ("PixelRepresentation", 0),
    ("Modality", "OT"),
    ("BurnedInAnnotation", "NO"),
)
# Such shares of its band the warning's ground and its letters take at least; of the texts' column the letters.
_LEAST_GROUND, _LEAST_LETTERS = 0.5, 0.01
# Views are compared in so many blocks of each side; their means differ by so much at most, of 255.
_BLOCKS, _MOST_DIFFERENCE = 6, 8


def check_summary(ds: Dataset, answer: ExamAnswer) -> None:
    """Check the form of a summary image, its source images, and that warning, texts, views and outlines are drawn."""
    demand(ds.SOPClassUID == SecondaryCaptureImageStorage, "a summary image is of another class")
    demand(all(ds.get(keyword) == value for keyword, value in _FORM), "a summary image is not of the agreed form")
    # OHIF shows an image with this attribute black.
    demand("VOILUTFunction" not in ds, "a summary image has a VOI LUT function")
    demand("NumberOfFrames" not in ds, "a summary image has several frames")
    sources = [str(item.ReferencedSOPInstanceUID) for item in ds.get("SourceImageSequence") or ()]
    hung = {image.header.sop_instance_uid for image in hung_images(answer)}
    demand(len(sources) == len(hung) and set(sources) == hung, "a summary image is not of the views of the exam")
    demand(len(ds.PixelData) == HEIGHT * WIDTH * 3, "a summary image has pixels of another number")
    _check_drawing(np.frombuffer(ds.PixelData, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3), answer)


def _check_drawing(pixels: NDArray[np.uint8], answer: ExamAnswer) -> None:
    top = banner_height(answer)
    band = pixels[:top]
    demand(_share(band, BANNER_COLOUR) > _LEAST_GROUND, "a summary image lacks the warning's band")
    demand(_share(band, BANNER_TEXT_COLOUR) > _LEAST_LETTERS, "a summary image lacks the warning")
    texts, views = pixels[top:, VIEWS_WIDTH:], pixels[top:, :VIEWS_WIDTH]
    # Letters of all colours are bright in green.
    demand(float((texts[:, :, 1] > 127).mean()) > _LEAST_LETTERS, "a summary image lacks its texts")
    _check_views(pixels, answer)
    drawn = any(image.outlined and has_picture(image) for image in hung_images(answer))
    # Every second row is enough: the line is two pixels wide.
    outlined = _share(views[::2], OUTLINE_COLOUR) > 0
    demand(outlined == drawn, "a summary image has not the outlines of the exam")


def _check_views(pixels: NDArray[np.uint8], answer: ExamAnswer) -> None:
    """Hold what is drawn in each place to the picture of its view, block by block."""
    for place, box in hang_places(answer, views_area(answer))[0]:
        picture = place.image.picture if place.image is not None and has_picture(place.image) else None
        if picture is not None:
            seat = seat_of(place, picture, box)
            top, left = box.top + seat.top, box.left + seat.left
            drawn = pixels[top : top + seat.height, left : left + seat.width, 1]
            stored = picture.grey[:, ::-1] if picture.mirrored else picture.grey
            # Half of the blocks may lie below a caption, an inset or an outline.
            difference = np.median(np.abs(_blocks(drawn) - _blocks(stored)))
            demand(difference < _MOST_DIFFERENCE, f"a summary image does not show {place.label} as it hangs")


def _blocks(grey: NDArray[np.uint8]) -> NDArray[np.int_]:
    reduced = Image.fromarray(grey).resize((_BLOCKS, _BLOCKS), Image.Resampling.BOX)
    return np.asarray(reduced, dtype=np.int_)


def _share(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> float:
    alike = pixels[:, :, 2] == colour[2]
    found = pixels[alike]
    return float((found == colour).all(axis=1).sum() / alike.size)
