import logging
import string
import warnings
from io import BytesIO

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.errors import HeaderError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Reason
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.labels import Label, read_label

from .builders import FOR_PROCESSING, code, ge_essential, image, reread

R, L = Laterality.RIGHT, Laterality.LEFT


def test_the_real_ge_header_is_read_whole():
    header = read_header(reread(ge_essential()))
    assert header.kind is ImageKind.FFDM
    assert (header.laterality, header.view) == (R, "MLO")
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


# --- laterality


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


# --- view


@pytest.mark.parametrize(
    ("value", "scheme", "view"),
    [
        ("R-10226", "SNM3", "MLO"),
        ("R-10242", "SRT", "CC"),
        ("399162004", "SCT", "CC"),
        ("399368009", "SCT", "MLO"),
        ("399192008", "SCT", "XCCL"),
        ("R-10224", "99SDM", "ML"),
    ],
)
def test_a_view_code_is_read_whatever_its_generation_and_language(value, scheme, view):
    ds = image(ViewPosition=None, ViewCodeSequence=[code(value, scheme, "Schraegaufnahme")])
    assert read_header(reread(ds)).view == view


def test_a_code_of_another_scheme_is_no_view():
    assert read_header(image(ViewPosition=None, ViewCodeSequence=[code("R-10242", "99XYZ", "x")])).view is None


def test_a_code_comes_before_the_position_and_their_contradiction_is_noted():
    header = read_header(image(ViewPosition="CC", ViewCodeSequence=[code("R-10226", "SRT", "mlo")]))
    assert header.view == "MLO"
    assert header.notes == ("view_sources_disagree",)


def test_several_different_view_codes_are_noted():
    codes = [code("R-10226", "SRT", "mlo"), code("R-10242", "SRT", "cc")]
    header = read_header(image(ViewPosition=None, ViewCodeSequence=codes))
    assert (header.view, header.notes) == ("MLO", ("several_view_codes",))


@pytest.mark.parametrize(
    ("label", "side", "view", "modifiers"),
    [
        ("CC", None, "CC", ()),
        ("mlo ", None, "MLO", ()),
        ("RMLO", R, "MLO", ()),
        ("L-CC", L, "CC", ()),
        ("LML", L, "ML", ()),
        ("LLM", L, "LM", ()),
        ("LM", None, "LM", ()),
        ("LMO", None, "LMO", ()),
        ("RXCCL", R, "XCCL", ()),
        ("RL", None, "RL", ()),
        ("LL", None, "LL", ()),
        ("TAN", None, "TAN", ()),
        ("MCC", None, "CC", ("magnification",)),
        ("RMMLO", R, "MLO", ("magnification",)),
        ("LSCC", L, "CC", ("spot_compression",)),
        ("CCSPOT", None, "CC", ("spot_compression",)),
        ("MLO SPOT MAG", None, "MLO", ("spot_compression", "magnification")),
        ("spot", None, None, ("spot_compression",)),
        ("CCID", None, "CC", ("implant_displaced",)),
        ("CC ID", None, "CC", ("implant_displaced",)),
        ("RIGHT", R, None, ()),
        ("R MLO L MLO", None, "MLO", ()),
        ("CC MLO", None, None, ()),
        ("IMAGE", None, None, ()),
        ("SMALL", None, None, ()),
        ("ROUTINE", None, None, ()),
        ("", None, None, ()),
    ],
)
def test_labels_are_read_as_the_manual_writes_them(label, side, view, modifiers):
    assert read_label(label) == Label(side, view, modifiers)


@pytest.mark.parametrize(
    ("attributes", "source"),
    [
        ({"AcquisitionDeviceProcessingDescription": "R MLO"}, "AcquisitionDeviceProcessingDescription (0018,1400)"),
        ({"SeriesDescription": "R MLO"}, "SeriesDescription (0008,103E) text"),
        ({"ProtocolName": "R MLO"}, "ProtocolName (0018,1030) text"),
        ({"ViewCodeSequence": [code("1", "99X", "medio-lateral oblique")]}, "ViewCodeSequence (0054,0220) meaning"),
    ],
)
def test_fujis_attribute_and_then_text_give_the_view_where_nothing_better_does(attributes, source):
    header = read_header(reread(image(ViewPosition=None, **attributes)))
    assert (header.view, header.sources["view"]) == ("MLO", source)


