"""`dcis-node retention`: what leaves, what stays and why; each deletion told to log, audit trail and `status`."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.errors import StorageError
from dcis_node.operate.audit.events import StudyRemoved
from dcis_node.operate.audit.journal import journals
from dcis_node.operate.lock import NameLock
from dcis_node.operate.retention import RetentionOrder, is_disk_short, plan_retention, run_retention
from storage.clock_doubt import Doubt, keep_seen
from storage.dismissal import dismiss_failures
from storage.maintenance import work_done
from storage.records import Records
from storage.schema import Exam, Instance, Patient
from storage.space import Space
from tests.indexes import KINDS, fresh_index
from tests.operate.retained import DAY, Node, retained_node
from tests.storage.exam_rows import set_exam
from tests.storage.test_cohort_holds import cohort


@pytest.fixture(params=KINDS)
def node(request, tmp_path: Path):
    days = {"images_days": 30.0, "results_days": 300.0, "rows_days": 600.0}
    with fresh_index(request, tmp_path, request.param) as url, retained_node(tmp_path, url, **days) as made:
        yield made


def run(node: Node, **options):
    told: list[StudyRemoved] = []
    order = RetentionOrder(tell=told.append, grace_seconds=-1.0, **options)
    return run_retention(node.configuration, node.db, node.files, order), told


def last_work(node: Node):
    with node.db.read() as session:
        return {work.name: work for work in work_done(session)}["retention"]


def images_here(node: Node, exam: int) -> int:
    return sum(node.files.exists(row.sha256) for row in node.instances(exam))


def clock_seen(node: Node, doubt: Doubt, *, days_ago: float = 0.0) -> None:
    """Keep what the node's clock process keeps every minute."""
    with node.db.write() as session:
        keep_seen(session, doubt, now=node.now() - days_ago * DAY)


def test_each_exam_loses_what_its_age_lets_go(node: Node, caplog):
    young, old, older = (node.answered(days_ago=days) for days in (1, 40, 400))
    caplog.set_level("INFO")
    done, told = run(node)
    assert done.ok
    assert (done.gone["images"].exams, done.gone["images"].files, done.gone["images"].size_bytes) == (2, 4, 400)
    assert [images_here(node, exam) for exam in (young, old, older)] == [2, 0, 0]
    assert done.staying == {"young": 1}
    assert [(event.what, event.exam, event.whole) for event in told] == [
        ("images", older, False),
        ("images", old, False),
    ]
    assert "event=left what=images exam=3 files=2 bytes=200" in caplog.text
    assert last_work(node).detail["gone"]["images"]["files"] == 4
    # What comes after the images leaves in the next run.
    done, told = run(node)
    assert [(event.what, event.exam, event.whole) for event in told] == [("results", older, True)]
    assert done.staying == {"young": 2}


def test_in_the_end_the_index_forgets_the_exam(node: Node):
    exam = node.answered(days_ago=700)
    told = [event.what for _ in range(3) for event in run(node)[1]]
    assert told == ["images", "results", "rows"]
    with node.db.read() as session:
        assert session.get(Exam, exam) is None
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
    assert list(node.files.digests()) == []


@pytest.mark.parametrize("answered", [True, False])
def test_what_failed_leaves_like_all_else_once_a_person_has_dismissed_it(node: Node, answered: bool):
    exam = node.answered(days_ago=700) if answered else node.received(days_ago=700)
    with node.db.write() as session:
        row = session.get_one(Exam, exam)
        row.state, row.failure = ("reported" if answered else "failed"), "why"
        session.execute(update(Instance).where(Instance.analysis == "pending").values(analysis="failed"))
    assert run(node)[0].staying == {"failed": 1}
    assert dismiss_failures(node.db, [exam], now=node.now()) == 1
    assert run(node)[0].staying == {"young": 1}
    set_exam(node.db, exam, dismissed_at=node.now() - 650 * DAY)
    told = [event.what for _ in range(3) for event in run(node)[1]]
    assert told == (["images", "results", "rows"] if answered else ["images", "rows"])
    assert list(node.files.digests()) == []
    assert {name.rpartition(".")[2] for name in Records(node.files).names()} == {"retired"}


