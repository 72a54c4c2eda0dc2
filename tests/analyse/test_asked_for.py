"""What was asked for elsewhere is told in the report, and is no input of it: it makes no new version."""

import pytest
from pydicom import dcmread

from dcis_node.analyse.earlier_answer import answer_again
from storage import retrievals
from tests.analyse.objects import mammogram
from tests.whole.marked import texts

VIEWS = [mammogram(number, name) for number, name in enumerate(("R CC", "L CC", "R MLO", "L MLO"), 1)]

pytestmark = pytest.mark.usefixtures("fast_decode")


def ask(node, *sources, missing="L MLO"):
    (exam,) = node.exams
    assert retrievals.ask(
        node.db, exam.id, sources, missing=missing, last_image_at=exam.last_image_at, now=node.clock.now
    )
    return [
        retrievals.claim(node.db, source=source, owner="o", now=node.clock.now, wait_seconds=300, max_tries=3)
        for source in sources
    ]


def said(node, number=-1) -> str:
    reports = [result for result in node.results if result.kind == "readable_report"]
    return texts(dcmread(node.files.path(reports[number].sha256)))


def decide(node):
    node.work()
    node.sweep()
    node.work()


def test_the_report_says_what_was_missing_whom_was_asked_and_what_came(node):
    node.receive(*VIEWS[:3])
    archive, pacs = ask(node, "archive", "pacs")
    node.receive(VIEWS[3])
    retrievals.finish(node.db, retrievals.note_found(node.db, archive, 1), moved=1, now=node.clock.now)
    retrievals.fail(node.db, pacs, moved=0, now=node.clock.now, text="no connection to PACS at 10.1.2.3:104")
    decide(node)
    assert "L MLO was missing: archive was asked for it at " in said(node)
    assert "; 1 image was found, 1 came." in said(node)
    assert "; it gave no answer that could be used." in said(node)
    assert "10.1.2.3" not in said(node)


def test_a_question_that_found_nothing_makes_no_new_version(node):
    node.receive(*VIEWS[:3])
    decide(node)
    node.receive(VIEWS[0])
    with node.db.write() as session:
        session.get_one(type(node.exams[0]), 1).state = "open"
    (archive,) = ask(node, "archive")
    retrievals.finish(node.db, archive, moved=0, now=node.clock.now)
    decide(node)
    assert len(node.reports) == 1
    assert node.exams[0].state == "reported"
    assert "was asked" not in said(node)


def test_a_question_that_was_not_needed_or_is_not_ended_is_not_told(node):
    node.receive(*VIEWS[:3])
    first, _ = ask(node, "archive", "pacs")
    retrievals.finish(node.db, first, moved=0, now=node.clock.now, text="nothing was missing any more")
    decide(node)
    assert "was missing" not in said(node)


def test_a_source_that_nobody_came_to_ask_is_told(node):
    node.receive(*VIEWS[:3])
    (exam,) = node.exams
    retrievals.ask(node.db, exam.id, ["pacs"], missing="L MLO", last_image_at=exam.last_image_at, now=node.clock.now)
    retrievals.expire(node.db, exam.id, now=node.clock.now)
    decide(node)
    assert "L MLO was missing: pacs could not be asked for it in time." in said(node)


def test_the_answer_that_is_put_together_again_says_the_same(node):
    node.receive(*VIEWS[:3])
    (archive,) = ask(node, "archive")
    retrievals.finish(node.db, archive, moved=0, now=node.clock.now)
    decide(node)
    again = answer_again(node.bench.decider(node.ensemble.bundle), 1)
    assert [(one.source, one.missing, one.found, one.answered) for one in again.asked_for] == [
        ("archive", ("L MLO",), 0, True)
    ]
    assert again.asked_for[0].asked_at.timestamp() == pytest.approx(node.clock.now - 1000.0)