def test_fujis_attribute_does_not_overrule_the_view_position():
    assert read_header(image(ViewPosition="CC", AcquisitionDeviceProcessingDescription="MLO")).view == "CC"


# --- modifiers


def with_modifier(value, scheme, *, nested):
    modifier = code(value, scheme, "m")
    view = code("399162004", "SCT", "cranio-caudal")
    if nested:
        view.ViewModifierCodeSequence = [modifier]
        return image(ViewCodeSequence=[view], ViewPosition="CC")
    return image(ViewCodeSequence=[view], ViewPosition="CC", ViewModifierCodeSequence=[modifier])


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("value", "scheme", "name"),
    [
        ("399163009", "SCT", "magnification"),
        ("R-102D6", "SRT", "magnification"),
        ("399055006", "SCT", "spot_compression"),
        ("R-102D7", "SNM3", "spot_compression"),
        ("399209000", "SCT", "implant_displaced"),
        ("R-40AB3", "SRT", "nipple_in_profile"),
    ],
)
def test_a_view_modifier_is_read_nested_and_at_top_level(nested, value, scheme, name):
    header = read_header(reread(with_modifier(value, scheme, nested=nested)))
    assert header.modifiers == (name,)
    assert header.view == "CC"
    assert ("top level" in header.sources[f"modifiers.{name}"]) is not nested


@pytest.mark.parametrize(
    ("value", "view"),
    [("399197002", "RL"), ("399226006", "RM"), ("399110001", "TAN"), ("399161006", "CV"), ("399011000", "AT")],
)
def test_a_modifier_that_makes_another_projection_names_the_view(value, view):
    header = read_header(with_modifier(value, "SCT", nested=True))
    assert header.view == view
    assert header.notes == ()


def test_a_rolled_view_coded_cc_and_named_rl_is_no_contradiction():
    ds = with_modifier("399197002", "SCT", nested=True)
    ds.ViewPosition = "RL"
    assert (read_header(ds).view, read_header(ds).notes) == ("RL", ())


@pytest.mark.parametrize(
    ("attributes", "names", "source"),
    [
        ({"PaddleDescription": "10CM MAG"}, ("magnification",), "PaddleDescription (0018,11A4)"),
        ({"PaddleDescription": "SPOT CONTACT"}, ("spot_compression",), "PaddleDescription (0018,11A4)"),
        ({"PaddleDescription": "SPT"}, ("spot_compression",), "PaddleDescription (0018,11A4)"),
        ({"PaddleDescription": "MAGSPOT7"}, ("magnification", "spot_compression"), "PaddleDescription (0018,11A4)"),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, ("magnification",), "EstimatedRadiographic"),
        ({"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "366"}, ("magnification",), "Estimated"),
        ({"ViewPosition": "MLO SPOT"}, ("spot_compression",), "ViewPosition (0018,5101)"),
    ],
)
def test_each_sign_of_magnification_or_spot_compression_is_enough(attributes, names, source):
    header = read_header(reread(image(**attributes)))
    assert header.modifiers == names
    assert all(header.sources[f"modifiers.{name}"].startswith(source) for name in names)


@pytest.mark.parametrize("factor", ["1", "1.06", "1.0628", "1.1", "1.15"])
def test_the_factor_of_a_contact_view_is_no_magnification(factor):
    header = read_header(image(EstimatedRadiographicMagnificationFactor=factor))
    assert header.modifiers == ()
    assert header.magnification == float(factor)


@pytest.mark.parametrize("paddle", ["SCREENING 24X30", "IMAGE PADDLE", "IMAGING"])
def test_an_ordinary_paddle_is_no_sign(paddle):
    assert read_header(image(PaddleDescription=paddle)).modifiers == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {"ViewPosition": None, "ViewCodeSequence": [code("127457009", "SCT", "tissue specimen from breast")]},
        {"ViewPosition": "SPECIMEN"},
        {"BodyPartExamined": "SPECIMEN"},
        {"SeriesDescription": "Specimen L"},
    ],
)
def test_a_specimen_is_told(attributes):
    assert "specimen" in read_header(image(**attributes)).modifiers


