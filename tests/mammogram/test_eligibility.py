from dataclasses import replace

import pytest

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.eligibility import SUPPORTED_VIEWS, explain, judge
from dcis_node.mammogram.facts import ImageKind, MammogramHeader, Reason
from dcis_node.mammogram.header import read_header

from .builders import FOR_PROCESSING, code, ge_essential, image


def reason_of(**attributes):
    return judge(read_header(image(**attributes))).reason


def test_the_real_ge_view_is_eligible():
    judged = judge(read_header(ge_essential()))
    assert judged.eligible
    assert judged.explanation == explain(Reason.ELIGIBLE)


@pytest.mark.parametrize("view", SUPPORTED_VIEWS)
def test_every_view_of_the_paper_is_eligible(view):
    assert reason_of(ViewPosition=view) is Reason.ELIGIBLE


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"SOPClassUID": sop.COMPREHENSIVE_SR, "Rows": None}, Reason.NOT_AN_IMAGE),
        ({"SOPClassUID": sop.CT, "Modality": "CT"}, Reason.NOT_MAMMOGRAPHY),
        ({"SOPClassUID": sop.SECONDARY_CAPTURE}, Reason.SECONDARY_CAPTURE),
        ({"SOPClassUID": FOR_PROCESSING, "PresentationIntentType": "FOR PROCESSING"}, Reason.FOR_PROCESSING),
        ({"SOPClassUID": sop.BREAST_TOMOSYNTHESIS}, Reason.TOMOSYNTHESIS),
        ({"SeriesDescription": "L CC C-View"}, Reason.SYNTHETIC_2D),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, Reason.CONTRAST_ENHANCED),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, Reason.MAGNIFICATION_VIEW),
        ({"PaddleDescription": "SPOT"}, Reason.SPOT_COMPRESSION_VIEW),
        ({"PaddleDescription": "SPOT MAG"}, Reason.MAGNIFICATION_VIEW),
        ({"ViewPosition": "SPECIMEN"}, Reason.SPECIMEN),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO_SCOUT"]}, Reason.STEREOTACTIC),
        ({"BreastImplantPresent": "YES"}, Reason.IMPLANT_NOT_DISPLACED),
        ({"BreastImplantPresent": "YES", "ViewPosition": "MLOID"}, Reason.ELIGIBLE),
        ({"BreastImplantPresent": "NO"}, Reason.ELIGIBLE),
        ({"PatientAge": "017Y"}, Reason.UNDER_AGE),
        ({"PatientAge": "018Y"}, Reason.ELIGIBLE),
        ({"ImageLaterality": None, "PatientOrientation": None}, Reason.LATERALITY_UNKNOWN),
        ({"ImageLaterality": "B"}, Reason.LATERALITY_UNKNOWN),
        ({"ViewPosition": None}, Reason.VIEW_UNKNOWN),
        ({"ViewPosition": "LMO"}, Reason.VIEW_NOT_SUPPORTED),
        ({"ViewPosition": "AT"}, Reason.VIEW_NOT_SUPPORTED),
        ({"PartialView": "YES"}, Reason.ELIGIBLE),
    ],
)
def test_each_rule_has_its_reason(attributes, reason):
    assert reason_of(**attributes) is reason


def test_a_magnification_view_is_refused_with_its_reason_wherever_the_code_stands():
    view = code("R-10242", "SRT", "cc", ViewModifierCodeSequence=[code("R-102D6", "SRT", "Magnification")])
    assert reason_of(ViewCodeSequence=[view], ViewPosition="CC") is Reason.MAGNIFICATION_VIEW


def test_the_weightiest_reason_is_given():
    everything_wrong = replace(
        read_header(image(SOPClassUID=FOR_PROCESSING, ViewPosition="SPOT MAG", PatientAge="010Y")),
        laterality=None,
        view=None,
    )
    expected = [
        ({}, Reason.FOR_PROCESSING),
        ({"presentation_intent": "FOR PRESENTATION"}, Reason.MAGNIFICATION_VIEW),
        ({"modifiers": ("spot_compression",)}, Reason.SPOT_COMPRESSION_VIEW),
        ({"modifiers": ()}, Reason.UNDER_AGE),
        ({"age_years": 40}, Reason.LATERALITY_UNKNOWN),
    ]
    header = everything_wrong
    for change, reason in expected:
        header = replace(header, **change)
        assert judge(header).reason is reason


@pytest.mark.parametrize("kind", ImageKind)
def test_only_ffdm_can_be_eligible(kind):
    header: MammogramHeader = replace(read_header(image()), kind=kind)
    assert judge(header).eligible is (kind is ImageKind.FFDM)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained_in_one_plain_sentence(reason):
    sentence = explain(reason)
    assert sentence.endswith(".")
    assert sentence.isascii()
    assert 15 < len(sentence) < 120
