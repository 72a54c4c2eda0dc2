"""The jobs of the clock: which there are, and that nothing is removed by a clock that was just set ahead."""

from dataclasses import dataclass, field

import pytest

from benchmarks.filled_index import FACTS
from dcis_node.deliver.lane import lease_of
from dcis_node.operate.clock import Job
from dcis_node.operate.clock_jobs import clock_jobs, follow_step
from dcis_node.operate.clock_trust import Trust
from dcis_node.operate.nightly import maintenance_status
from dcis_node.operate.retention import Gone, Retained
from storage.clock_doubt import keep_seen, last_seen
from storage.maintenance import work_done
from storage.retention_facts import kept_exam
from storage.retrievals import PRIORS, VIEWS
from storage.schema import Commitment, Exam, Instance, Outbox, Retrieval
from storage.space import Space
from tests.operate.retained import Node, retained_node


@pytest.fixture
def node(tmp_path):
    with retained_node(tmp_path) as made:
        yield made


@dataclass
class Running:
    """What the jobs need of a process."""

    node: Node
    stopped: bool = False
    stop: "Running" = field(init=False)

    def __post_init__(self):
        self.stop = self
        self.db, self.files = self.node.db, self.node.files

    def is_set(self):
        return self.stopped


def jobs_of(node, trust=None):
    trust = Trust(node.db) if trust is None else trust
    made = clock_jobs(node.configuration, Running(node), tell=lambda _: None, trust=trust)
    return {job.name: job for job in made}


def test_each_job_has_its_own_alarm(node):
    jobs = jobs_of(node)
    assert list(jobs) == [
        "completeness",
        "commitment_timeouts",
        "retrieval_timeouts",
        "wall_clock",
        "disk",
        "retention_when_short",
        "night",
    ]
    assert [part.name for part in jobs["night"].parts] == ["sweep", "backup", "retention", "volumes"]
    assert all(job.every_seconds >= 1 for job in jobs.values() if isinstance(job, Job))


def test_an_exam_becomes_due_by_the_completeness_job(node):
    exam = node.answered(days_ago=1)
    with node.db.write() as session:
        session.get_one(Exam, exam).state = "open"
        for instance in session.query(Instance):
            instance.facts = FACTS
    jobs_of(node)["completeness"].work()
    assert node.exam(exam).state == "due"


def test_a_request_for_commitment_expires_though_nobody_proves_deliveries_there_any_more(node, caplog):
    exam = node.answered(days_ago=1)
    with node.db.write() as session:
        session.add(Commitment(transaction_uid="2.25.1", destination="gone", asked_at=1.0, due_at=2.0, state="asked"))
    jobs_of(node)["commitment_timeouts"].work()
    with node.db.read() as session:
        assert session.query(Commitment).one().state == "expired"
    assert "event=commitment_expired requests=1" in caplog.text
    assert node.exam(exam).state == "reported"


@pytest.mark.parametrize("purpose", [VIEWS, PRIORS])
def test_a_question_of_a_source_that_left_the_settings_pins_no_exam(node, caplog, purpose):
    exam = node.answered(days_ago=1)
    assert not node.configuration.retrieve.sources
    with node.db.write() as session:
        for name, state, seconds_ago in (("left", "due", 600.0), ("lost", "leased", 600.0), ("asked", "leased", 60.0)):
            session.add(Retrieval(
                exam_id=exam, source=name, purpose=purpose, state=state, asked_at=node.now() - seconds_ago
            ))  # fmt: skip
    assert is_at_work(node, exam)
    jobs_of(node)["retrieval_timeouts"].work()
    assert "event=retrieval_expired questions=2" in caplog.text
    with node.db.write() as session:
        states = {row.source: row.state for row in session.query(Retrieval)}
        assert states == {"left": "failed", "lost": "failed", "asked": "leased"}
        session.query(Retrieval).filter_by(source="asked").update({"asked_at": node.now() - 600.0})
    jobs_of(node)["retrieval_timeouts"].work()
    assert not is_at_work(node, exam)


def is_at_work(node, exam):
    with node.db.read() as session:
        return kept_exam(session, exam).at_work


