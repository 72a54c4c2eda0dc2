import pytest
from pydicom.dataset import Dataset

from dcis_node.mammogram.facts import Laterality
from dcis_node.mammogram.header import read_header

from .builders import code, image, reread

R, L = Laterality.RIGHT, Laterality.LEFT


def anatomy(side_item):
    return code("T-04000", "SRT", "Breast", AnatomicRegionModifierSequence=[side_item])


def frame_laterality(side):
    inner, group = Dataset(), Dataset()
    inner.FrameLaterality = side
    group.FrameAnatomySequence = [inner]
    return [group]


@pytest.mark.parametrize(
    ("attributes", "side", "source"),
    [
        ({"ImageLaterality": "L"}, L, "ImageLaterality (0020,0062)"),
        ({"SharedFunctionalGroupsSequence": frame_laterality("R")}, R, "FrameLaterality (0020,9072)"),
        ({"PerFrameFunctionalGroupsSequence": frame_laterality("R")}, R, "FrameLaterality (0020,9072)"),
        ({"Laterality": "L"}, L, "Laterality (0020,0060)"),
        ({"AnatomicRegionSequence": [anatomy(code("G-A100", "SRT", "Right"))]}, R, "AnatomicRegionSequence"),
        ({"AnatomicRegionSequence": [anatomy(code("7771000", "SCT", "Left"))]}, L, "AnatomicRegionSequence"),
        ({"AnatomicRegionSequence": [anatomy(code("G-A101", "SNM3", "Left"))]}, L, "AnatomicRegionSequence"),
        ({"PatientOrientation": ["P", "L"]}, R, "PatientOrientation (0020,0020)"),
        ({"PatientOrientation": ["A", "FR"]}, L, "PatientOrientation (0020,0020)"),
        ({"PatientOrientation": ["P", "HR"]}, L, "PatientOrientation (0020,0020)"),
        ({"ViewPosition": "RMLO"}, R, "ViewPosition (0018,5101) text"),
        ({"ViewPosition": "LEFT"}, L, "ViewPosition (0018,5101) text"),
        ({"SeriesDescription": "L CC"}, L, "SeriesDescription (0008,103E) text"),
    ],
)
def test_each_source_of_laterality_is_read_where_it_is_alone(attributes, side, source):
    ds = image(**{"ImageLaterality": None, "PatientOrientation": None, "ViewPosition": "CC", **attributes})
    header = read_header(reread(ds))
    assert header.laterality is side
    assert header.sources["laterality"].startswith(source)
    assert header.notes == ()


def test_the_series_laterality_loses_against_the_images_and_the_contradiction_is_noted():
    header = read_header(image(ImageLaterality="R", Laterality="L"))
    assert header.laterality is R
    assert header.notes == ("laterality_sources_disagree",)


def test_an_orientation_that_belongs_to_the_other_breast_is_noted():
    header = read_header(image(ImageLaterality="R", PatientOrientation=["A", "R"]))
    assert header.laterality is R
    assert "laterality_sources_disagree" in header.notes


def test_an_image_of_both_breasts_has_no_side():
    header = read_header(image(ImageLaterality="B"))
    assert header.laterality is None
    assert header.notes == ("laterality_both_breasts",)


def test_a_lateral_view_does_not_take_its_side_from_its_orientation():
    assert read_header(image(ImageLaterality=None, ViewPosition="ML", PatientOrientation=["P", "F"])).laterality is None


def test_a_description_that_names_both_sides_names_none():
    ds = image(ImageLaterality=None, PatientOrientation=None, SeriesDescription="R CC, L CC")
    assert read_header(ds).laterality is None
