"""Which open exams wait for views that are asked for elsewhere, and how long."""

import pytest

from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.retrieve.gate import hold_for_views
from storage import retrievals
from tests.retrieve.helpers import EXAM, exam, settings

SETTINGS = settings("pacs", "archive", before_deadline_seconds=300.0, wait_seconds=200.0)


@pytest.fixture
def sweep(node):
    """Let time pass, and look which exams become due."""

    def sweep_later(seconds: float, chosen=SETTINGS) -> str:
        node.clock.now += seconds

        def hold(open_exam, images, ends):
            return hold_for_views(
                open_exam, images, ends=ends, db=node.db, settings=chosen, exam_settings=EXAM, now=node.clock.now
            )

        sweep_open_exams(node.db, EXAM, now=node.clock.now, hold=hold)
        return node.exam().state

    return sweep_later


def claimed(node, source="pacs"):
    return retrievals.claim(
        node.db, source=source, owner="o", now=node.clock.now, wait_seconds=SETTINGS.wait_seconds, max_tries=3
    )


def test_an_exam_whose_quiet_time_ends_without_a_view_is_asked_for_once_and_waits(node, sweep):
    node.receive(*exam()[:3])
    assert sweep(119.0) == "open"
    assert node.asked() == ()
    assert sweep(1.0) == "open"
    assert sweep(1.0) == "open"
    assert [(one.source, one.state, one.missing) for one in node.asked()] == [
        ("pacs", "due", "L MLO"),
        ("archive", "due", "L MLO"),
    ]


def test_an_exam_that_still_receives_is_asked_for_when_its_deadline_nears(node, sweep):
    views = exam()
    for number in range(6):
        node.receive(views[0] if number else views[1])
        assert sweep(100.0) == "open" or number
    node.receive(views[2])
    assert sweep(0.0) == "open"
    assert len(node.asked()) == 2


def test_an_exam_with_all_its_views_is_not_asked_for(node, sweep):
    node.receive(*exam())
    assert sweep(5.0) == "due"
    assert node.asked() == ()


def test_an_exam_is_decided_when_every_source_has_answered(node, sweep):
    node.receive(*exam()[:3])
    sweep(120.0)
    retrievals.finish(node.db, claimed(node), moved=0, now=node.clock.now)
    assert sweep(1.0) == "open"
    retrievals.fail(node.db, claimed(node, "archive"), moved=0, now=node.clock.now, text="no connection")
    assert sweep(1.0) == "due"
    assert node.exam().completeness == "quiet"


def test_an_exam_is_not_decided_while_its_images_are_being_moved_even_if_all_are_there(node, sweep):
    views = exam()
    node.receive(*views[:3])
    sweep(120.0)
    errand = claimed(node)
    node.receive(views[3])
    assert sweep(5.0) == "open"
    retrievals.finish(node.db, retrievals.note_found(node.db, errand, 1), moved=1, now=node.clock.now)
    assert sweep(1.0) == "due"
    assert node.exam().completeness == "four_standard_views"
    assert [one.state for one in node.asked()] == ["done", "due"]


def test_an_exam_that_waited_for_as_long_as_it_may_is_decided_with_what_is_there(node, sweep):
    node.receive(*exam()[:3])
    sweep(120.0)
    errand = claimed(node)
    assert sweep(199.0) == "open"
    assert sweep(1.0) == "due"
    assert [(one.state, one.text) for one in node.asked()] == 2 * [("failed", retrievals.OUT_OF_TIME)]
    assert not retrievals.finish(node.db, errand, moved=0, now=node.clock.now)


def test_an_exam_is_decided_though_its_source_left_the_settings(node, sweep):
    node.receive(*exam()[:3])
    sweep(120.0)
    others = settings("archive", wait_seconds=200.0)
    assert sweep(1.0, others) == "open"
    retrievals.fail(node.db, claimed(node, "archive"), moved=0, now=node.clock.now, text="no connection")
    assert sweep(198.0, others) == "open"
    assert sweep(1.0, others) == "due"
    assert [(one.source, one.state) for one in node.asked()] == [("pacs", "failed"), ("archive", "failed")]


def test_an_exam_whose_questions_the_clock_has_closed_is_decided(node, sweep):
    node.receive(*exam()[:3])
    sweep(120.0)
    assert sweep(1.0) == "open"
    assert retrievals.expire_all(node.db, longest_seconds=1.0, now=node.clock.now) == 2
    assert sweep(0.0) == "due"


def test_what_the_last_try_came_to_is_kept_when_the_time_is_over(node, sweep):
    node.receive(*exam()[:3])
    sweep(120.0)
    retrievals.retry(node.db, claimed(node), moved=0, text="no connection", next_try_at=node.clock.now)
    sweep(200.0)
    assert [one.text for one in node.asked()] == ["no connection", retrievals.OUT_OF_TIME]


def test_an_exam_that_is_answered_and_opened_again_is_not_asked_for_twice(node, sweep):
    views = exam()
    node.receive(*views[:2])
    sweep(120.0)
    sweep(200.0)
    node.receive(views[2])
    assert sweep(120.0) == "due"
    assert len(node.asked()) == 2


def test_an_image_that_comes_while_it_is_looked_at_keeps_the_exam_open(node):
    node.receive(*exam()[:3])

    def hold(open_exam, images, ends):
        node.clock.now += 1.0
        node.receive(exam()[3])
        return hold_for_views(
            open_exam, images, ends=ends, db=node.db, settings=SETTINGS, exam_settings=EXAM, now=node.clock.now
        )

    node.clock.now += 120.0
    assert sweep_open_exams(node.db, EXAM, now=node.clock.now, hold=hold) == 0
    assert node.asked() == ()
    assert node.exam().state == "open"