def test_an_exam_that_waited_for_views_is_decided_once_retrieval_is_switched_off(node):
    exam = node.answered(days_ago=1)
    with node.db.write() as session:
        session.get_one(Exam, exam).state = "open"
        for instance in session.query(Instance):
            instance.facts = FACTS
        session.add(Retrieval(exam_id=exam, source="left", purpose=VIEWS, state="due", asked_at=node.now() - 600.0))
    jobs = jobs_of(node)
    jobs["completeness"].work()
    jobs["retrieval_timeouts"].work()
    assert node.exam(exam).state == "due"
    with node.db.read() as session:
        assert session.query(Retrieval).one().state == "failed"


def test_each_minute_the_index_learns_what_the_clock_says(node):
    jobs = jobs_of(node)
    with node.db.write() as session:
        _, doubt = last_seen(session)
        keep_seen(session, doubt, now=1.0)
    jobs["wall_clock"].work()
    with node.db.read() as session:
        seen_at, _ = last_seen(session)
    assert node.now() - 60.0 < seen_at <= node.now()


def ring(monkeypatch, node, trust=None, *, free):
    ran = []

    def run(*_, **__):
        ran.append(1)
        return Retained(gone={"images": Gone(1, 4, 100)})

    monkeypatch.setattr("dcis_node.operate.clock_jobs.run_retention", run)
    monkeypatch.setattr("dcis_node.operate.clock_jobs.is_disk_short", lambda _: free < 1)
    jobs_of(node, trust)["retention_when_short"].work()
    return len(ran)


def test_between_the_nights_images_leave_only_if_the_disk_is_nearly_full(node, monkeypatch):
    assert ring(monkeypatch, node, free=Space(1).free_bytes) == 0
    assert ring(monkeypatch, node, free=0) == 1


def test_a_clock_that_is_not_believed_removes_nothing_and_status_says_why(node, monkeypatch, caplog):
    node.answered(days_ago=0.1)
    with node.db.write() as session:
        _, doubt = last_seen(session)
        keep_seen(session, doubt, now=node.now() - 40 * 86400.0)
    assert ring(monkeypatch, node, free=0) == 0
    assert "event=retention_postponed" in caplog.text
    with node.db.read() as session:
        works = maintenance_status(node.configuration, work_done(session), (), now=node.now())
    (told,) = (work for work in works if work["work"] == "retention")
    assert (told["ok"], told["overdue"]) == (True, False)
    assert "40.0 days: nothing is removed for 24 h" in told["detail"]["postponed"]
    # Another clock process, as after a reload, believes it no more than this one.
    assert ring(monkeypatch, node, free=0) == 0


def test_a_step_just_before_a_removal_is_seen(node, monkeypatch):
    ahead = [0.0]
    trust = Trust(node.db, wall=lambda: node.now() + ahead[0])
    ahead[0] = 40 * 86400.0
    assert ring(monkeypatch, node, trust, free=0) == 0


def test_no_night_removes_anything_while_the_clock_is_not_believed(node):
    node.settings["images_days"] = 30.0
    exam = node.answered(days_ago=40)
    night = jobs_of(node)["night"]
    for _ in range(2):
        for part in night.parts:
            part.work()
    assert all(row.removed_at is None for row in node.instances(exam))


def test_moments_that_a_wrong_clock_has_set_are_brought_back(node):
    exam = node.answered(days_ago=-3)
    with node.db.write() as session:
        session.get_one(Exam, exam).state = "open"
    follow_step(node.configuration, Running(node))
    assert node.exam(exam).last_image_at <= node.now() + 60


@pytest.mark.parametrize(("proof", "asked"), [("auto", True), ("none", False)])
def test_a_proof_that_was_given_up_by_a_wrong_clock_is_asked_for_again(node, proof, asked):
    node.destination["proof"] = proof
    node.answered(days_ago=1, state="sent")
    follow_step(node.configuration, Running(node))
    with node.db.read() as session:
        assert {row.proof_due_at is not None for row in session.query(Outbox)} == {asked}


def test_a_lease_of_a_slow_destination_is_not_taken_for_one_of_a_wrong_clock(node):
    node.answered(days_ago=1)
    (slow,) = (one.model_copy(update={"timeout_seconds": 3600.0}) for one in node.configuration.destinations[:1])
    configuration = node.configuration.model_copy(update={"destinations": (slow,)})
    until = node.now() + lease_of(configuration.deliver, slow.timeout_seconds)
    with node.db.write() as session:
        for row in session.query(Outbox):
            row.state, row.lease_owner, row.lease_until = "leased", "deliver-0@h", until
    follow_step(configuration, Running(node))
    with node.db.read() as session:
        assert {row.lease_until for row in session.query(Outbox)} == {until}
