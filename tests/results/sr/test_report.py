from dataclasses import fields, replace

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SegmentationStorage,
)

from dcis_node.model.evidence import Decision, LesionSource, Risk
from dcis_node.results import codes
from dcis_node.results.answer import EarlierDocument, ObjectReference, OperatingPoint, UsedMark
from dcis_node.results.kinds import ResultKind
from tests.results.builders import (
    HIGH,
    LOW,
    MODEL,
    NOTHING,
    RIGHT_HIGH,
    STUDY,
    four_views,
    image,
    mask_of,
    prediction,
    refused,
    results_of,
)
from tests.results.reading import (
    evidence,
    group_of,
    groups,
    items,
    measurements,
    name,
    numbers,
    of_modality,
    read,
    region,
    source_of,
    texts,
    tracking,
    whole_text,
)

READABLE, NEWER, OLDER = (
    ResultKind.READABLE_REPORT,
    ResultKind.MEASUREMENT_REPORT,
    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE,
)
PIECES = mask_of((5, 5, 12, 12), (40, 40, 60, 60), (80, 10, 100, 30))


def report_of(*args, **changed):
    return measurements(results_of(*args, **changed))


def codes_of(ds, code):
    """Values of the CODE items of a name."""
    return [
        i.ConceptCodeSequence[0].CodeValue for i in items(ds) if i.ValueType == "CODE" and name(i).CodeValue == code
    ]


def test_it_is_a_comprehensive_3d_sr_of_template_1500():
    ds = report_of()
    assert ds.SOPClassUID == Comprehensive3DSRStorage
    assert ds.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (name(ds).CodeValue, name(ds).CodeMeaning) == ("126000", "Imaging Measurement Report")


def test_it_is_complete_preliminary_unverified_research():
    ds = report_of()
    assert (ds.CompletionFlag, ds.PreliminaryFlag, ds.VerificationFlag) == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")
    assert ds.ContentQualification == "RESEARCH"


def test_the_outline_lies_on_the_known_pixels_closed():
    points, uid = region(groups(report_of())[0])
    assert uid == f"{STUDY}.1"
    assert points.tolist() == [[20, 30], [45, 30], [45, 50], [20, 50], [20, 30]]


def test_every_measurement_group_has_a_region_and_a_tracking_identifier_of_its_own():
    pieces = image(mask=PIECES)
    found = groups(report_of([pieces]))
    assert len(found) == 3
    assert len({tracking(group)[1] for group in found}) == 3
    for group in found:
        assert [i.ValueType for i in group.ContentSequence].count("SCOORD") == 1
        # OHIF takes the first UIDREF for the tracking UID.
        first = next(i for i in group.ContentSequence if i.ValueType == "UIDREF")
        assert name(first).CodeValue == "112040"


def test_the_first_group_of_a_view_is_tracked_with_its_segment():
    results = results_of()
    ds = measurements(results)
    for seg in of_modality(results, "SEG"):
        segment = seg.SegmentSequence[0]
        assert tracking(group_of(ds, source_of(seg))) == (segment.TrackingID, segment.TrackingUID)


def test_the_figures_stand_in_the_order_in_which_ohif_draws_the_first_five():
    figures = numbers(group_of(report_of(), f"{STUDY}.1"))
    assert list(figures)[:5] == ["PHRDCIS", "PHRDCISB", "PHRDCIST", "103339001", "42798000"]


def test_every_figure_is_the_models():
    figures = numbers(group_of(report_of(), f"{STUDY}.1"))
    assert figures == {
        "PHRDCIS": 60.0,
        "PHRDCISB": 62.0,
        "PHRDCIST": 50.0,
        "103339001": pytest.approx(3.2, abs=0.005),
        "42798000": 5.0,
        "111038": 14,
        "PHRDCISF": 13.0,
        "PHRDCISP": 62.0,
    }


def test_figures_without_a_spacing_leave_the_millimetres_out_and_say_why():
    ds = report_of([image(ImagerPixelSpacing=None)])
    assert not {"42798000", "103339001"} & set(numbers(groups(ds)[0]))
    assert "no pixel spacing" in whole_text(ds)


def test_an_uncounted_lesion_has_no_count():
    one = image()
    uncounted = replace(one, prediction=prediction(one.prediction.mask, calcifications=None))
    assert "111038" not in numbers(groups(report_of([uncounted]))[0])


