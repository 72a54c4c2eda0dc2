"""The display of a presentation state, before an outside program: dcmp2pgm (Debian dcmtk) renders image and state."""

import subprocess

import numpy as np
import pytest
from highdicom.pr import GrayscaleSoftcopyPresentationState
from PIL import Image
from pydicom import Dataset, dcmwrite

from dcis_node.mammogram.display import choose, transforms
from dcis_node.results.kinds import ResultKind
from tests.analyse.objects import encoded, mammogram
from tests.peers import require
from tests.results.builders import image, results_of
from tests.results.headers import GREY, SHOWN, voi_lut
from tests.results.reading import read

STATES = frozenset({ResultKind.PRESENTATION_STATE})
ROWS = COLUMNS = 64
# dcmtk 3.6.7 takes every window of a state for LINEAR, and none narrower than 1; of 8 bits it shows one more or less.
NOT_BY_DCMTK = {"sigmoid", "narrow exact window"}
# Padding is black to the node only; without a window the node looks for the extremes; the third is tested below.
OTHERWISE = {"padding", "rescale alone", "table that states 16 bits of 12"}
ONE_GREY = 1.5 / 255


def state_of(**changed):
    """The presentation state of one view with that header."""
    return read(results_of([image(**(GREY | changed))], kinds=STATES)[0])


def voi(ds):
    (item,) = ds.SoftcopyVOILUTSequence
    return item


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_keeps_its_function(function):
    item = voi(state_of(WindowCenter=2000.5, WindowWidth=3000, VOILUTFunction=function))
    assert (item.WindowCenter, item.WindowWidth, item.VOILUTFunction) == (2000.5, 3000, function)
    assert "VOILUTSequence" not in item


def test_of_several_windows_there_is_the_one_that_the_node_looks_through():
    item = voi(state_of(**SHOWN["several windows"]))
    assert (item.WindowCenter, item.WindowWidth) == (2500, 3000)
    assert "WindowCenterWidthExplanation" not in item  # free text of the image


def test_a_table_of_12_bits_is_written_with_the_16_that_it_then_states():
    item = voi(state_of(**SHOWN["tables of 12 bits"]))
    (lut,) = item.VOILUTSequence
    assert list(lut.LUTDescriptor) == [4096, 0, 16]
    data = np.frombuffer(lut.LUTData, "<u2")
    assert data.max() == round(4000 / 4095 * 65_535)
    assert "WindowCenter" not in item
    assert "LUTExplanation" not in lut


@pytest.mark.parametrize(
    ("name", "descriptor", "vr"),
    [
        ("table of all 16 bits", [0, 0, 16], "US"),
        ("table of signed values", [4096, -2048, 16], "SS"),
        ("long table of signed values", [50_000, -20_000, 16], "SS"),
    ],
)
def test_a_descriptor_has_the_vr_that_its_first_value_needs(name, descriptor, vr):
    (lut,) = voi(state_of(**SHOWN[name])).VOILUTSequence
    assert list(lut.LUTDescriptor) == descriptor
    assert vr == lut["LUTDescriptor"].VR


def test_an_image_without_a_window_gets_none_made_up():
    assert "SoftcopyVOILUTSequence" not in state_of()


@pytest.mark.parametrize(
    ("changed", "shape"),
    [
        ({}, "IDENTITY"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "INVERSE"),
        ({"PresentationLUTShape": "INVERSE"}, "INVERSE"),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, "INVERSE"),
        ({"PresentationLUTShape": "IDENTITY"}, "IDENTITY"),
    ],
)
def test_the_polarity_is_in_the_state_as_it_ignores_the_images(changed, shape):
    assert state_of(**changed).PresentationLUTShape == shape


def test_a_rescale_is_carried_over_but_no_free_text_as_its_type():
    ds = state_of(**SHOWN["rescale"])
    assert (ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType) == (2, -1000, "OD")
    assert state_of(**SHOWN["rescale of an unknown type"]).RescaleType == "US"
    assert "RescaleSlope" not in state_of(RescaleSlope=1, RescaleIntercept=0)


def rendered(image_ds: Dataset, state: bytes, folder) -> np.ndarray:
    """What dcmtk shows of an image with a presentation state: (rows, columns) in [0, 1]."""
    (folder / "image.dcm").write_bytes(encoded(image_ds))
    (folder / "state.dcm").write_bytes(state)
    command = [require("dcmp2pgm"), "-p", "state.dcm", "image.dcm", "shown.pgm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    assert done.stderr == b""
    with Image.open(folder / "shown.pgm") as picture:
        return np.asarray(picture, dtype=float) / 255


def ramp(changed):
    """An image that holds every value of 12 bits, in order, and its pixels."""
    signed = changed.get("PixelRepresentation") == 1
    wide = changed.get("BitsStored") == 16
    first, last = (-20_000, 29_999) if signed and wide else (-2048, 2047) if signed else (0, 65_535 if wide else 4095)
    pixels = np.linspace(first, last, ROWS * COLUMNS).astype("<i2" if signed else "<u2").reshape(ROWS, COLUMNS)
    header = {"WindowCenter": None, "WindowWidth": None, "PixelData": pixels.tobytes(), **GREY, **changed}
    return mammogram(1, "R CC", Rows=ROWS, Columns=COLUMNS, **header), pixels


@pytest.mark.peer
@pytest.mark.parametrize("name", sorted(SHOWN.keys() - NOT_BY_DCMTK - OTHERWISE))
def test_dcmtk_shows_the_image_as_the_node_saw_it(tmp_path, name):
    image_ds, pixels = ramp(SHOWN[name])
    (result,) = results_of([image(rows=ROWS, columns=COLUMNS, **(GREY | SHOWN[name]))], kinds=STATES)
    seen = choose(transforms(image_ds)).apply(pixels)
    assert np.abs(rendered(image_ds, result.data, tmp_path) - seen).max() <= ONE_GREY


@pytest.mark.peer
def test_a_table_that_states_too_many_bits_is_shown_at_those_it_uses(tmp_path):
    changed = SHOWN["table that states 16 bits of 12"]
    image_ds, pixels = ramp(changed)
    (result,) = results_of([image(rows=ROWS, columns=COLUMNS, **(GREY | changed))], kinds=STATES)
    assert np.abs(rendered(image_ds, result.data, tmp_path) - pixels / 4095).max() <= ONE_GREY


@pytest.mark.peer
def test_dcmtk_would_show_the_states_of_highdicom_too_dark(tmp_path):
    image_ds, pixels = ramp({"VOILUTSequence": [voi_lut()]})
    plain = GrayscaleSoftcopyPresentationState([image_ds], "2.25.1", 1, "2.25.2", 1, "M", "N", "1", "2", "LABEL")
    dcmwrite(tmp_path / "dark.dcm", plain)
    shown = rendered(image_ds, (tmp_path / "dark.dcm").read_bytes(), tmp_path)
    assert choose(transforms(image_ds)).apply(pixels).max() == 1.0
    assert shown.max() < 0.1