# --- implants and partial views


@pytest.mark.parametrize(
    ("value", "expected"), [("YES", True), ("NO", False), ("", None), (None, None), ("MAYBE", None)]
)
def test_implant_and_partial_view_are_yes_no_or_unknown(value, expected):
    header = read_header(image(BreastImplantPresent=value, PartialView=value))
    assert header.implant_present is expected
    assert header.partial_view is expected


def test_a_displaced_implant_without_an_implant_is_noted():
    ds = with_modifier("399209000", "SCT", nested=True)
    ds.BreastImplantPresent = "NO"
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


# --- garbage

READ = [
    "ImageType", "Modality", "PresentationIntentType", "ImageLaterality", "Laterality", "ViewPosition", "Manufacturer",
    "PatientOrientation", "Rows", "Columns", "NumberOfFrames", "BitsStored", "PhotometricInterpretation",
    "ImagerPixelSpacing", "PixelSpacing", "EstimatedRadiographicMagnificationFactor", "DistanceSourceToDetector",
    "DistanceSourceToPatient", "PatientAge", "PatientBirthDate", "StudyDate", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "BreastImplantPresent", "PartialView", "PaddleDescription", "SeriesDescription",
    "ViewCodeSequence", "ViewModifierCodeSequence", "AnatomicRegionSequence", "SharedFunctionalGroupsSequence",
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ManufacturerModelName", "BodyPartExamined",
    "SpecimenDescriptionSequence", "AcquisitionDeviceProcessingDescription", "ProtocolName",
]  # fmt: skip
CANARY = "CANARY"


def raw_file(elements):
    """Write explicit little endian elements by hand, so that any bytes may stand under any tag."""
    data = b""
    for tag, vr, value in sorted(elements):
        even = value + b"\0" * (len(value) % 2)
        head = tag.to_bytes(4, "big")
        is_long = vr in (b"SQ", b"UN")
        length = b"\0\0" * is_long + len(even).to_bytes(4 if is_long else 2, "little")
        data += head[1::-1] + head[:1:-1] + vr + length + even
    return data


@given(
    st.lists(
        st.tuples(
            st.sampled_from(READ),
            st.sampled_from([b"CS", b"DS", b"US", b"LO", b"DA", b"SH", b"FD", b"UI", b"AS", b"SQ", b"UN"]),
            st.one_of(
                st.binary(max_size=40),
                st.text(string.printable, max_size=30).map(lambda text: (CANARY + text).encode("ascii")),
            ),
        ),
        unique_by=lambda element: element[0],
        max_size=len(READ),
    )
)
def test_no_garbage_raises_warns_or_is_logged(elements):
    uids = {"SOPClassUID": sop.MAMMOGRAPHY_FOR_PRESENTATION, "SOPInstanceUID": "1.2", "StudyInstanceUID": "1.3"}
    plain = [
        (tag_for_keyword(keyword), b"UI", value.encode())
        for keyword, value in {**uids, "SeriesInstanceUID": "1.4"}.items()
    ]
    data = raw_file([*plain, *((tag_for_keyword(keyword), vr, value) for keyword, vr, value in elements)])
    ds = pydicom.dcmread(BytesIO(data), force=True)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = read_header(ds)
    finally:
        logging.getLogger().removeHandler(handler)
    assert records == []
    assert MammogramHeader.from_json(header.to_json()) == header
    assert CANARY not in "".join(header.notes)
