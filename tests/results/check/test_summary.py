"""A summary image that is not a picture of its exam is refused: each fault that was put in is found."""

import io
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage

from dcis_node.errors import ResultError
from dcis_node.results.answer import ViewPicture
from dcis_node.results.check.results import check_results
from dcis_node.results.drawing.montage import hang_places
from dcis_node.results.drawing.picture import OUTLINE_COLOUR
from dcis_node.results.drawing.summary_picture import (
    BANNER_COLOUR,
    HEIGHT,
    VIEWS_WIDTH,
    WIDTH,
    banner_height,
    views_area,
)
from dcis_node.results.kinds import ResultKind
from tests.results.builders import answer, four_views, results_of
from tests.results.reading import read

KINDS = frozenset({ResultKind.SUMMARY_IMAGE})


def summary():
    return results_of(kinds=KINDS)[0]


def altered(change):
    """The summary image with something changed behind the builder's back."""
    ds = read(summary())
    change(ds)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return replace(summary(), data=buffer.getvalue())


def drawn_over(change):
    """A change of the pixels, (rows, columns, 3) uint8."""

    def over(ds):
        pixels = np.frombuffer(ds.PixelData, np.uint8).reshape(HEIGHT, WIDTH, 3).copy()
        ds.PixelData = np.ascontiguousarray(change(pixels)).tobytes()

    return over


def seat(label):
    found = {place.label: box for place, box in hang_places(answer(), views_area(answer()))[0]}[label]
    return slice(found.top, found.top + found.height), slice(found.left, found.left + found.width)


def set_to(rows, columns, colour=(0, 0, 0)):
    def change(pixels):
        pixels[rows, columns] = colour
        return pixels

    return drawn_over(change)


def mirror_view(pixels):
    rows, columns = seat("L CC")
    pixels[rows, columns] = pixels[rows, columns][:, ::-1].copy()
    return pixels


def swap_views(pixels):
    right, left = seat("R CC"), seat("L CC")
    one, two = pixels[right].copy(), pixels[left].copy()
    pixels[right], pixels[left] = two, one
    return pixels


def recolour_outlines(pixels):
    pixels[(pixels == OUTLINE_COLOUR).all(axis=2)] = (90, 90, 90)
    return pixels


BAND = slice(0, banner_height(answer()))
BELOW = slice(banner_height(answer()), HEIGHT)
EVERYWHERE = slice(None)

FAULTS = {
    "another class": lambda ds: setattr(ds, "SOPClassUID", MultiFrameTrueColorSecondaryCaptureImageStorage),
    "another size": lambda ds: setattr(ds, "Rows", HEIGHT - 1),
    "planes": lambda ds: setattr(ds, "PlanarConfiguration", 1),
    "other colours": lambda ds: setattr(ds, "PhotometricInterpretation", "YBR_FULL"),
    "somebody named in it": lambda ds: setattr(ds, "BurnedInAnnotation", "YES"),
    "nothing said of burned-in identity": lambda ds: delattr(ds, "BurnedInAnnotation"),
    "a VOI LUT function": lambda ds: setattr(ds, "VOILUTFunction", "LINEAR"),
    "frames": lambda ds: setattr(ds, "NumberOfFrames", 1),
    "a source too few": lambda ds: ds.SourceImageSequence.pop(),
    "a source twice": lambda ds: ds.SourceImageSequence.append(ds.SourceImageSequence[0]),
    "a source of elsewhere": lambda ds: setattr(ds.SourceImageSequence[0], "ReferencedSOPInstanceUID", "2.25.4"),
    "no source": lambda ds: delattr(ds, "SourceImageSequence"),
    "a patient in an item": lambda ds: setattr(ds.SourceImageSequence[0], "PatientName", "Muster^Anna"),
    "pixels too few": lambda ds: setattr(ds, "PixelData", ds.PixelData[:-6]),
    "a blank picture": set_to(EVERYWHERE, EVERYWHERE),
    "no band": set_to(BAND, EVERYWHERE),
    "an empty band": set_to(BAND, EVERYWHERE, BANNER_COLOUR),
    "no texts": set_to(BELOW, slice(VIEWS_WIDTH, None)),
    "no views": set_to(BELOW, slice(0, VIEWS_WIDTH)),
    "one view blank": set_to(*seat("L MLO")),
    "a view turned": drawn_over(mirror_view),
    "breasts swapped": drawn_over(swap_views),
    "upside down": drawn_over(lambda pixels: pixels[::-1]),
    "no outline": drawn_over(recolour_outlines),
}


def test_what_was_built_passes():
    check_results(answer(), [altered(lambda ds: None)], KINDS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name):
    with pytest.raises(ResultError, match="summary_image"):
        check_results(answer(), [altered(FAULTS[name])], KINDS)


def test_an_outline_that_the_exam_has_not_is_found():
    result = altered(set_to(slice(700, 704), slice(700, 740), OUTLINE_COLOUR))
    none = [replace(i, prediction=replace(i.prediction, mask=np.zeros_like(i.prediction.mask))) for i in four_views()]
    with pytest.raises(ResultError, match="outlines"):
        check_results(answer(none), [result], KINDS)


def test_a_view_drawn_as_it_is_stored_where_it_must_be_turned_is_found():
    turned = [replace(i, picture=ViewPicture(i.picture.grey, mirrored=True)) for i in four_views()]
    with pytest.raises(ResultError, match="as it hangs"):
        check_results(answer(turned), [summary()], KINDS)
