"""Each rule for a presentation state can fail; and what the judges say of the same faults."""

import io

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.uid import ColorSoftcopyPresentationStateStorage

from dcis_node.errors import ResultError
from dcis_node.results.check.presentation import check_presentation
from dcis_node.results.check.results import check_results
from dcis_node.results.kinds import ResultKind
from tests.judge import judge
from tests.results.builders import STUDY, answer, four_views, image, mask_of, results_of
from tests.results.headers import GREY, SHOWN
from tests.results.reading import read

STATES = frozenset({ResultKind.PRESENTATION_STATE})
UID = f"{STUDY}.1"


def built(**changed):
    """A view with that header: its answer and its presentation state, read back."""
    images = [image(**(GREY | SHOWN["window"] | changed))]
    (result,) = results_of(images, kinds=STATES)
    return answer(images), read(result)


def outline(ds):
    return ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]


def text(ds):
    return ds.GraphicAnnotationSequence[1].TextObjectSequence[0]


def voi(ds):
    return ds.SoftcopyVOILUTSequence[0]


def area(ds):
    return ds.DisplayedAreaSelectionSequence[0]


def set_points(ds, points):
    outline(ds).GraphicData = [float(v) for point in points for v in point]
    outline(ds).NumberOfGraphicPoints = len(points)


def add_reference(place, uid, image_class="1.2.840.10008.5.1.4.1.1.1.2"):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image_class, uid
    place.ReferencedImageSequence = [*place.get("ReferencedImageSequence", []), item]


def say(ds, old, new):
    text(ds).UnformattedTextValue = text(ds).UnformattedTextValue.replace(old, new)


def without(ds, keyword):
    delattr(ds, keyword)


@pytest.mark.parametrize("name", SHOWN)
def test_what_was_built_passes(name):
    exam, ds = built(**SHOWN[name])
    assert check_presentation(ds, exam) == UID


