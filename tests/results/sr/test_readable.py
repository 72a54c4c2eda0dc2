from dataclasses import replace

import pytest
from pydicom.uid import EnhancedSRStorage

from dcis_node.mammogram.facts import ImageKind, Reason
from dcis_node.model.evidence import BreastDecision, Decision, LesionSource, Risk
from dcis_node.results.answer import EarlierDocument, ObjectReference, OperatingPoint, UsedMark
from dcis_node.results.kinds import ResultKind
from dcis_node.results.sr.readable import impression_sentences
from dcis_node.results.wording import percent
from tests.results.builders import (
    HIGH,
    LOW,
    MODEL,
    NOT_ANALYSED,
    NOTHING,
    STUDY,
    answer,
    four_views,
    image,
    mask_of,
    prediction,
    refused,
    results_of,
)
from tests.results.reading import evidence, items, name, read, readable, texts, whole_text


def said(*args, **changed):
    return whole_text(readable(results_of(*args, **changed)))


def test_it_is_an_enhanced_sr_of_template_2000_in_the_form_that_ohif_opens():
    ds = readable(results_of())
    assert ds.SOPClassUID == EnhancedSRStorage
    assert ds.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    assert (name(ds).CodeValue, name(ds).CodingSchemeDesignator) == ("18748-4", "LN")
    assert [name(i).CodeValue for i in ds.ContentSequence] == ["121049", "19005-8", "59776-5", "55111-9"]
    findings = ds.ContentSequence[2]
    assert {(i.ValueType, name(i).CodeValue) for i in findings.ContentSequence} == {("TEXT", "121071")}


def test_every_text_is_ascii_and_no_finding_line_is_too_long_to_be_seen():
    ds = readable(results_of())
    for item in items(ds):
        if item.ValueType == "TEXT":
            assert item.TextValue.isascii()
    findings = [i for i in items(ds) if i.ValueType == "TEXT" and name(i).CodeValue == "121071"]
    assert max(len(line) for i in findings for line in i.TextValue.splitlines()) <= 110


def test_the_first_sentence_says_what_it_may_not_be_used_for():
    first = texts(readable(results_of()))[0]
    assert first == (
        "RESEARCH USE ONLY - NOT FOR CLINICAL USE. "
        "SYNTHETIC MODEL trained on phantoms: figures have no clinical meaning."
    )


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (HIGH, "The probability of high-risk DCIS is 62.0 %, at or above the threshold of 50.0 %."),
        (LOW, "The probability of high-risk DCIS is 31.0 %, below the threshold of 50.0 %."),
    ],
)
def test_the_result_is_said_with_its_threshold(decision, sentence):
    assert f"Calcifications were outlined. {sentence}" in said(decision=decision)


@pytest.mark.parametrize(
    ("scenario", "words"), [("grade", "High risk means DCIS of grade III in"), ("upstage", "or invasive cancer beside")]
)
def test_what_high_risk_means_is_said(scenario, words):
    text = said(model=replace(MODEL, scenario=scenario))
    assert words in text
    assert "it is no probability of cancer" in text


def test_a_figure_just_below_the_threshold_is_not_called_equal_to_it():
    decision = Decision((BreastDecision("R", 0.49999, Risk.LOW, ("CC",)),), 0.49999, Risk.LOW, 0.5)
    assert "is 50.0 %, just below the threshold of 50.0 %." in said([image()], decision)


@pytest.mark.parametrize(("probability", "written"), [(0.0, "<0.1 %"), (0.001, "0.1 %"), (1.0, ">99.9 %")])
def test_no_figure_claims_certainty(probability, written):
    assert percent(probability) == written


def test_the_operating_point_is_said_with_its_patients_and_their_kind():
    point = OperatingPoint(0.831, 0.6508, 260, "phantoms that calibration was chosen on.")
    text = said(model=replace(MODEL, operating=point))
    assert (
        "At the threshold of 50.0 % the sensitivity for high risk is 83.1 % and the specificity 65.1 %, "
        "measured on 260 synthetic patients (phantoms): phantoms that calibration was chosen on."
    ) in text
    trained = replace(MODEL, synthetic=False, operating=replace(point, data="hospital A, held out"))
    assert "measured on 260 patients: hospital A, held out." in said(model=trained)


