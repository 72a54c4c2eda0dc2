"""Earlier mammograms: found, noted before they come, kept beside the exam that asked for them."""

import pytest
from pydicom import Dataset

from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.retrieve.gate import hold_for_views
from dcis_node.retrieve.retriever import retrieve_next
from dcis_node.retrieve.search import find_priors
from storage import retrievals
from storage.priors import PriorStudy
from storage.retrievals import ExamSought
from tests.analyse.objects import mammogram
from tests.peers import free_port
from tests.retrieve.helpers import EXAM, exam, settings, source
from tests.retrieve.peer import QueryPeer, matches
from tests.retrieve.test_real_peers import dcmqrscp_with, orthanc_with

SOUGHT = ExamSought(("1.2.4.1",), "P1", "A", "20261123")
WITH_PRIORS = settings("archive", priors=True, priors_years=5.0, most_priors=2)
DATES = ("20261101", "20251101", "20231101", "20221130", "20200101")


def prior(number: int, date: str, **changes) -> Dataset:
    values = {"StudyInstanceUID": f"1.2.9.{date}", "StudyDate": date, "AcquisitionDate": date, **changes}
    return mammogram(number, "R CC", **values)


def priors_of(objects, sought=SOUGHT, *, years=5.0, most=2):
    def find(keys):
        # A peer that knows no ranges returns every date.
        first, _, last = str(keys.StudyDate).partition("-")
        wide = Dataset()
        wide.update(keys)
        wide.StudyDate = ""
        assert first < last
        return tuple(matches(objects, wide))

    return find_priors(find, sought, years=years, most=most)


def test_the_latest_earlier_studies_within_the_years_are_listed():
    objects = [prior(number, date) for number, date in enumerate(DATES, 50)]
    assert priors_of(objects) == (
        PriorStudy("1.2.9.20251101", "20251101"),
        PriorStudy("1.2.9.20231101", "20231101"),
    )
    assert [one.study_date for one in priors_of(objects, most=9)] == ["20251101", "20231101", "20221130"]
    assert priors_of(objects, years=0.01) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": "P2"},
        {"IssuerOfPatientID": "B"},
        {"StudyInstanceUID": "1.2.4.1"},
        {"Modality": "US"},
    ],
)
def test_a_study_that_is_no_prior_of_hers_is_not_listed(changes):
    assert priors_of([prior(50, "20251101", **changes)]) == ()


@pytest.mark.parametrize(("patient_id", "date"), [("", "20261123"), ("P*", "20261123"), ("P1", "")])
def test_without_a_patient_or_a_date_nobody_is_asked(patient_id, date):
    sought = ExamSought(("1.2.4.1",), patient_id, "", date)
    assert find_priors(lambda _: pytest.fail("it asked"), sought, years=5.0, most=2) == ()


def ask(node, exam_id):
    assert retrievals.ask(
        node.db,
        exam_id,
        ["archive"],
        missing="",
        last_image_at=node.exam(exam_id).last_image_at,
        now=node.clock.now,
        purpose=retrievals.PRIORS,
    )


def test_priors_come_and_open_no_exam(listening):
    views = exam()
    ask(listening, listening.receive(*views))
    objects = [*views, *(prior(number, date) for number, date in enumerate(DATES, 50))]

    def answer(keys):
        wide = Dataset()
        wide.update(keys)
        if keys.QueryRetrieveLevel == "STUDY":
            wide.StudyDate = ""
        yield from ((0xFF00, match) for match in matches(objects, wide))

    with QueryPeer(objects=objects, node_port=listening.port, answer=answer) as peer:
        assert retrieve_next(listening.lane(source(peer.port), settings=WITH_PRIORS))
    (asked,) = listening.asked()
    assert (asked.purpose, asked.state, asked.found, asked.moved) == ("priors", "done", 2, 2)
    assert {"1.2.3.51", "1.2.3.52"} <= listening.objects()
    assert [listening.exam(number).state for number in (1, 2, 3)] == ["open", "prior", "prior"]


@pytest.mark.peer
@pytest.mark.parametrize("peer", [orthanc_with, dcmqrscp_with])
def test_priors_come_from_a_real_archive(listening, tmp_path, peer):
    views = exam()
    ask(listening, listening.receive(*views))
    objects = [*views, *(prior(number, date) for number, date in enumerate(DATES, 50)), *exam("P2")]
    with peer(tmp_path, listening.port, objects) as port:
        assert retrieve_next(listening.lane(source(port), settings=WITH_PRIORS))
    (asked,) = listening.asked()
    assert (asked.state, asked.found, asked.moved) == ("done", 2, 2)
    assert listening.objects() == {*(str(ds.SOPInstanceUID) for ds in views), "1.2.3.51", "1.2.3.52"}
    assert [listening.exam(number).state for number in (1, 2, 3)] == ["open", "prior", "prior"]


def test_missing_views_are_asked_for_before_priors(node):
    first = node.receive(*exam()[:3])
    ask(node, first)
    node.ask(first)
    errand = retrievals.claim(node.db, source="archive", owner="o", now=node.clock.now, wait_seconds=300, max_tries=3)
    assert errand.purpose == retrievals.VIEWS


def test_priors_are_asked_for_once_at_once_and_never_waited_for(node):
    node.receive(*exam())

    def hold(open_exam, images, ends):
        return hold_for_views(
            open_exam, images, ends=ends, db=node.db, settings=WITH_PRIORS, exam_settings=EXAM, now=node.clock.now
        )

    for state in ("open", "due"):
        sweep_open_exams(node.db, EXAM, now=node.clock.now, hold=hold)
        assert node.exam().state == state
        node.clock.now += 5.0
    assert [(one.purpose, one.state) for one in node.asked()] == [("priors", "due")]
    retrieve_next(node.lane(source(free_port()), settings=WITH_PRIORS))
    assert node.asked()[0].attempts == 1
