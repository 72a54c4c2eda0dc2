import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import IMAGE, OTHER_UID, ROWS, UID, l_shape, mammogram
from training.annotations.annotation import ImageFacts
from training.annotations.dicom_seg import read_seg
from training.annotations.writing import write_dicom_seg

L = l_shape()


@pytest.fixture
def seg(tmp_path):
    def make(labels=L, *, source=None, **options):
        write_dicom_seg(tmp_path / "m.dcm", source or mammogram(), labels, **options)
        return dcmread(tmp_path / "m.dcm")

    return make


def read(ds, image=IMAGE):
    return read_seg(ds, image, file="m.dcm")


def reference(uid):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", uid
    return item


def belong(ds, *uids):
    """Let each frame belong to one of the images."""
    ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence = [reference(uid) for uid in dict.fromkeys(uids)]
    for group, uid in zip(ds.PerFrameFunctionalGroupsSequence, uids, strict=True):
        group.DerivationImageSequence[0].SourceImageSequence = [reference(uid)]
    return ds


def packed(ds, *frames):
    """Put other frames of bits into a BINARY object (PS3.5 8.1.1: without padding between them)."""
    bits = np.packbits(np.stack(frames).ravel(), bitorder="little").tobytes()
    ds.PixelData = bits + b"\0" * (len(bits) % 2)
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].shape
    return ds


def test_what_highdicom_reads_of_the_same_object_is_what_we_read(seg):
    ds = seg()
    theirs = highdicom.seg.Segmentation.from_dataset(ds).get_pixels_by_source_instance(
        [UID], combine_segments=True, skip_overlap_checks=True
    )
    np.testing.assert_array_equal(read(ds).labels, theirs[0])
    np.testing.assert_array_equal(theirs[0], L)


def test_of_a_segmentation_of_two_images_only_the_frames_of_this_one_are_drawn(seg):
    other = np.zeros_like(L)
    other[20:30, 10:20] = 1
    ds = belong(packed(seg(), other == 1, L > 0), OTHER_UID, UID)
    for group in ds.PerFrameFunctionalGroupsSequence:
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
    mine = read(ds)
    np.testing.assert_array_equal(mine.labels, L > 0)
    assert mine.references == (OTHER_UID, UID)
    facts = ImageFacts(OTHER_UID, IMAGE.rows, IMAGE.columns)
    np.testing.assert_array_equal(read(ds, facts).labels, other)


def test_a_segmentation_of_other_images_is_refused(seg):
    with pytest.raises(TrainingError, match="it does not reference this one"):
        read(seg(source=mammogram(OTHER_UID)))


def test_a_segmentation_that_does_not_tell_whose_the_frames_are_is_refused(seg):
    ds = belong(seg(), UID, OTHER_UID)
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    with pytest.raises(TrainingError, match="does not tell which frames are of this one"):
        read(ds)


def test_a_segmentation_that_names_no_image_is_taken_by_its_size(seg):
    ds = seg()
    del ds.ReferencedSeriesSequence
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    drawn = read(ds)
    np.testing.assert_array_equal(drawn.labels, L)
    assert drawn.references == ()


def test_a_reference_on_the_top_level_or_in_the_shared_groups_is_enough(seg):
    ds = seg()
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    np.testing.assert_array_equal(read(ds).labels, L)
    derivation, shared = Dataset(), Dataset()
    derivation.SourceImageSequence = [reference(OTHER_UID)]
    shared.DerivationImageSequence = [derivation]
    ds.SharedFunctionalGroupsSequence = [shared]
    del ds.ReferencedSeriesSequence
    with pytest.raises(TrainingError, match="another image"):
        read(ds)


def test_a_fraction_counts_from_half_of_the_largest_on(seg):
    ds = seg(l_shape(calcified=False), segmentation_type="FRACTIONAL")
    ds.MaximumFractionalValue = 200
    values = np.where(L > 0, np.uint8(100), np.uint8(99))
    ds.PixelData = values.tobytes() + b"\0" * (values.size % 2)
    np.testing.assert_array_equal(read(ds).labels, L > 0)


def test_frames_of_another_size_are_refused(seg):
    ds = seg(L[:-1], source=mammogram(rows=ROWS - 1))
    with pytest.raises(TrainingError, match=r"the mask is 32 x 21 \(rows x columns\), the image 33 x 21"):
        read(ds)
    turned = mammogram(rows=L.shape[1], columns=L.shape[0])
    with pytest.raises(TrainingError, match="swapped"):
        read(seg(L.T.copy(), source=turned))


def at(ds, row, column):
    """State where the frames lie, counted from 1."""
    place, shared = Dataset(), Dataset()
    place.RowPositionInTotalImagePixelMatrix, place.ColumnPositionInTotalImagePixelMatrix = row, column
    shared.PlanePositionSlideSequence = [place]
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    return ds


def test_smaller_frames_lie_where_their_position_says(seg):
    ds = packed(seg(), L[5:16, 3:12] == 1, L[5:16, 3:12] == 2)
    np.testing.assert_array_equal(read(at(ds, 6, 4)).labels, L)
    with pytest.raises(TrainingError, match="reaches outside the image"):
        read(at(ds, 30, 4))
    with pytest.raises(TrainingError, match="reaches outside the image"):
        read(at(ds, 0, 4))


def test_the_biopsied_segment_is_kept(seg):
    ds = seg()
    ds.SegmentSequence[1].SegmentLabel = "Biopsied calcifications"
    np.testing.assert_array_equal(read(ds).biopsied, L == 2)


def test_a_calcification_stays_on_top_whatever_the_order_of_segments(seg):
    ds = packed(seg(), L == 2, L > 0)
    first, second = ds.SegmentSequence
    first.SegmentedPropertyTypeCodeSequence, second.SegmentedPropertyTypeCodeSequence = (
        second.SegmentedPropertyTypeCodeSequence,
        first.SegmentedPropertyTypeCodeSequence,
    )
    np.testing.assert_array_equal(read(ds).labels, L)


def test_a_segment_of_something_else_is_refused_without_telling_its_name(seg):
    ds = seg()
    ds.SegmentSequence[1].SegmentLabel = "Muster^Anna"
    ds.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0].CodeValue = "24142002"
    with pytest.raises(TrainingError, match="segment 2 has a name that is not known") as refused:
        read(ds)
    assert "Muster" not in str(refused.value)


def test_a_label_map_value_without_a_segment_is_refused(seg):
    ds = seg(segmentation_type="LABELMAP")
    del ds.SegmentSequence[-1]
    with pytest.raises(TrainingError, match="there is no segment 2"):
        read(ds)


def test_an_empty_and_a_truncated_object_are_refused(seg):
    with pytest.raises(TrainingError, match="the mask is empty"):
        read(packed(seg(), L > 9, L > 9))
    ds = seg()
    ds.PixelData = ds.PixelData[:40]
    with pytest.raises(TrainingError, match="cannot be read as DICOM SEG"):
        read(ds)


def test_a_file_without_a_label_cannot_be_written(seg):
    with pytest.raises(ValueError, match="nothing is labelled"):
        seg(L * 0)