def test_an_unknown_operating_point_is_said_to_be_unknown():
    assert "How sensitive and how specific the model is at this threshold is not known." in said()


def test_the_analysed_views_are_named_and_the_missing_standard_views_too():
    assert "Views analysed: R CC, L CC, R MLO, L MLO." in said()
    assert "Views analysed: R CC, R MLO. Not analysed of the four standard views: L CC, L MLO." in said(
        four_views()[::2]
    )


def test_the_impression_says_first_that_not_everything_was_used():
    ds = readable(results_of([*four_views(), refused("R", "CC", number=8), refused("L", "CC", number=9)]))
    impressions = whole_text(ds.ContentSequence[1])
    assert "Not everything was used: two images are magnification views." in impressions
    assert "Not everything was used" not in said()


def test_the_headline_gives_the_main_reason_when_nothing_was_analysed():
    raw = [refused(number=n, reason=Reason.FOR_PROCESSING, explanation="This is raw data.") for n in (1, 2, 3, 4)]
    headline = texts(readable(results_of(raw, NOT_ANALYSED)))[1]
    assert headline == "Not analysed: because all four images are raw (FOR PROCESSING)."


def coded(ds):
    """Code values of the CODE items that stand under a heading, as a viewer shows them."""
    return [
        i.ConceptCodeSequence[0].CodeValue
        for heading in ds.ContentSequence
        for i in heading.get("ContentSequence") or ()
        if i.ValueType == "CODE"
    ]


@pytest.mark.parametrize(
    ("images", "decision", "value"),
    [
        (None, HIGH, "ABOVETHR"),
        (None, LOW, "BELOWTHR"),
        ([image(box=None)], NOTHING, "NOFINDING"),
        ([refused()], NOT_ANALYSED, "NOTANALYSED"),
    ],
)
def test_the_outcome_of_the_exam_is_a_code_as_well(images, decision, value):
    impressions = readable(results_of(images, decision)).ContentSequence[1]
    assert value in [i.ConceptCodeSequence[0].CodeValue for i in impressions.ContentSequence if i.ValueType == "CODE"]


def test_flags_and_reasons_are_codes_as_well_and_point_at_their_images():
    left = [refused(number=8), refused("L", number=9, reason=Reason.FOR_PROCESSING, explanation="This is raw data.")]
    ds = readable(results_of([*four_views(), *left], replace(HIGH, flags=("folds_disagree", "a_new_flag"))))
    assert coded(ds) == ["ABOVETHR", "FOLDSDISAGREE", "MAGNIFICATION", "FORPROCESSING"]
    pointed = {
        i.ConceptCodeSequence[0].CodeValue: below.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for i in items(ds)
        if i.ValueType == "CODE"
        for below in i.get("ContentSequence") or ()
    }
    assert pointed == {"FORPROCESSING": f"{STUDY}.9", "MAGNIFICATION": f"{STUDY}.8"}


def test_an_object_that_is_no_image_is_pointed_at_as_an_object():
    other = refused(None, None, number=8, reason=Reason.NOT_AN_IMAGE, explanation="This object is no image.")
    other = replace(other, header=replace(other.header, kind=ImageKind.NOT_AN_IMAGE))
    ds = readable(results_of([*four_views(), other]))
    assert [i.ValueType for i in items(ds) if "ReferencedSOPSequence" in i].count("COMPOSITE") == 1


def test_the_names_of_what_a_viewer_shows_are_those_of_the_template():
    ds = readable(results_of([*four_views(), refused(number=9)], replace(HIGH, flags=("single_view",))))
    shown = {name(i).CodeValue for heading in ds.ContentSequence[1:] for i in heading.ContentSequence}
    assert shown <= {"121071", "121073", "121065"}  # CID 7002


