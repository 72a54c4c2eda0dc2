"""Each thing that the readable report must say, left unsaid or said otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.mammogram.facts import Reason
from dcis_node.results.check.readable import says
from dcis_node.results.check.results import check_results
from dcis_node.results.kinds import ResultKind
from dcis_node.results.wording import percent
from tests.results.builders import HIGH, NOT_ANALYSED, NOTHING, answer, image, refused, results_of
from tests.results.check.altering import built, caught_by, of_code, rewritten, without
from tests.results.reading import items

READABLE = ResultKind.READABLE_REPORT
ONLY = frozenset({READABLE})


def texts(ds):
    return [item for item in items(ds) if item.ValueType == "TEXT"]


def instead(old, new):
    """Say something else wherever a text says something."""

    def change(ds):
        said = [item for item in texts(ds) if old in item.TextValue]
        assert said, "the report does not say what is to be altered"
        for item in said:
            item.TextValue = item.TextValue.replace(old, new)

    return change


def banner_last(ds):
    (impressions,) = of_code(ds, "19005-8")
    impressions.ContentSequence = [*impressions.ContentSequence[1:], impressions.ContentSequence[0]]


FAULTS = {
    "another title": (lambda ds: setattr(ds.ConceptNameCodeSequence[0], "CodeValue", "18782-3"), "another title"),
    "no language": (lambda ds: without(ds, lambda c: c not in of_code(ds, "121049")), "CODE 121049"),
    "no impressions": (lambda ds: without(ds, lambda c: c not in of_code(ds, "19005-8")), "CONTAINER 19005-8"),
    "no findings": (lambda ds: without(ds, lambda c: c not in of_code(ds, "59776-5")), "CONTAINER 59776-5"),
    "no procedure": (lambda ds: without(ds, lambda c: c not in of_code(ds, "55111-9")), "CONTAINER 55111-9"),
    "another order": (lambda ds: setattr(ds, "ContentSequence", ds.ContentSequence[::-1]), "out of place"),
    "what it is for comes late": (banner_last, "does not begin with what it is for"),
    "hides that the model is synthetic": (instead("SYNTHETIC MODEL", "MODEL"), "model is synthetic"),
    "another figure": (instead("62.0 %", "26.0 %"), "another figure than the decision"),
    "another threshold": (instead("50.0 %", "55.0 %"), "another figure than the decision"),
    "another figure of a view": (instead("64.0 %", "46.0 %"), "lack the figure of a breast or a view"),
    "another bundle": (instead("abababababab", "bababababaab"), "does not name the bundle"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_readable_report_lacks_or_says_otherwise_is_caught(name):
    change, words = FAULTS[name]
    caught = caught_by(rewritten(built(READABLE), change))
    assert words in caught.pop("readable")
    assert caught == {}


def test_what_was_built_passes_every_check():
    assert caught_by(rewritten(built(READABLE), lambda ds: None)) == {}


@pytest.mark.parametrize(
    ("exam", "old", "new", "words"),
    [
        (answer([refused()], NOT_ANALYSED), "ot analysed", "ot there", "another result"),
        (answer([image(box=None)], NOTHING), "o calcifications", "o stones", "another result"),
        (answer([refused()], NOT_ANALYSED), "magnification_view", "a reason", "no reason is given"),
        (answer([image(), refused("L", "CC", number=2)], HIGH), "magnification_view", "a reason", "no reason is given"),
        (answer(version=2, change="One image new."), "Version 2", "Version 3", "does not name its version"),
    ],
)
def test_other_outcomes_are_held_to_their_answer_too(exam, old, new, words):
    (result,) = results_of(exam.images, exam.decision, kinds=ONLY, version=exam.version, change=exam.change)
    check_results(exam, [result], ONLY)
    assert words in caught_by(rewritten(result, instead_everywhere(old, new)), exam)["readable"]


def instead_everywhere(old, new):
    """Say something else in texts, and in coded values and meanings."""

    def change(ds):
        instead(old, new)(ds)
        for item in items(ds):
            for code in item.get("ConceptCodeSequence") or ():
                code.CodeValue = code.CodeValue.replace(old, new).replace(old.upper(), new.upper())[:16]

    return change


@pytest.mark.parametrize("reason", [r for r in Reason if r not in {Reason.ELIGIBLE, Reason.OWN_RESULT}])
def test_every_reason_has_a_name_that_is_found_again(reason):
    assert results_of([image(), refused("L", "CC", number=2, reason=reason)], kinds=ONLY)


@given(probability=st.floats(0, 1))
def test_what_the_node_writes_of_a_probability_is_read_as_it(probability):
    assert says([f"about {percent(probability)}."], [probability])


@given(probability=st.floats(0, 1), off=st.sampled_from([-0.002, 0.002]))
def test_what_is_two_tenths_of_a_per_cent_aside_is_not(probability, off):
    aside = probability + off
    if 0.001 <= aside <= 0.999 and 0.001 <= probability <= 0.999:
        assert not says([f"about {percent(aside)}."], [probability])