@pytest.mark.parametrize(
    ("state", "proof", "reason"),
    [("due", "auto", "unsent"), ("dead", "auto", "dead"), ("sent", "auto", "unproven"), ("sent", "none", None)],
)
def test_nothing_leaves_before_it_is_proven_where_a_proof_is_wanted(node: Node, state: str, proof: str, reason):
    node.destination["proof"] = proof
    exam = node.answered(days_ago=4000, state=state)
    done, _ = run(node)
    assert done.staying == ({} if reason is None else {reason: 1})
    assert images_here(node, exam) == (0 if reason is None else 2)


def test_on_a_nearly_full_disk_as_much_leaves_as_is_wanted_the_oldest_first(node: Node):
    node.settings["free_bytes"] = 1000
    exams = [node.answered(days_ago=days) for days in (0.5, 3, 9, 6)]
    space = Space(700)
    assert is_disk_short(node.configuration, space=lambda _: space)
    done, _ = run(node, space=lambda _: space)
    assert [images_here(node, exam) for exam in exams] == [2, 2, 0, 0]
    assert (done.early, done.short_bytes) == (2, 300)
    assert not is_disk_short(node.configuration, space=lambda _: Space(1000))


def test_a_disk_that_cannot_be_asked_is_no_reason_to_remove_more(node: Node):
    def fail(_):
        raise OSError

    exam = node.answered(days_ago=3)
    assert run(node, space=fail)[0].ok
    assert images_here(node, exam) == 2


def test_what_a_cohort_names_stays(node: Node, tmp_path: Path):
    exam = node.answered(days_ago=40)
    node.settings["cohorts"] = [str(cohort(tmp_path / "cohort", node.instances(exam)[0].sha256))]
    done, _ = run(node)
    assert (done.held, images_here(node, exam)) == (1, 1)
    assert run(node)[0].staying == {"cohort": 1}


def test_a_cohort_that_cannot_be_read_stops_the_removal_of_every_image_loudly(node: Node, tmp_path: Path, caplog):
    exam = node.answered(days_ago=4000)
    node.settings["cohorts"] = [str(tmp_path / "nowhere")]
    done, told = run(node)
    assert (done.ok, told, images_here(node, exam)) == (False, [], 2)
    assert done.staying == {"cohort": 1}
    assert "nowhere" in last_work(node).detail["fault"]
    assert not last_work(node).ok
    assert "event=retention ok=False" in caplog.text


def test_a_run_that_is_told_to_leave_finishes_its_exam(node: Node):
    exams = [node.answered(days_ago=days) for days in (50, 40)]
    turns = iter([False, True])
    done, _ = run(node, should_stop=lambda: next(turns, True))
    assert done.stopped
    assert [images_here(node, exam) for exam in exams] == [0, 2]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StorageError("the index was busy")])
def test_a_run_that_fails_is_kept_as_one_that_failed(node: Node, monkeypatch, error):
    def fail(*_):
        raise error

    node.answered(days_ago=40)
    monkeypatch.setattr("dcis_node.operate.retention.lose_images", fail)
    with pytest.raises(type(error)):
        run(node)
    assert not last_work(node).ok
    assert ("No space" in last_work(node).detail["fault"]) == isinstance(error, OSError)


def test_what_may_not_leave_any_more_when_its_turn_comes_is_not_told(node: Node, monkeypatch):
    node.answered(days_ago=40)
    monkeypatch.setattr("dcis_node.operate.retention.lose_images", lambda *_: None)
    done, told = run(node)
    assert (done.gone["images"].exams, told) == (0, [])


