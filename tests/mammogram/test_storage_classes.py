import pytest
from pydicom.uid import UID_dictionary

from dcis_node.mammogram import storage_classes as sop


def names(uids):
    return [UID_dictionary[uid][0] for uid in uids]


def test_every_accepted_sop_class_is_one_of_the_standard_and_stands_there_once():
    assert all(UID_dictionary[uid][1] == "SOP Class" for uid in sop.ACCEPTED_SOP_CLASSES)
    assert len(set(sop.ACCEPTED_SOP_CLASSES)) == len(sop.ACCEPTED_SOP_CLASSES)


def test_every_accepted_transfer_syntax_is_one_of_the_standard_and_stands_there_once():
    assert all(UID_dictionary[uid][1] == "Transfer Syntax" for uid in sop.ACCEPTED_TRANSFER_SYNTAXES)
    assert len(set(sop.ACCEPTED_TRANSFER_SYNTAXES)) == len(sop.ACCEPTED_TRANSFER_SYNTAXES)


def test_nothing_deflated_is_ever_accepted():
    assert not [name for name in names(sop.ACCEPTED_TRANSFER_SYNTAXES) if "Deflate" in name]


@pytest.mark.parametrize(
    ("constant", "name"),
    [
        ("MAMMOGRAPHY_FOR_PRESENTATION", "Digital Mammography X-Ray Image Storage - For Presentation"),
        ("MAMMOGRAPHY_FOR_PROCESSING", "Digital Mammography X-Ray Image Storage - For Processing"),
        ("BREAST_TOMOSYNTHESIS", "Breast Tomosynthesis Image Storage"),
        ("BREAST_PROJECTION_FOR_PRESENTATION", "Breast Projection X-Ray Image Storage - For Presentation"),
        ("BREAST_PROJECTION_FOR_PROCESSING", "Breast Projection X-Ray Image Storage - For Processing"),
        ("CT", "CT Image Storage"),
        ("SECONDARY_CAPTURE", "Secondary Capture Image Storage"),
        ("BASIC_TEXT_SR", "Basic Text SR Storage"),
        ("ENHANCED_SR", "Enhanced SR Storage"),
        ("COMPREHENSIVE_SR", "Comprehensive SR Storage"),
        ("COMPREHENSIVE_3D_SR", "Comprehensive 3D SR Storage"),
        ("EXTENSIBLE_SR", "Extensible SR Storage"),
        ("MAMMOGRAPHY_CAD_SR", "Mammography CAD SR Storage"),
        ("KEY_OBJECT_SELECTION", "Key Object Selection Document Storage"),
        ("SEGMENTATION", "Segmentation Storage"),
        ("GRAYSCALE_PRESENTATION_STATE", "Grayscale Softcopy Presentation State Storage"),
        ("IMPLICIT_VR_LITTLE_ENDIAN", "Implicit VR Little Endian"),
        ("EXPLICIT_VR_LITTLE_ENDIAN", "Explicit VR Little Endian"),
        ("EXPLICIT_VR_BIG_ENDIAN", "Explicit VR Big Endian"),
        ("JPEG_BASELINE", "JPEG Baseline (Process 1)"),
        ("JPEG_EXTENDED", "JPEG Extended (Process 2 and 4)"),
        ("JPEG_LOSSLESS", "JPEG Lossless, Non-Hierarchical (Process 14)"),
        ("JPEG_LS_LOSSLESS", "JPEG-LS Lossless Image Compression"),
        ("JPEG_LS_NEAR_LOSSLESS", "JPEG-LS Lossy (Near-Lossless) Image Compression"),
        ("JPEG_2000_LOSSLESS", "JPEG 2000 Image Compression (Lossless Only)"),
        ("JPEG_2000", "JPEG 2000 Image Compression"),
        ("RLE_LOSSLESS", "RLE Lossless"),
    ],
)
def test_each_constant_is_what_its_name_says(constant, name):
    assert names([getattr(sop, constant)]) == [name]


def test_images_and_objects_without_pixels_of_their_own_do_not_overlap():
    assert not set(sop.IMAGES) & set(sop.NOT_IMAGES)
