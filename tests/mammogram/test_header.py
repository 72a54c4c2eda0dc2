import pytest

from dcis_node.errors import HeaderError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Reason
from dcis_node.mammogram.header import read_header

from .builders import FOR_PROCESSING, ge_essential, image, reread


def test_the_real_ge_header_is_read_whole():
    header = read_header(reread(ge_essential()))
    assert header.kind is ImageKind.FFDM
    assert (header.laterality, header.view) == (Laterality.RIGHT, "MLO")
    assert header.sources["view"] == "ViewCodeSequence (0054,0220)"
    assert header.spacing_mm == (0.0940909, 0.0940909)
    assert header.magnification == 1.0628
    assert header.patient_orientation == ("P", "FL")
    assert (header.rows, header.columns, header.bits_stored) == (3062, 2394, 12)
    assert header.age_years == 54
    assert header.transfer_syntax_uid == sop.JPEG_LOSSLESS_SV1
    assert header.modifiers == ()
    assert header.notes == ()


def test_a_header_survives_its_json():
    header = read_header(ge_essential())
    assert MammogramHeader.from_json(header.to_json()) == header


def test_the_siemens_stereotactic_header_is_stereotactic_twice_over():
    ds = image(ImageType=["DERIVED", "PRIMARY", "STEREO", "LEFT"], PatientOrientation=["R", "P"], Manufacturer="")
    header = read_header(reread(ds))
    assert "stereotactic" in header.modifiers
    assert header.manufacturer == ""


def test_rows_that_run_from_side_to_side_alone_make_it_stereotactic():
    assert "stereotactic" in read_header(image(PatientOrientation=["R", "P"])).modifiers


# --- identifiers


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", [None, "", "DOE^JANE", "1." * 40 + "1", "1..2", ".1", "1.2/../../etc"])
def test_a_missing_or_wrong_identifier_is_a_header_error_that_names_it_and_nothing_else(keyword, value):
    ds = image()
    del ds[keyword]
    if value is not None:
        ds.add_new(keyword, "UT", value)
    with pytest.raises(HeaderError) as caught:
        read_header(ds)
    assert caught.value.reason == Reason.IDENTIFIERS_INVALID
    assert str(caught.value) == f"{keyword} is missing or no UID"


# --- implants and partial views


@pytest.mark.parametrize(
    ("value", "expected"), [("YES", True), ("NO", False), ("", None), (None, None), ("MAYBE", None)]
)
def test_implant_and_partial_view_are_yes_no_or_unknown(value, expected):
    header = read_header(image(BreastImplantPresent=value, PartialView=value))
    assert header.implant_present is expected
    assert header.partial_view is expected


def test_a_displaced_implant_without_an_implant_is_noted():
    ds = image(ViewPosition="CCID", BreastImplantPresent="NO")
    assert read_header(ds).notes == ("implant_displaced_but_none_present",)


# --- kind and intent


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({}, ImageKind.FFDM),
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, ImageKind.FFDM),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "", "", "", "", "", "150000"]}, ImageKind.FFDM),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, ImageKind.SYNTHETIC_2D),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_2D", "LEFT"]}, ImageKind.SYNTHETIC_2D),
        ({"SeriesDescription": "L CC C-View"}, ImageKind.SYNTHETIC_2D),
        ({"SeriesDescription": "R MLO S-View"}, ImageKind.SYNTHETIC_2D),
        ({"ManufacturerModelName": "FDR-3000AWS", "Manufacturer": "FUJIFILM"}, ImageKind.SYNTHETIC_2D),
        ({"ManufacturerModelName": "FDR-3000AWS", "ImageType": ["ORIGINAL", "PRIMARY"]}, ImageKind.FFDM),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_PROJ", "RIGHT"]}, ImageKind.TOMOSYNTHESIS),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]}, ImageKind.TOMOSYNTHESIS),
        ({"NumberOfFrames": 60}, ImageKind.TOMOSYNTHESIS),
        ({"SOPClassUID": sop.BREAST_TOMOSYNTHESIS}, ImageKind.TOMOSYNTHESIS),
        (
            {"SOPClassUID": sop.BREAST_TOMOSYNTHESIS, "ImageType": ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]},
            ImageKind.SYNTHETIC_2D,
        ),
        ({"SOPClassUID": sop.CT, "Modality": "CT", "Manufacturer": "HOLOGIC, Inc."}, ImageKind.TOMOSYNTHESIS),
        ({"SOPClassUID": sop.CT, "Modality": "MG"}, ImageKind.TOMOSYNTHESIS),
        ({"SOPClassUID": sop.CT, "Modality": "CT", "Manufacturer": "SIEMENS"}, ImageKind.OTHER_IMAGE),
        (
            {"SOPClassUID": sop.SECONDARY_CAPTURE, "SeriesDescription": "R CC Tomosynthesis Reconstruction"},
            ImageKind.TOMOSYNTHESIS,
        ),
        (
            {"SOPClassUID": sop.SECONDARY_CAPTURE, "Manufacturer": "HOLOGIC", "NumberOfFrames": 50},
            ImageKind.TOMOSYNTHESIS,
        ),
        ({"SOPClassUID": sop.SECONDARY_CAPTURE, "Modality": "RG"}, ImageKind.SECONDARY_CAPTURE),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"]}, ImageKind.CONTRAST),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, ImageKind.CONTRAST),
        ({"ContrastBolusAgent": "IOHEXOL"}, ImageKind.CONTRAST),
        ({"ContrastBolusAgent": "NONE"}, ImageKind.FFDM),
        ({"SOPClassUID": sop.COMPREHENSIVE_3D_SR, "Modality": "SR", "Rows": None}, ImageKind.NOT_AN_IMAGE),
        ({"SOPClassUID": sop.SEGMENTATION, "Modality": "SEG"}, ImageKind.NOT_AN_IMAGE),
        ({"SOPClassUID": sop.GRAYSCALE_PRESENTATION_STATE, "Rows": None}, ImageKind.NOT_AN_IMAGE),
        ({"SOPClassUID": "1.2.840.113619.4.2", "Modality": "XX"}, ImageKind.OTHER_IMAGE),
        ({"SOPClassUID": "1.2.840.113619.4.2", "Modality": "XX", "Rows": None}, ImageKind.NOT_AN_IMAGE),
    ],
)
def test_the_kind_of_object_is_told(attributes, kind):
    assert read_header(reread(image(**attributes))).kind is kind