def test_further_pieces_are_outlined_without_figures_that_would_cover_each_other():
    first, *further = groups(report_of([image(mask=PIECES)]))
    assert numbers(first)["42798000"] == pytest.approx(8.49)
    assert [region(group)[0][0].tolist() for group in further] == [[10, 80], [5, 5]]
    assert [numbers(group) for group in further] == [{}, {}]
    # OHIF writes the site beside the outline.
    assert all("363698007" not in {name(i).CodeValue for i in group.ContentSequence} for group in further)


def test_the_figures_of_a_lesion_in_pieces_are_said_to_be_of_all():
    said = whole_text(report_of([image(mask=PIECES)]))
    assert "R CC: the figures hold for all 3 pieces of the lesion together; 3 are outlined here" in said


@pytest.mark.parametrize(("decision", "code"), [(HIGH, "ABOVETHR"), (LOW, "BELOWTHR")])
def test_the_risk_class_of_the_breast_is_coded(decision, code):
    assert set(codes_of(report_of(decision=decision), "RISKCLASS")) == {code}


def test_the_finding_its_site_and_its_side_are_coded():
    ds = report_of()
    assert codes_of(ds, "276214006") == ["49755003"] * 2
    assert codes_of(ds, "121071") == ["129769006"] * 2
    assert codes_of(ds, "363698007") == ["76752008"] * 2
    assert codes_of(ds, "272741003") == ["24028007"] * 2


def test_probability_of_cancer_is_never_said():
    ds = report_of()
    assert all(name(i).CodeValue != "111047" for i in items(ds) if "ConceptNameCodeSequence" in i)


def test_the_private_scheme_is_declared():
    (scheme,) = report_of().CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99DCISNODE"
    assert scheme.CodingSchemeUID.startswith("2.25.")


def test_the_algorithm_is_named_with_version_and_bundle_hash():
    said = whole_text(report_of())
    assert "dcis-demo" in said
    assert "1.2.0" in said
    assert f"bundle SHA-256 {MODEL.sha256}" in said
    assert codes_of(report_of(), "111000") == ["123110"] * 2


def test_the_node_is_the_observing_device():
    ds = report_of()
    assert codes_of(ds, "121005") == ["121007"]
    assert {"DCISNODE", "dcis-node project", "dcis-node", "node-7"} <= set(texts(ds))


def test_the_image_library_lists_every_analysed_view_with_side_view_and_geometry():
    ds = report_of([*four_views(), refused(number=9)])
    library = next(i for i in items(ds) if i.get("ConceptNameCodeSequence") and name(i).CodeValue == "126200")
    listed = [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in library.ContentSequence]
    assert listed == [f"{STUDY}.{n}" for n in (1, 2, 3, 4)]
    assert codes_of(library, "111027") == ["24028007", "7771000", "24028007", "7771000"]
    assert codes_of(library, "111031") == ["399162004", "399162004", "399368009", "399368009"]
    first = library.ContentSequence[0]
    assert numbers(first) == {"110910": 120, "110911": 90, "111026": 0.1, "111066": 0.1, "MAGNFACTOR": 1.06}
    assert [i.TextValue for i in first.ContentSequence if i.ValueType == "TEXT"] == ["P", "L"]


def test_a_view_of_an_unlisted_kind_without_orientation_or_side_is_still_listed():
    odd = image(laterality=None, view="XYZ", PatientOrientation=None, ImagerPixelSpacing=None)
    odd = replace(odd, header=replace(odd.header, magnification=None))
    ds = report_of([odd], Decision((replace(RIGHT_HIGH, laterality="", views=("XYZ",)),), 0.62, Risk.HIGH, 0.5))
    library = next(i for i in items(ds) if i.get("ConceptNameCodeSequence") and name(i).CodeValue == "126200")
    assert set(numbers(library.ContentSequence[0])) == {"110910", "110911"}


def test_the_modifiers_and_the_moment_of_a_view_stand_in_the_library():
    one = image()
    stated = {"acquired": "20260105101500", "sources": {"acquired": "AcquisitionDate and AcquisitionTime"}}
    taken = replace(one, header=replace(one.header, modifiers=("implant_displaced", "stereotactic"), **stated))
    ds = report_of([taken])
    assert codes_of(ds, "111032") == ["399209000"]
    moments = {name(i).CodeValue: i for i in items(ds) if i.ValueType in {"DATE", "TIME"}}
    assert (moments["126201"].Date, moments["126202"].Time) == ("20260105", "101500")


