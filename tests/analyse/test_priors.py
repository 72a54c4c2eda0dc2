"""Earlier mammograms beside an exam: named in its report, never answered; also after the index was lost."""

import pytest
from pydicom import dcmread

from dcis_node.receive.describe import describe as describe_header
from storage import retrievals
from storage.priors import PriorStudy, expect_priors
from storage.rebuild import rebuild_index
from storage.replay import Looked
from tests.analyse.objects import mammogram
from tests.whole.marked import texts

VIEWS = [mammogram(number, name) for number, name in enumerate(("R CC", "L CC", "R MLO", "L MLO"), 1)]
PRIOR = mammogram(51, "R CC", StudyInstanceUID="1.2.9.1", StudyDate="20220110")

pytestmark = pytest.mark.usefixtures("fast_decode")


def ask(node):
    (exam,) = node.exams
    retrievals.ask(
        node.db,
        exam.id,
        ["pacs"],
        missing="",
        last_image_at=exam.last_image_at,
        now=node.clock.now,
        purpose=retrievals.PRIORS,
    )
    return retrievals.claim(node.db, source="pacs", owner="o", now=node.clock.now, wait_seconds=300, max_tries=3)


def fetch(node, *priors):
    errand = ask(node)
    expect_priors(node.db, errand, [PriorStudy("1.2.9.1", "20220110")], now=node.clock.now)
    node.receive(*priors)
    retrievals.finish(node.db, errand, moved=len(priors), now=node.clock.now)


def decide(node):
    node.work()
    node.sweep()
    node.work()


def said(node) -> str:
    reports = [result for result in node.results if result.kind == "readable_report"]
    return texts(dcmread(node.files.path(reports[-1].sha256)))


def test_the_report_names_the_days_of_earlier_mammograms_and_they_get_none(node):
    node.receive(*VIEWS)
    fetch(node, PRIOR)
    decide(node)
    assert "Earlier mammograms are here, of 2022-01-10; they were not compared." in said(node)
    assert [exam.state for exam in node.exams] == ["reported", "prior"]
    assert len(node.reports) == 1
    assert node.instance(51).analysis == "prior"


def test_a_report_for_which_none_were_found_says_so(node):
    node.receive(*VIEWS)
    fetch(node)
    decide(node)
    assert "No earlier mammograms are here." in said(node)


def test_priors_that_come_behind_the_report_make_no_new_version(node):
    node.receive(*VIEWS)
    decide(node)
    node.receive(VIEWS[0])
    errand = ask_again(node)
    expect_priors(node.db, errand, [PriorStudy("1.2.9.1", "20220110")], now=node.clock.now)
    node.receive(PRIOR)
    decide(node)
    assert len(node.reports) == 1
    assert [exam.state for exam in node.exams] == ["reported", "prior"]


def ask_again(node):
    with node.db.write() as session:
        session.get_one(type(node.exams[0]), 1).state = "open"
    return ask(node)


def test_a_prior_that_is_sent_later_is_analysed_and_answered(node):
    node.receive(*VIEWS)
    fetch(node, PRIOR)
    decide(node)
    node.clock.now += 4000.0
    node.receive(PRIOR)
    decide(node)
    assert [exam.state for exam in node.exams] == ["reported", "reported"]
    assert node.instance(51).analysis == "analysed"


@pytest.mark.parametrize("priors", [True, False])
def test_an_index_made_again_does_not_answer_priors_if_there_may_be_some(node, priors):
    node.receive(*VIEWS)
    fetch(node, PRIOR)
    decide(node)
    # Another exam, two days later: since then an exam that is none would have been answered.
    node.clock.now += 2 * 86400.0
    node.receive(mammogram(71, "R CC", patient="P7"))
    decide(node)
    node.db.close()

    def describe(path, sha256):
        header = dcmread(path, stop_before_pixels=True)
        return Looked(describe_header(header, sha256=sha256, size_bytes=path.stat().st_size, calling_aet=""))

    rebuild_index(node.url, node.files, describe, stamp="old", priors=priors)
    states = sorted(exam.state for exam in node.exams)
    assert states == sorted(["reported", "prior" if priors else "open", "reported"])