class TestCommand:
    @pytest.fixture
    def config(self, node: Node, tmp_path: Path) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(
            f"[storage]\nfolder = '{tmp_path}'\nindex_url = '{node.db.url}'\n"
            "[retention]\nresults_days = 300.0\nrows_days = 600.0\n"
            f"cohorts = ['c']\nfree_bytes = {10**18}\n[[destinations]]\nname='pacs'\nhost='h'\nport=1\naet='A'\n"
        )
        cohort(tmp_path / "c", "0" * 64)
        clock_seen(node, Doubt())
        return path

    def called(self, config: Path, *arguments: str):
        return CliRunner().invoke(app, ["retention", "--config", str(config), *arguments])

    def test_a_dry_run_lists_what_would_go_and_why_the_rest_stays_and_changes_nothing(self, node: Node, config: Path):
        old, unsent, young = (
            node.answered(days_ago=40),
            node.answered(days_ago=40, state="due"),
            node.answered(days_ago=0),
        )
        result = self.called(config, "--dry-run", "--json")
        values = json.loads(result.stdout)
        assert (result.exit_code, values["ok"], values["dry_run"]) == (0, True, True)
        assert values["gone"]["images"] == {"exams": 1, "files": 2, "size_bytes": 200}
        assert values["staying"] == {"unsent": 1, "young": 1}
        assert [images_here(node, exam) for exam in (old, unsent, young)] == [2, 2, 2]
        assert plan_retention(node.configuration, node.db).gone["images"].files == 2
        shown = self.called(config, "--dry-run").stdout
        assert "images: 1 exams, 2 files, 0.0 MB would leave" in shown
        assert "stay, unsent: 1 exams" in shown
        assert "less is free than retention.free_bytes" in shown

    def test_the_run_itself_is_in_the_audit_trail_without_the_patient(self, node: Node, config: Path):
        node.answered(days_ago=40)
        result = self.called(config)
        assert (result.exit_code, "images: 1 exams, 2 files" in result.stdout) == (0, True)
        trail = b"".join(path.read_bytes() for path in journals(node.root / "audit"))
        assert b'csd-code="110103"' in trail
        assert b'ParticipantObjectID="exam-1"' in trail
        assert b"P1000" not in trail

    def test_an_unreadable_cohort_is_exit_code_1(self, node: Node, config: Path, tmp_path: Path):
        exam = node.answered(days_ago=40)
        shutil.rmtree(tmp_path / "c")
        assert self.called(config).exit_code == 1
        assert images_here(node, exam) == 2

    def test_nothing_leaves_by_hand_while_the_wall_clock_is_doubted_unless_a_person_trusts_it(
        self, node: Node, config: Path
    ):
        exam = node.answered(days_ago=40)
        clock_seen(node, Doubt(ahead_seconds=35 * DAY, ran_seconds=3600.0))
        refused = self.called(config)
        assert (refused.exit_code, images_here(node, exam)) == (1, 2)
        assert "ahead, or the node was off, by 35.0 days: nothing is removed for 23 h; --trust-clock" in refused.stderr
        shown = self.called(config, "--dry-run", "--json")
        assert (shown.exit_code, "35.0 days" in json.loads(shown.stdout)["postponed"]) == (0, True)
        assert (self.called(config, "--trust-clock").exit_code, images_here(node, exam)) == (0, 0)

    def test_a_node_that_nobody_has_looked_at_for_a_week_removes_nothing_by_hand(self, node: Node, config: Path):
        exam = node.answered(days_ago=40)
        clock_seen(node, Doubt(), days_ago=7)
        assert (self.called(config).exit_code, images_here(node, exam)) == (1, 2)

    def test_two_do_not_run_at_once(self, node: Node, config: Path):
        with NameLock(node.root, "retention-0"):
            assert isinstance(self.called(config).exception, StorageError)

    def test_held_images_are_counted(self, node: Node, config: Path, tmp_path: Path):
        exam = node.answered(days_ago=40)
        shutil.rmtree(tmp_path / "c")
        cohort(tmp_path / "c", *(row.sha256 for row in node.instances(exam)))
        assert "held by a training cohort: 2 images" in self.called(config, "--dry-run").stdout


def test_days_of_a_second_are_enough_for_a_test(node: Node):
    node.settings.update(images_days=2 / DAY, least_days=0.0)
    exam = node.answered(days_ago=3 / DAY)
    run(node)
    assert images_here(node, exam) == 0