@pytest.mark.parametrize(
    ("sop_class", "term", "intent", "notes"),
    [
        (sop.MAMMOGRAPHY_FOR_PRESENTATION, None, "FOR PRESENTATION", ()),
        (FOR_PROCESSING, None, "FOR PROCESSING", ()),
        (
            sop.MAMMOGRAPHY_FOR_PRESENTATION,
            "FOR PROCESSING",
            "FOR PROCESSING",
            ("presentation_intent_contradicts_sop_class",),
        ),
        (sop.BREAST_TOMOSYNTHESIS, "FOR PRESENTATION", "FOR PRESENTATION", ()),
    ],
)
def test_raw_pixels_are_never_taken_for_display_pixels(sop_class, term, intent, notes):
    header = read_header(image(SOPClassUID=sop_class, PresentationIntentType=term))
    assert (header.presentation_intent, header.notes) == (intent, notes)


# --- geometry


def test_pixel_spacing_alone_is_used_and_taken_back_to_the_detector_if_it_was_corrected():
    plain = image(PixelSpacing=[0.08, 0.08])
    assert read_header(plain).spacing_mm == (0.08, 0.08)
    plain.PixelSpacingCalibrationType = "GEOMETRY"
    plain.EstimatedRadiographicMagnificationFactor = "1.1"
    assert read_header(plain).spacing_mm == pytest.approx((0.088, 0.088))


@pytest.mark.parametrize("value", [[0, 0], [70, 70], [0.07], [-0.1, 0.1]])
def test_a_spacing_that_no_detector_has_is_none_with_a_note(value):
    header = read_header(image(ImagerPixelSpacing=value))
    assert (header.spacing_mm, header.notes) == (None, ("spacing_invalid",))


def test_no_spacing_at_all_is_none_without_a_note():
    header = read_header(image(ImagerPixelSpacing=""))
    assert (header.spacing_mm, header.notes) == (None, ())


@pytest.mark.parametrize("factor", ["0", "-1", "100"])
def test_a_magnification_that_no_stand_has_is_none_with_a_note(factor):
    header = read_header(image(EstimatedRadiographicMagnificationFactor=factor))
    assert (header.magnification, header.modifiers, header.notes) == (None, (), ("magnification_invalid",))


def test_a_wrong_orientation_is_none_with_a_note():
    header = read_header(image(PatientOrientation=["P", "UP"]))
    assert (header.patient_orientation, header.notes) == ((), ("patient_orientation_invalid",))


# --- moments


@pytest.mark.parametrize(
    ("attributes", "age", "notes"),
    [
        ({"PatientAge": "054Y"}, 54, ()),
        ({"PatientAge": "210M"}, 17, ()),
        ({"PatientAge": "000Y", "PatientBirthDate": "19600102", "StudyDate": "20200101"}, 59, ()),
        ({"PatientBirthDate": "20020102", "StudyDate": "20200101"}, 17, ()),
        ({"PatientBirthDate": "20020101", "StudyDate": "20200101"}, 18, ()),
        (
            {"PatientAge": "054Y", "PatientBirthDate": "19900101", "StudyDate": "20200101"},
            54,
            ("age_sources_disagree",),
        ),
        ({"PatientAge": "999Y"}, None, ()),
        ({"PatientBirthDate": "18000101", "StudyDate": "20200101"}, None, ()),
        ({}, None, ()),
    ],
)
def test_the_age_is_stated_or_counted(attributes, age, notes):
    header = read_header(reread(image(**attributes)))
    assert (header.age_years, header.notes) == (age, notes)


@pytest.mark.parametrize(
    ("attributes", "acquired"),
    [
        ({"AcquisitionDateTime": "20250102030405.123+0100"}, "20250102030405"),
        ({"AcquisitionDate": "20250102", "AcquisitionTime": "030405.99"}, "20250102030405"),
        ({"ContentDate": "20250102", "ContentTime": "0304"}, "20250102030400"),
        ({"StudyDate": "20250102"}, "20250102000000"),
        ({}, ""),
    ],
)
def test_the_moment_of_the_image_orders_repeated_exposures(attributes, acquired):
    assert read_header(reread(image(**attributes))).acquired == acquired