@pytest.mark.parametrize(
    ("acquired", "source", "listed"),
    [
        ("20260105000000", "AcquisitionDate and AcquisitionTime", {"126201"}),
        ("20260105101500", "StudyDate and StudyTime", set()),
    ],
)
def test_a_moment_that_is_not_known_is_not_made_up(acquired, source, listed):
    one = image()
    taken = replace(one, header=replace(one.header, acquired=acquired, sources={"acquired": source}))
    found = {name(i).CodeValue for i in items(report_of([taken])) if i.ValueType in {"DATE", "TIME"}}
    assert found == listed


def evaluations(ds):
    """What is said of the whole exam, outside the groups."""
    return next(i for i in ds.ContentSequence if i.ValueType == "CONTAINER" and name(i).CodeValue == "C0034375")


def test_what_holds_for_the_exam_stands_outside_the_groups_as_codes():
    decision = replace(HIGH, flags=("folds_disagree", "views_disagree"))
    whole = evaluations(report_of([*four_views(), refused(number=9), refused("L", "CC", number=8)], decision))
    assert codes_of(whole, "OUTCOME") == ["ABOVETHR"]
    assert codes_of(whole, "FLAG") == ["FOLDSDISAGREE", "VIEWSDISAGREE"]
    (unused,) = [i for i in whole.ContentSequence if i.ValueType == "CODE" and name(i).CodeValue == "USEOFIMAGE"]
    assert unused.ConceptCodeSequence[0].CodeValue == "MAGNIFICATION"
    pointed = {i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in unused.ContentSequence}
    assert pointed == {f"{STUDY}.8", f"{STUDY}.9"}
    assert "RESEARCH USE ONLY" in whole_text(whole)


def test_the_operating_point_is_said_in_words_where_the_bundle_knows_it():
    point = OperatingPoint(0.831, 0.6508, 260, "phantoms")
    said = whole_text(report_of(model=replace(MODEL, operating=point)))
    assert "the sensitivity for high risk is 83.1 % and the specificity 65.1 %" in said


def test_the_evidence_is_every_received_object():
    ds = report_of([*four_views(), refused(number=9)])
    assert evidence(ds) == {f"{STUDY}.{n}" for n in (1, 2, 3, 4, 9)}


def test_an_image_of_another_study_is_pertinent_other_evidence():
    other = image("L", "MLO", number=4, study="2.25.2002", box=None)
    ds = report_of([*four_views()[:3], other])
    assert ds.StudyInstanceUID == STUDY
    (item,) = ds.PertinentOtherEvidenceSequence
    assert item.StudyInstanceUID == "2.25.2002"
    assert item.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.2002.4"


def test_a_later_version_names_its_predecessors():
    earlier = ObjectReference(Comprehensive3DSRStorage, "2.25.5", "2.25.6", STUDY)
    ds = report_of(
        version=2,
        predecessor=(
            EarlierDocument(NEWER, earlier),
            EarlierDocument(READABLE, replace(earlier, sop_instance_uid="2.25.7")),
        ),
        change="The view L MLO came later.",
    )
    (item,) = ds.PredecessorDocumentsSequence
    assert item.StudyInstanceUID == STUDY
    assert item.ReferencedSeriesSequence[0].SeriesInstanceUID == "2.25.6"
    assert item.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.5"
    assert ds.SeriesDescription.endswith(" v2 SYNTHETIC")


@pytest.mark.parametrize(
    ("kind", "sop_class", "value_type", "words"),
    [
        ("seg", SegmentationStorage, "IMAGE", "a DICOM segmentation"),
        ("sr_scoord", Comprehensive3DSRStorage, "COMPOSITE", "a region in a structured report"),
        ("gsps", GrayscaleSoftcopyPresentationStateStorage, "COMPOSITE", "a graphic in a presentation state"),
    ],
)
def test_a_given_mark_is_said_and_pointed_at(kind, sop_class, value_type, words):
    one = image()
    mark = UsedMark(kind, ObjectReference(sop_class, "2.25.31", "2.25.32", STUDY))
    given = replace(one, prediction=replace(one.prediction, source=LesionSource.GIVEN), mark=mark)
    ds = report_of([given])
    item = next(i for i in items(ds) if i.get("ConceptNameCodeSequence") and name(i).CodeValue == "GIVENMARK")
    assert item.ValueType == value_type
    assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.31"
    assert "2.25.31" in evidence(ds)
    assert f"centred on a given mark: {words}" in whole_text(ds)


def test_a_found_lesion_points_at_no_mark():
    assert "GIVENMARK" not in {name(i).CodeValue for i in items(report_of()) if "ConceptNameCodeSequence" in i}


