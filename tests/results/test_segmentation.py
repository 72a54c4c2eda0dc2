import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from dcis_node.results.kinds import SERIES_NUMBERS, ResultKind
from tests.results.builders import MODEL, STUDY, image, mask_of, results_of
from tests.results.reading import of_modality, source_of


def segmentations(*args, **changed):
    return of_modality(results_of(*args, **changed), "SEG")


def test_each_outlined_view_has_one_in_a_series_of_its_own():
    found = segmentations()
    assert [source_of(seg) for seg in found] == [f"{STUDY}.1", f"{STUDY}.3"]
    assert [seg.SeriesDescription for seg in found] == [
        "RUO R CC DCIS outline SYNTHETIC",
        "RUO R MLO DCIS outline SYNTHETIC",
    ]
    first = SERIES_NUMBERS[ResultKind.SEGMENTATION]
    assert [seg.SeriesNumber for seg in found] == [first, first + 1]
    assert len({seg.SeriesInstanceUID for seg in found}) == 2


@pytest.mark.parametrize("laterality", ["R", "L"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
# 53 x 37 pixels are no whole bytes: then the rows do not begin at bytes.
@pytest.mark.parametrize(("rows", "columns"), [(120, 90), (53, 37)])
def test_the_mask_comes_back_at_its_very_pixels(laterality, view, rows, columns):
    mask = mask_of((0, 0, 1, 1), (rows - 1, columns - 1, rows, columns), (10, 7, 20, 30), rows=rows, columns=columns)
    mask[15, 9:12] = False
    (seg,) = segmentations([image(laterality, view, mask=mask, rows=rows, columns=columns)])
    assert seg.pixel_array.shape == (rows, columns)
    assert np.array_equal(seg.pixel_array.astype(bool), mask)


def test_it_is_a_binary_image_of_the_sources_size_uncompressed():
    (seg, _) = segmentations()
    assert seg.SOPClassUID == SegmentationStorage
    assert seg.SegmentationType == "BINARY"
    assert (seg.Rows, seg.Columns, seg.NumberOfFrames, seg.BitsAllocated) == (120, 90, 1, 1)
    assert seg.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_it_points_at_its_image_twice_and_keeps_its_place():
    (seg, _) = segmentations()
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == f"{STUDY}.1.1"
    source = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == f"{STUDY}.1"
    assert source.SpatialLocationsPreserved == "YES"


def test_it_has_what_ohif_needs_and_no_frame_of_reference():
    (seg, _) = segmentations()
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.1, 0.1]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert "FrameOfReferenceUID" not in seg
    assert "PlanePositionSequence" not in shared


def test_without_a_spacing_none_is_made_up():
    (seg,) = segmentations([image(ImagerPixelSpacing=None)])
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert "PixelSpacing" not in measures
    assert len(measures) == 1  # OHIF fails on an empty item


@pytest.mark.parametrize("orientation", ["A\\R", None])
def test_the_orientation_is_that_of_the_image(orientation):
    (seg,) = segmentations([image(PatientOrientation=orientation)])
    assert list(seg.PatientOrientation or ()) == (orientation.split("\\") if orientation else [])


@pytest.mark.parametrize(("laterality", "code"), [("R", "24028007"), ("L", "7771000")])
def test_the_segment_says_what_and_where_it_is(laterality, code):
    (seg,) = segmentations([image(laterality)])
    (segment,) = seg.SegmentSequence
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "129769006"
    (anatomy,) = segment.AnatomicRegionSequence
    assert anatomy.CodeValue == "76752008"
    assert anatomy.AnatomicRegionModifierSequence[0].CodeValue == code
    assert "Laterality" not in seg


def test_a_view_of_unknown_side_has_no_side():
    (seg,) = segmentations([image(laterality=None)])
    assert "AnatomicRegionModifierSequence" not in seg.SegmentSequence[0].AnatomicRegionSequence[0]


def test_the_segment_names_the_algorithm_and_its_bundle():
    (segment,) = segmentations()[0].SegmentSequence
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("dcis-demo", "1.2.0")
    assert MODEL.sha256 in algorithm.AlgorithmParameters
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"


def test_a_synthetic_model_is_called_so_everywhere():
    (seg, _) = segmentations()
    (segment,) = seg.SegmentSequence
    assert seg.ContentDescription == "SYNTHETIC MODEL (phantoms): figures have no clinical meaning"
    assert "SYNTHETIC" in segment.SegmentLabel
    assert "SYNTHETIC MODEL trained on phantoms: figures have no clinical meaning" in segment.SegmentDescription
    assert seg.SeriesDescription.endswith(" SYNTHETIC")


def test_an_image_of_another_study_has_its_segmentation_there():
    here, there = image(number=1), image("R", "MLO", number=2, study="2.25.2002")
    studies = [seg.StudyInstanceUID for seg in segmentations([here, there])]
    assert studies == [STUDY, "2.25.2002"]