def below(ds, words):
    """Figures and codes that the sentence with these words rests on."""
    item = next(i for i in items(ds) if i.ValueType == "TEXT" and words in " ".join(i.TextValue.split()))
    return {
        name(i).CodeValue: float(i.MeasuredValueSequence[0].NumericValue)
        if i.ValueType == "NUM"
        else i.ConceptCodeSequence[0].CodeValue
        if i.ValueType == "CODE"
        else str(i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for i in item.get("ContentSequence") or ()
    }


def test_each_sentence_carries_the_figures_and_codes_that_it_rests_on():
    point = OperatingPoint(0.831, 0.65, 260, "phantoms")
    ds = readable(results_of(model=replace(MODEL, operating=point)))
    assert below(ds, "at or above the threshold of") == {
        "PHRDCISP": 62.0,
        "PHRDCIST": 50.0,
        "111088": 83.1,
        "111090": 65.0,
    }
    assert below(ds, "Right breast:") == {
        "272741003": "24028007",
        "RISKCLASS": "ABOVETHR",
        "PHRDCISB": 62.0,
        "FLAG": "FOLDSDISAGREE",
    }
    assert below(ds, "Left breast:") == {"272741003": "7771000", "RISKCLASS": "NOFINDING"}
    assert below(ds, "R CC:") == {
        "121112": f"{STUDY}.1",
        "PHRDCIS": 60.0,
        "PHRDCISF": 13.0,
        "103339001": pytest.approx(3.2, abs=0.005),
        "42798000": 5.0,
        "111038": 14,
    }
    assert below(ds, "L CC:") == {"121112": f"{STUDY}.2"}


def test_the_node_is_the_author_as_a_device():
    for result in results_of():
        if result.modality == "SR":
            (author,) = read(result).AuthorObserverSequence
            assert (author.ObserverType, author.ManufacturerModelName) == ("DEV", "dcis-node")
            assert author.DeviceUID.startswith("2.25.")


def test_each_breast_and_each_view_has_its_sentence():
    text = said()
    assert "Right breast: probability 62.0 % (mean of CC and MLO), at or above the threshold." in text
    assert "Left breast: no calcifications found." in text
    assert (
        "R CC: probability 60.0 % (its 5 networks: 53.0 % to 66.0 %). Outlined in 1 piece, extent 3.2 mm, "
        "area 5.0 mm2, 14 calcifications counted."
    ) in text
    assert "L MLO: no calcifications found." in text


def test_views_stand_as_they_hang():
    sentences = texts(readable(results_of(four_views()[::-1])))
    views = [s.split(":")[0] for s in sentences if s.split(":")[0] in {"R CC", "L CC", "R MLO", "L MLO"}]
    assert views == ["R CC", "L CC", "R MLO", "L MLO"]


def test_a_second_image_of_a_view_has_a_name_of_its_own():
    text = said([image(number=1), image(number=2)])
    assert "R CC: probability" in text
    assert "R CC 2: probability" in text


def test_sizes_say_their_plane_and_the_factor():
    assert "divide lengths by 1.060 (areas twice) for the size in the body." in said()
    unknown = replace(image(), header=replace(image().header, magnification=None))
    assert "the magnification is not known" in said([unknown])


def test_what_was_left_out_is_said_with_its_reason_and_explanation():
    text = said([*four_views(), refused("R", "CC", number=8), refused("L", "CC", number=9)])
    assert "Not used: R CC 2, L CC 2. Reason magnification_view: This is a magnification view." in text


def test_of_very_many_images_the_reason_is_still_said_and_the_rest_is_counted():
    many = [refused("R", "CC", number=number) for number in range(8, 148)]
    results = results_of([*four_views(), *many])  # each object has passed its check
    text = whole_text(readable(results))
    assert "R CC 21, 120 more. Reason magnification_view: This is a magnification view." in text


def test_objects_that_are_no_views_are_counted():
    others = [
        refused(None, None, number=n, reason=Reason.NOT_AN_IMAGE, explanation="This object is no image.")
        for n in (8, 9)
    ]
    assert "Not used: 2 objects. Reason not_an_image: This object is no image." in said([*four_views(), *others])


def test_our_own_results_that_came_back_are_no_input():
    back = refused(None, None, number=8, reason=Reason.OWN_RESULT, explanation="This is an own result.")
    results = results_of([*four_views(), back])
    assert "own result" not in whole_text(readable(results))
    assert f"{STUDY}.8" not in evidence(readable(results))


def test_completeness_model_and_node_are_said():
    text = said()
    assert "All four standard views were received." in text
    assert "Model dcis-demo version 1.2.0, scenario upstage, 5 folds, bundle SHA-256 abababababab." in text
    assert "Made by dcis-node 0.1.0 on 2026-11-23 at 09:30. Not verified by a person." in text


def test_a_later_version_says_what_changed():
    earlier = ObjectReference(EnhancedSRStorage, "2.25.5", "2.25.6", STUDY)
    text = said(
        version=2,
        predecessor=(EarlierDocument(ResultKind.READABLE_REPORT, earlier),),
        change="The view L MLO came later.",
    )
    assert "Version 2; it replaces version 1. The view L MLO came later." in text
    assert "This report replaces its version 1. The risk class is the same." in text


def test_a_risk_class_that_changed_stands_among_the_impressions():
    risk = "The risk class changed: so."
    changed = answer(version=2, change=f"{risk} And more.", risk_change=risk)
    assert impression_sentences(changed)[2] == "This report replaces its version 1. The risk class changed: so."


def test_of_a_view_that_came_twice_the_used_one_has_the_plain_name():
    first = refused("R", "CC", number=1, reason=Reason.SUPERSEDED, explanation="The later one is used.")
    text = said([first, image(number=2), image("R", "MLO", number=3)])
    assert "Views analysed: R CC, R MLO." in text
    assert "Not used: R CC 2. Reason superseded_by_later_image: The later one is used." in text


def test_nothing_found_is_said_without_a_figure():
    results = results_of([image(number=1, box=None), image("R", "MLO", number=2, box=None)], NOTHING)
    assert [r.modality for r in results] == ["SR"]
    text = whole_text(readable(results))
    assert "No calcifications were found in the analysed views" in text
    assert "R CC: no calcifications found." in text
    assert "%" not in text


def test_an_exam_that_was_not_analysed_says_so_and_why():
    results = results_of([refused()], NOT_ANALYSED, completeness="Only refused views were received.")
    assert [r.modality for r in results] == ["SR"]
    text = whole_text(readable(results))
    assert "Not analysed: because the only image is a magnification view." in text
    assert "Not used: R CC. Reason magnification_view: This is a magnification view." in text
    assert "No view was analysed." in text


def test_a_given_mark_without_an_outline_still_has_its_figure():
    one = image(box=None)
    mark = UsedMark("gsps", ObjectReference("1.2.840.10008.5.1.4.1.1.11.1", "2.25.31", "2.25.32", STUDY))
    judged = replace(
        prediction(mask_of((1, 1, 2, 2))),
        source=LesionSource.GIVEN,
        mask=one.prediction.mask,
        candidates=(),
    )
    given = replace(one, prediction=judged, mark=mark)
    decision = Decision((BreastDecision("R", 0.62, Risk.HIGH, ("CC",), ("single_view",)),), 0.62, Risk.HIGH, 0.5)
    results = results_of([given], decision)
    assert [r.modality for r in results] == ["SR"]
    text = whole_text(readable(results))
    assert "No calcifications were outlined at the given mark. The probability of high-risk DCIS is 62.0 %" in text
    assert "R CC: probability 62.0 %" in text
    assert "Nothing was outlined." in text
    assert "given mark: a graphic in a presentation state" in text
    assert "only one standard view was analysed" in text


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("views_disagree", "the two views disagree"),
        ("folds_disagree", "the networks of the ensemble disagree"),
        ("no_standard_view", "no CC or MLO view was analysed"),
        ("single_view", "only one standard view was analysed"),
        ("a_new_flag", "a new flag"),
    ],
)
def test_flags_are_said_in_words_once(flag, words):
    breast = BreastDecision("R", 0.62, Risk.HIGH, ("CC", "MLO"), (flag,))
    assert said(decision=Decision((breast,), 0.62, Risk.HIGH, 0.5, (flag,))).count(words) == 1
