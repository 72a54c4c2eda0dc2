"""The sentence that a new version of a report says of what changed: read as a radiologist would."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.analyse.changes import SAME, change_sentence
from dcis_node.analyse.judged import evidence_of, image_to_json, without_superseded
from dcis_node.mammogram.facts import Mark, Reason
from dcis_node.model.decide import decide
from tests.analyse.values import judged

A, B = "a" * 64, "b" * 64
TEXT_LIMIT = 1000
MARK = Mark("1.2.3.2", 1.0, 1.0, "seg", "1.2.9.1")
OTHER_MARK = Mark("1.2.3.2", 2.0, 1.0, "gsps", "1.2.9.2")


def version(*images, threshold=0.6):
    """Give images and decision of one version, judged as the node does."""
    judged_images = without_superseded(images)
    decision = decide(evidence_of(judged_images), threshold=threshold).to_json()
    return [image_to_json(image) for image in judged_images], decision


def change(before, after, *, bundles=(A, A)):
    said, risk = change_sentence(before[0], after[0], decisions=(before[1], after[1]), bundles=bundles)
    assert said.startswith(risk)
    assert bool(risk) == said.startswith("The risk class changed: ")
    return said


def at(clock: str) -> str:
    return f"20261123{clock.replace(':', '')}00"


R_CC, R_MLO = judged(1, acquired=at("10:12")), judged(2, "R MLO")
FIRST = version(R_CC, R_MLO)


def failed(number, name, reason=Reason.ANALYSIS_FAILED, **changes):
    return judged(number, name, reason=reason, record=None, **changes)


def test_late_views_of_the_other_breast_are_named_with_the_figure_they_give():
    assert change(FIRST, version(R_CC, R_MLO, judged(3, "L CC", 0.2), judged(4, "L MLO", 0.2))) == (
        "L CC and L MLO came later and were added. Left breast: not analysed before, 20.0 % (below the threshold) now."
    )


def test_a_risk_class_that_changed_is_said_first():
    text = change(FIRST, version(R_CC, R_MLO, judged(3, acquired=at("10:42"), probability=0.9)))
    assert text == (
        "The risk class changed: patient and right breast 50.0 % (below the threshold) before, "
        "70.0 % (at or above the threshold) now. "
        "R CC was taken again at 10:42; the later image replaces the one taken at 10:12."
    )


def test_a_breast_that_is_high_at_its_first_analysis_is_said_first():
    text = change(FIRST, version(R_CC, R_MLO, judged(3, "L CC", 0.9)))
    assert text == (
        "The risk class changed: patient 50.0 % (below the threshold) before, 90.0 % (at or above the threshold) now; "
        "left breast not analysed before, 90.0 % (at or above the threshold) now. "
        "L CC came later and was added."
    )


def test_an_earlier_exposure_that_arrives_late_is_left_out_and_said():
    assert change(FIRST, version(R_CC, R_MLO, judged(3, acquired=at("09:50"), probability=0.9))) == (
        "Another R CC, taken at 09:50, arrived and is not used: the one taken at 10:12 is the later image. "
        "The figures are the same."
    )


def test_an_exposure_that_was_processed_again_is_said_to_be_the_same_exposure():
    old = judged(1, acquired=at("10:12"), created=at("10:12"))
    new = judged(3, acquired=at("10:12"), created=at("10:50"))
    later = "The exposure of R CC was processed again at 10:50; the newer image replaces the one made at 10:12."
    assert change(version(old), version(old, new)) == f"{later} The figures are the same."
    earlier = (
        "Another image of one exposure of R CC, made at 10:12, arrived and is not used: at 10:50 a newer was made."
    )
    assert change(version(new), version(new, old)) == f"{earlier} The figures are the same."


def test_a_copy_with_the_same_times_is_said_to_replace_the_first():
    text = change(FIRST, version(R_CC, R_MLO, judged(3, acquired=at("10:12"))))
    assert text.startswith("Another image of R CC, of the same time, came later and replaces the first.")


def test_a_late_mark_is_said_to_centre_the_analysis():
    marked = judged(2, "R MLO", mark=MARK)
    text = change(FIRST, version(R_CC, marked))
    assert text == ("A mark for R MLO came later and its analysis was centred on it. The figures are the same.")
    another = change(version(marked), version(judged(2, "R MLO", 0.7, mark=OTHER_MARK)))
    assert "The analysis of R MLO is centred on another mark now." in another
    assert "analysed again" not in another
    assert "The analysis of R MLO is no longer centred on a mark." in change(version(R_CC, marked), FIRST)
    both = change(FIRST, version(judged(1, mark=MARK, acquired=at("10:12")), marked))
    assert both.startswith("Marks for R CC and R MLO came later and the analyses were centred on them.")


def test_an_analysis_that_works_now_is_said():
    text = change(version(R_CC, failed(3, "L CC")), version(R_CC, judged(3, "L CC", 0.2)))
    assert "The analysis of L CC failed before and worked now." in text


def test_a_repeat_whose_analysis_works_now_replaces_the_first():
    repeat = {"acquired": at("10:42")}
    before = version(R_CC, failed(3, "R CC", **repeat))
    text = change(before, version(R_CC, judged(3, "R CC", 0.4, **repeat)))
    assert "R CC was taken again at 10:42; the later image replaces the one taken at 10:12." in text


def test_images_that_are_not_used_are_named_with_the_reason():
    late = [failed(n, "L CC", Reason.MAGNIFICATION_VIEW) for n in (3, 4)]
    text = change(FIRST, version(R_CC, R_MLO, *late, failed(5, "", Reason.TOMOSYNTHESIS)))
    assert "L CC (2) came later and are not used: they are magnification views." in text
    assert "image came later and is not used: it is a tomosynthesis." in text


def test_a_view_that_is_lost_is_said():
    text = change(FIRST, version(R_CC, failed(2, "R MLO", Reason.PIXELS_UNDECODABLE)))
    assert "R MLO was used before and is not now: it has pixel data that cannot be decoded." in text
    gone = change(FIRST, version(R_CC))
    assert "R MLO is here no more." in gone


def test_another_model_is_named_with_its_threshold():
    images = (judged(1, acquired=at("10:12"), probability=0.55), R_MLO)
    text = change(FIRST, version(*images, threshold=0.5), bundles=(A, B))
    assert text == (
        "The risk class changed: patient and right breast 50.0 % (below the threshold) before, "
        "52.5 % (at or above the threshold) now. "
        "Another model was used: bundle SHA-256 aaaaaaaaaaaa before, bbbbbbbbbbbb now. "
        "The threshold is another one: 60.0 % before, 50.0 % now."
    )


def test_a_figure_that_changed_within_its_class_stands_last():
    assert change(FIRST, version(judged(1, acquired=at("10:12"), probability=0.52), R_MLO)) == (
        "R CC was analysed again. "
        "Patient and right breast: 50.0 % (below the threshold) before, 51.0 % (below the threshold) now."
    )


def test_the_same_outcome_is_said_to_be_the_same():
    assert change(FIRST, FIRST) == SAME


def test_a_report_of_a_version_that_kept_less_is_read():
    older = [
        {key: view[key] for key in view if key not in {"mark", "replaced_by", "acquired", "created"}}
        for view in FIRST[0]
    ]
    assert change((older, FIRST[1]), version(R_CC, R_MLO, judged(3, "L CC", 0.2))).count("L CC came later") == 1


IMAGES = st.lists(
    st.builds(
        lambda name, clock, made, probability, reason, mark: judged(
            1,
            name,
            acquired=clock,
            created=made,
            probability=probability,
            **({"mark": mark} if probability is not None else {}),
            **({} if reason is Reason.ELIGIBLE else {"reason": reason, "record": None}),
        ),
        st.sampled_from(["R CC", "L CC", "R MLO", "L MLO", "R ML", "L XCCL", "R TAN", ""]),
        st.sampled_from(["", at("10:12"), at("10:42"), "20261122101200"]),
        st.sampled_from(["", at("10:12"), at("10:50")]),
        st.sampled_from([None, 0.1, 0.9]),
        st.sampled_from([Reason.ELIGIBLE, Reason.ELIGIBLE, *Reason]),
        st.sampled_from([None, MARK, OTHER_MARK]),
    ),
    max_size=14,
)


def numbered(images):
    """Give each image an identity of its own."""
    return [
        type(image)(
            **{
                **{name: getattr(image, name) for name in image.__dataclass_fields__},
                "instance_id": n,
                "header": type(image.header)(**{**asdict(image.header), "sop_instance_uid": f"1.2.3.{n}"}),
            }
        )
        for n, image in enumerate(images)
    ]


@given(IMAGES, st.integers(0, 14), st.randoms(use_true_random=False))
def test_whatever_changed_is_said_in_one_text_of_ascii_whatever_the_order_of_arrival(images, cut, random):
    images = numbered(images)
    before, after = version(*images[:cut]), version(*images)
    text = change(before, after)
    assert text.isascii()
    assert text.endswith(".")
    assert len(text) < TEXT_LIMIT - len("Version 10; it replaces version 9. ")
    assert (text == SAME) == (len(images) <= cut)
    shuffled = list(after[0])
    random.shuffle(shuffled)
    assert change(before, (shuffled, after[1])) == text


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.ELIGIBLE}))
def test_every_reason_can_be_said_of_a_late_image(reason):
    assert change(FIRST, version(R_CC, R_MLO, failed(3, "L CC", reason))).startswith(
        "L CC came later and is not used: it "
    )
