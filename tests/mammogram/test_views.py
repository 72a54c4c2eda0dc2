import pytest

from dcis_node.mammogram.facts import Laterality
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.labels import Label, read_label

from .builders import code, image, reread

R, L = Laterality.RIGHT, Laterality.LEFT


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
