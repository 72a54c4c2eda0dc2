"""All objects of an answer together: as many as there must be, each readable, none like another."""

from dataclasses import replace

import pytest
from pydicom import Dataset

from dcis_node.errors import ResultError
from dcis_node.results.check.results import check_results
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.results.builders import BASIC, answer, four_view_results, four_views, results_of
from tests.results.check.altering import built, rewritten
from tests.results.reading import read


def test_what_was_built_passes():
    check_results(answer(), four_view_results(EVERY_KIND), EVERY_KIND)


def test_what_was_written_again_unchanged_passes():
    again = [rewritten(result, lambda ds: None) for result in four_view_results(EVERY_KIND)]
    check_results(answer(), again, EVERY_KIND)


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_an_object_that_was_taken_away_is_missed(kind):
    gone = built(kind, -1).sop_instance_uid
    results = [result for result in four_view_results(EVERY_KIND) if result.sop_instance_uid != gone]
    with pytest.raises(ResultError, match="not those that this answer must have"):
        check_results(answer(), results, EVERY_KIND)


def test_the_same_view_twice_in_place_of_another_is_caught():
    kinds = frozenset({ResultKind.VIEW_MEASUREMENT_REPORT})
    first, second = four_view_results(kinds)

    def as_the_first(ds):
        ds.ContentSequence = read(first).ContentSequence

    with pytest.raises(ResultError, match="not those that this answer must have"):
        check_results(answer(), [first, rewritten(second, as_the_first)], kinds)


def test_an_object_that_nobody_wanted_is_caught():
    with pytest.raises(ResultError, match="not those that this answer must have"):
        check_results(answer(), four_view_results(), BASIC - {ResultKind.SEGMENTATION})


def test_the_error_names_the_kind_of_the_object():
    wrong = rewritten(built(ResultKind.SEGMENTATION, 1), lambda ds: setattr(ds, "SeriesDescription", "outline"))
    results = [wrong if r.sop_instance_uid == wrong.sop_instance_uid else r for r in four_view_results()]
    with pytest.raises(ResultError, match=r"^segmentation: a result does not say what it is for$"):
        check_results(answer(), results, BASIC)


def test_objects_that_disagree_with_each_other_are_caught():
    def aside(ds):
        graphic = ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
        corner, *others, _ = [graphic.GraphicData[i : i + 2] for i in range(0, len(graphic.GraphicData), 2)]
        # The same outline, begun at another corner: on the mask, and another drawing than the report's.
        graphic.GraphicData = [v for point in (*others, corner, others[0]) for v in point]

    kinds = frozenset({ResultKind.MEASUREMENT_REPORT, ResultKind.PRESENTATION_STATE})
    results = list(four_view_results(kinds))
    results[-1] = rewritten(results[-1], aside)
    with pytest.raises(ResultError, match="two objects draw another place"):
        check_results(answer(), results, kinds)


def test_a_file_that_carries_something_in_its_preamble_is_caught():
    first, *rest = four_view_results()
    carrying = replace(first, data=b"MZ" + first.data[2:])
    with pytest.raises(ResultError, match="preamble"):
        check_results(answer(), [carrying, *rest], BASIC)


def test_a_truncated_file_is_caught():
    first, *rest = four_view_results()
    with pytest.raises(ResultError):
        check_results(answer(), [replace(first, data=first.data[:600]), *rest], BASIC)


def test_bytes_that_are_no_dicom_are_caught():
    first, *rest = four_view_results()
    with pytest.raises(ResultError, match="does not read back"):
        check_results(answer(), [replace(first, data=bytes(4000)), *rest], BASIC)


def test_the_same_object_twice_is_caught():
    results = four_view_results()
    with pytest.raises(ResultError, match="one UID"):
        check_results(answer(), [*results, results[0]], BASIC)


def test_no_error_names_the_patient():
    first, *rest = four_view_results()
    leaking = rewritten(first, lambda ds: setattr(ds, "ProtocolName", "PID-000123"))
    with pytest.raises(ResultError) as caught:
        check_results(answer(), [leaking, *rest], BASIC)
    assert "PID-000123" not in str(caught.value)


def test_a_patient_whose_name_is_a_word_of_ours_is_no_reason_to_refuse():
    images = [replace(i, attributes=_named(i.attributes, "Breast", "7")) for i in four_views()]
    assert results_of(images)


def _named(ds: Dataset, patient_name, patient_id):
    ds.PatientName, ds.PatientID = patient_name, patient_id
    return ds