FAULTS = {
    "another class": (lambda ds: setattr(ds, "SOPClassUID", ColorSoftcopyPresentationStateStorage), "another class"),
    "a second image": (lambda ds: add_reference(ds.ReferencedSeriesSequence[0], f"{STUDY}.2"), "not one image"),
    "graphics of another image": (
        lambda ds: add_reference(ds.GraphicAnnotationSequence[0], f"{STUDY}.2"),
        "not one image",
    ),
    "a window for another image": (lambda ds: add_reference(voi(ds), f"{STUDY}.2"), "not one image"),
    "an area of another image": (lambda ds: add_reference(area(ds), f"{STUDY}.2"), "not one image"),
    "an image of another class": (lambda ds: add_reference(area(ds), UID, "1.2.3"), "another class"),
    "another series": (
        lambda ds: setattr(ds.ReferencedSeriesSequence[0], "SeriesInstanceUID", "2.25.9"),
        "another series",
    ),
    "no outline": (lambda ds: ds.GraphicAnnotationSequence[0].pop("GraphicObjectSequence"), "not its outlines"),
    "an unused layer": (lambda ds: ds.GraphicAnnotationSequence.pop(0), "layers"),
    "a filled graphic": (lambda ds: setattr(outline(ds), "GraphicFilled", "Y"), "no outline in pixels"),
    "a point": (lambda ds: setattr(outline(ds), "GraphicType", "POINT"), "no outline in pixels"),
    "units of the display": (
        lambda ds: setattr(outline(ds), "GraphicAnnotationUnits", "DISPLAY"),
        "no outline in pixels",
    ),
    "a wrong number of points": (lambda ds: setattr(outline(ds), "NumberOfGraphicPoints", 4), "number of points"),
    "an open outline": (lambda ds: set_points(ds, [(20, 30), (45, 30), (45, 50), (20, 50)]), "not closed"),
    "an outline outside": (lambda ds: set_points(ds, [(20, 30), (91, 30), (45, 50), (20, 30)]), "leaves its image"),
    "a mirrored outline": (
        lambda ds: set_points(ds, [(45, 30), (70, 30), (70, 50), (45, 50), (45, 30)]),
        "does not lie on the mask",
    ),
    "no text": (lambda ds: ds.GraphicAnnotationSequence[1].pop("TextObjectSequence"), "not one text"),
    "a text that hides its use": (lambda ds: say(ds, "NOT FOR", "FIT FOR"), "does not say what it is for"),
    "a text that hides the model": (lambda ds: say(ds, "SYNTHETIC", "BIG"), "hides a synthetic model"),
    "a text outside": (lambda ds: setattr(text(ds), "BoundingBoxBottomRightHandCorner", [91, 50]), "leaves its image"),
    "an anchor outside": (lambda ds: setattr(text(ds), "AnchorPoint", [-1, 50]), "leaves its image"),
    "a text on the display": (
        lambda ds: setattr(text(ds), "AnchorPointAnnotationUnits", "DISPLAY"),
        "not placed in pixels",
    ),
    "another polarity": (lambda ds: setattr(ds, "PresentationLUTShape", "INVERSE"), "another polarity"),
    "no window": (lambda ds: without(ds, "SoftcopyVOILUTSequence"), "not one window"),
    "two windows": (
        lambda ds: (setattr(voi(ds), "WindowCenter", [1, 2]), setattr(voi(ds), "WindowWidth", [3, 4])),
        "not one window",
    ),
    "a window for each of two": (lambda ds: ds.SoftcopyVOILUTSequence.append(voi(ds)), "not one window"),
    "no width": (lambda ds: without(voi(ds), "WindowWidth"), "no width"),
    "another window": (lambda ds: setattr(voi(ds), "WindowCenter", 1990), "not shown as it was seen"),
    "another function": (lambda ds: setattr(voi(ds), "VOILUTFunction", "SIGMOID"), "not shown as it was seen"),
    "a rescale of its own": (
        lambda ds: (setattr(ds, "RescaleSlope", 1), setattr(ds, "RescaleIntercept", 50)),
        "not shown as it was seen",
    ),
    "a part of the image": (lambda ds: setattr(area(ds), "DisplayedAreaTopLeftHandCorner", [2, 1]), "as a whole"),
    "more than the image": (
        lambda ds: setattr(area(ds), "DisplayedAreaBottomRightHandCorner", [120, 90]),
        "as a whole",
    ),
    "its true size": (lambda ds: setattr(area(ds), "PresentationSizeMode", "TRUE SIZE"), "as a whole"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault):
    change, words = FAULTS[fault]
    exam, ds = built()
    change(ds)
    with pytest.raises(ResultError, match=words):
        check_presentation(ds, exam)


def test_an_image_that_was_not_analysed_is_caught():
    exam, ds = built()
    for place in (ds.ReferencedSeriesSequence[0], *ds.GraphicAnnotationSequence):
        place.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "2.25.404"
    with pytest.raises(ResultError, match="no analysed image"):
        check_presentation(ds, exam)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # what highdicom writes: 16 bits stated over 12 bits of data
        (lambda lut: setattr(lut, "LUTData", bytes(b for v in range(4096) for b in v.to_bytes(2, "little"))), "depth"),
        (lambda lut: setattr(lut, "LUTDescriptor", [4096, 0, 12]), "depth"),
        (lambda lut: setattr(lut, "LUTDescriptor", [4095, 0, 16]), "another length"),
        (lambda lut: setattr(lut, "LUTDescriptor", [4096, 100, 16]), "not shown as it was seen"),
        (lambda lut: setattr(lut, "LUTData", lut.LUTData[::-1]), "not shown as it was seen"),
    ],
)
def test_a_table_that_shows_something_else_is_caught(change, words):
    exam, ds = built(**SHOWN["tables of 12 bits"])
    change(voi(ds).VOILUTSequence[0])
    with pytest.raises(ResultError, match=words):
        check_presentation(ds, exam)


def test_a_made_up_window_is_caught():
    exam, ds = built(WindowCenter=None, WindowWidth=None)
    item = Dataset()
    item.WindowCenter, item.WindowWidth = 2048, 4096
    ds.SoftcopyVOILUTSequence = [item]
    with pytest.raises(ResultError, match="not one window"):
        check_presentation(ds, exam)


def test_a_state_taken_away_is_caught():
    images = four_views()
    results = results_of(images, kinds=STATES)
    with pytest.raises(ResultError, match="those that this answer must have"):
        check_results(answer(images), results[:-1], STATES)


def test_a_patient_in_the_text_is_caught(monkeypatch):
    monkeypatch.setattr("dcis_node.results.presentation.percent", lambda _: "PID-000123")
    with pytest.raises(ResultError, match="patient") as caught:
        results_of([image(mask=mask_of((10, 10, 30, 30)))], kinds=STATES)
    assert "PID-000123" not in str(caught.value)


def judged(ds, folder):
    path = folder / "state.dcm"
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())
    return judge([path])


@pytest.mark.peer
@pytest.mark.parametrize(
    ("fault", "tool"), [("two windows", "dcmpschk"), ("no side", "dciodvfy"), ("shallow table", "dciodvfy")]
)
def test_the_judges_would_find_a_fault(tmp_path, fault, tool):
    ds = built(**(SHOWN["tables of 12 bits"] if fault == "shallow table" else {}))[1]
    assert judged(ds, tmp_path) == []
    if fault == "two windows":
        voi(ds).WindowCenter, voi(ds).WindowWidth = [1, 2], [3, 4]
    elif fault == "no side":
        del ds.Laterality
    else:
        voi(ds).VOILUTSequence[0].LUTData = bytes(8192)
    assert any(tool in finding for finding in judged(ds, tmp_path))