def test_a_synthetic_model_is_called_so_on_the_image_in_the_text_and_in_the_codes():
    ds = report_of()
    first = next(i for i in groups(ds)[0].ContentSequence if i.ValueType == "NUM")
    assert name(first).CodeMeaning == "SYNTHETIC risk, view"
    assert "SYNTHETIC MODEL trained on phantoms: figures have no clinical meaning" in whole_text(ds)
    assert set(codes_of(ds, "USE")) == {"RUOSYN"}
    assert ds.SeriesDescription.endswith(" SYNTHETIC")


def test_a_trained_model_is_not_called_synthetic_but_research_use_only():
    ds = report_of(model=replace(MODEL, synthetic=False))
    assert "SYNTHETIC" not in str(ds)
    assert "RESEARCH USE ONLY - NOT FOR CLINICAL USE" in whole_text(ds)
    first = next(i for i in groups(ds)[0].ContentSequence if i.ValueType == "NUM")
    assert name(first).CodeMeaning == "High risk, view (RUO)"
    assert set(codes_of(ds, "USE")) == {"RUO"}


def test_flags_of_disagreement_are_said():
    assert "the networks of the ensemble disagree" in whole_text(report_of())


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_names_that_a_viewer_draws_are_short_and_claim_no_cancer(synthetic):
    names = codes.of_model(synthetic=synthetic)
    for meaning in (getattr(names, field.name).meaning for field in fields(names)):
        assert len(meaning) <= 24
        assert meaning.startswith("SYNTHETIC ") if synthetic else meaning.endswith(" (RUO)")
        assert "cancer" not in meaning.lower()


def test_the_comprehensive_sr_has_the_same_tree():
    both = frozenset({ResultKind.MEASUREMENT_REPORT, ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE})
    newer, older = (read(result) for result in results_of(kinds=both))
    assert (newer.SOPClassUID, older.SOPClassUID) == (Comprehensive3DSRStorage, ComprehensiveSRStorage)
    assert newer.ContentSequence == older.ContentSequence
    assert newer.SOPInstanceUID != older.SOPInstanceUID
    assert (newer.SeriesNumber, older.SeriesNumber) == (9002, 9003)


VIEWS = frozenset({ResultKind.VIEW_MEASUREMENT_REPORT})


def test_each_outlined_view_has_a_report_with_its_groups_and_itself_in_the_library():
    pieces = image("R", "CC", number=1, mask=PIECES)
    images = [pieces, *four_views()[1:]]
    whole = report_of(images)
    of_views = [read(result) for result in results_of(images, kinds=VIEWS)]
    for ds, number, count in zip(of_views, (1, 3), (3, 1), strict=True):
        uid = f"{STUDY}.{number}"
        assert ds.SOPClassUID == Comprehensive3DSRStorage
        assert groups(ds) == [group for group in groups(whole) if region(group)[1] == uid]
        assert len(groups(ds)) == count
        entries = [i for i in items(ds) if i.ValueType == "IMAGE" and "ContentSequence" in i]
        assert [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in entries] == [uid]
        assert evaluations(ds) == evaluations(whole)
        assert evidence(ds) == evidence(whole)
    assert [ds.SeriesNumber for ds in of_views] == [9031, 9032]
    assert [str(ds.SeriesDescription) for ds in of_views] == [
        "RUO R CC DCIS figures SYNTHETIC",
        "RUO R MLO DCIS figures SYNTHETIC",
    ]
    uids = {uid for ds in (whole, *of_views) for uid in (ds.SOPInstanceUID, ds.SeriesInstanceUID)}
    assert len(uids) == 6


def test_the_report_of_a_view_lies_in_the_study_of_its_image_and_names_the_others_as_other_evidence():
    other = image("R", "MLO", number=3, study="2.25.2002")
    first, second = (read(result) for result in results_of([*four_views()[:2], other], kinds=VIEWS))
    assert (first.StudyInstanceUID, second.StudyInstanceUID) == (STUDY, "2.25.2002")
    assert [item.StudyInstanceUID for item in second.PertinentOtherEvidenceSequence] == [STUDY]
    assert evidence(first) == evidence(second)


def test_without_an_outline_there_is_no_report_of_a_view():
    assert results_of([image(box=None)], NOTHING, kinds=VIEWS) == ()


def test_without_an_outline_there_is_no_measurement_report():
    results = results_of([image(box=None)], NOTHING)
    assert [r.modality for r in results] == ["SR"]
