"""Files leave so that a kill at any line, a resend at any moment, and a lost or restored index lose nothing."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage import leaving
from storage.backup import BackupOrder, Scope, make_backup
from storage.database import open_database
from storage.files import FileStore
from storage.forgetting import forget_exam
from storage.index import ReceivedInstance, record_instance
from storage.leaving import Door, lose_images, lose_results, unlink
from storage.rebuild import is_index_lost, rebuild_index
from storage.records import Records
from storage.restore import restore_backup
from storage.schema import Conflict, Exam, Instance, Outbox, Report, Result, ViewAnalysis
from storage.sweep import Broom, Swept, sweep
from tests.indexes import KINDS, SQLITE, fresh_index
from tests.operate.retained import DAY, Node, header_of, retained_node
from tests.storage.exam_rows import received_values, set_exam, set_instance
from tests.storage.older import read_rows
from tests.storage.small_node import die, ended

HOUR = 3600.0


@pytest.fixture(params=KINDS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    with fresh_index(request, tmp_path, request.param) as url, retained_node(tmp_path, url) as made:
        yield made


def door(node: Node, **options) -> Door:
    return Door(node.db, node.files, header_of, **{"now": node.now(), "grace_seconds": -HOUR, **options})


def yes(_) -> bool:
    return True


def swept(node: Node) -> Swept:
    return sweep(Broom(node.db, node.files, node.describe, now=time.time() + 3 * HOUR))


def here(node: Node) -> set[str]:
    return set(node.files.digests())


def images(node: Node, exam: int) -> set[str]:
    return {row.sha256 for row in node.instances(exam)}


def records(node: Node) -> list[str]:
    return sorted(name.rpartition(".")[2] for name in Records(node.files).names())


def count(node: Node, table: type) -> int:
    with node.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def resend(node: Node, number: int) -> str:
    """Receive the same bytes again as reception does."""
    row = next(row for row in node.instances(1) if row.sop_instance_uid == f"1.2.3.{number}")
    sha256 = node.files.put(f"image {number} ".encode().ljust(100, b"x"))
    assert sha256 == row.sha256
    values = received_values(number, patient=node.patients[number], sha256=sha256)
    with node.db.write() as session:
        return record_instance(session, ReceivedInstance(**values), now=node.now()).outcome


class TestImages:
    def test_they_leave_and_their_rows_analyses_and_results_stay(self, node: Node):
        exam, other = node.answered(days_ago=40), node.answered(days_ago=40)
        left = lose_images(door(node), exam, yes)
        assert left is not None
        assert (left.files, left.size_bytes, left.whole) == (2, 200, False)
        assert [(study, classes) for study, classes in left.studies] == [
            ("1.2.1000", (("1.2.840.10008.5.1.4.1.1.1.2", 2),))
        ]
        assert not here(node) & images(node, exam)
        assert images(node, other) <= here(node)
        assert all(row.removed_at for row in node.instances(exam))
        assert (count(node, ViewAnalysis), count(node, Result)) == (4, 2)
        done = swept(node)
        assert (done.ok, done.left, done.adopted, done.kept) == (True, 0, 0, 0)

    def test_those_of_a_training_cohort_stay(self, node: Node):
        exam = node.answered(days_ago=40)
        held = images(node, exam) & {node.instances(exam)[0].sha256}
        left = lose_images(door(node, held=frozenset(held)), exam, yes)
        assert left is not None
        assert (left.files, images(node, exam) & here(node)) == (1, held)

    def test_what_may_not_leave_any_more_stays(self, node: Node):
        exam = node.answered(days_ago=40)
        assert lose_images(door(node), exam, lambda _: False) is None
        assert lose_results(door(node), exam, lambda _: False) is None
        assert images(node, exam) <= here(node)
        assert swept(node).ok

    def test_an_exam_that_is_gone_is_no_fault(self, node: Node):
        assert lose_images(door(node), 99, yes) is None
        assert lose_results(door(node), 99, yes) is None
        assert forget_exam(door(node), 99, yes) is None

    def test_other_bytes_under_their_uids_leave_with_them(self, node: Node):
        exam = node.answered(days_ago=40)
        other = node.files.put(b"image 1 other bytes")
        with node.db.write() as session:
            values = received_values(1, patient="P1000", sha256=other)
            assert record_instance(session, ReceivedInstance(**values), now=node.now()).outcome == "conflict"
        left = lose_images(door(node), exam, yes)
        assert left is not None
        assert (left.files, node.files.exists(other), count(node, Conflict)) == (3, False, 0)
        assert swept(node).ok

    def test_one_that_cannot_be_read_any_more_leaves_without_its_header(self, node: Node):
        exam = node.answered(days_ago=40)
        gone = node.instances(exam)[0].sha256
        node.files.path(gone).unlink()
        assert lose_images(door(node), exam, yes) is not None
        removal = Records(node.files).removal(gone)
        assert removal is not None
        assert removal.header == ""

    def test_one_that_comes_again_is_known_kept_and_leaves_again(self, node: Node):
        exam = node.answered(days_ago=40)
        lose_images(door(node), exam, yes)
        assert resend(node, 1) == "duplicate"
        back = node.instances(exam)[0]
        assert (back.removed_at, back.analysis, node.exam(exam).state) == (None, "analysed", "reported")
        assert node.files.exists(back.sha256)
        assert swept(node).ok
        left = lose_images(door(node), exam, yes)
        assert left is not None
        assert left.files == 1

    def test_bytes_that_come_at_that_very_moment_are_not_unlinked_once_their_row_stands(self, node: Node, monkeypatch):
        exam = node.answered(days_ago=40)

        def comes_first(db, files, digests):
            resend(node, 1)
            return unlink(db, files, digests)

        monkeypatch.setattr(leaving, "unlink", comes_first)
        lose_images(door(node), exam, yes)
        assert [node.files.exists(row.sha256) for row in node.instances(exam)] == [True, False]
        assert swept(node).ok


class TestResults:
    @pytest.fixture
    def exam(self, node: Node) -> int:
        exam = node.answered(days_ago=400)
        node.reported(exam, at=node.now() - 300 * DAY, version=2)
        lose_images(door(node), exam, yes)
        return exam

    def test_all_that_is_left_leaves_but_the_rows(self, node: Node, exam: int):
        left = lose_results(door(node), exam, yes)
        assert left is not None
        assert (left.files, left.whole) == (4, True)
        assert [study for study, _ in left.studies] == [f"1.2.{exam}"]
        assert here(node) == set()
        assert records(node) == ["retired", "retired"]
        assert (count(node, Report), count(node, Result), count(node, ViewAnalysis)) == (2, 2, 0)
        done = swept(node)
        assert (done.ok, done.left, done.records_written) == (True, 0, 0)

    def test_an_outline_that_another_analysis_shares_stays(self, node: Node, exam: int):
        other = node.answered(days_ago=1)
        with node.db.write() as session:
            shared = session.scalars(select(ViewAnalysis.mask_sha256).order_by(ViewAnalysis.id)).first()
            session.scalars(select(ViewAnalysis).order_by(ViewAnalysis.id.desc())).first().mask_sha256 = shared
        lose_results(door(node), exam, yes)
        assert node.files.exists(str(shared))
        assert images(node, other) <= here(node)

    def test_an_outline_that_a_worker_may_be_about_to_name_is_left_to_the_sweep(self, node: Node, exam: int):
        left = lose_results(door(node, grace_seconds=2 * HOUR), exam, yes)
        assert left is not None
        assert (left.files, len(here(node))) == (2, 2)
        done = swept(node)
        assert (done.ok, done.removed, here(node)) == (True, 2, set())

    @pytest.mark.parametrize("step", [lose_images, lose_results])
    def test_a_late_view_that_comes_at_that_very_moment_keeps_all(self, node: Node, step):
        """The rule is asked once more under the lock."""
        exam = node.answered(days_ago=400)
        answers = iter([True, False] if step is lose_results else [False])
        before = here(node)
        assert step(door(node), exam, lambda _: next(answers)) is None
        assert here(node) == before
        assert (swept(node).ok, here(node)) == (True, before)

    @pytest.mark.parametrize("node", [SQLITE], indirect=True)  # only that is made again, or backed up, by us
    def test_a_backup_has_nothing_to_miss(self, node: Node, exam: int, tmp_path: Path):
        lose_results(door(node), exam, yes)
        made = make_backup(BackupOrder(node.index, node.files, tmp_path / "b", node.now(), kept=3, scope=Scope.ALL))
        assert made.ok


KILLED_AT = (
    ("storage.records.Records.replace", 0), ("storage.records.Records.replace", 1), ("storage.leaving.unlink", 0),
    ("pathlib.Path.unlink", 2), ("pathlib.Path.unlink", 3), ("pathlib.Path.unlink", 4), ("pathlib.Path.unlink", 6),
    ("storage.records.Records.remove", 0), ("storage.records.Records.remove", 3),
    ("storage.files.FileStore.remove", 0), ("storage.files.FileStore.remove", 1),
)  # fmt: skip


def killed(node: Node, step, exam: int, where: str, after: int) -> None:
    """Do a step in a process of its own, which dies in the call after so many of a function."""

    def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            module, _, name = where.rpartition(".")
            owner = pytest.importorskip(module) if module.count(".") == 1 and module.startswith("storage") else None
            owner = owner or _class_of(module)
            true, calls = getattr(owner, name), iter(range(after))

            def counted(*args, **kwargs):
                return true(*args, **kwargs) if next(calls, None) is not None else die()

            patch.setattr(owner, name, counted)
            own = replace(node, db=open_database(node.configuration.index_url), files=FileStore(node.root / "store"))
            step(door(own), exam, yes)

    ended(work)


@pytest.fixture
def bare(node: Node) -> int:
    """Give an exam of images alone, as a prior is, of which nothing but rows and headers is left."""
    node.received(days_ago=400, patient="P1")
    node.received(days_ago=400, patient="P1")
    set_exam(node.db, 1, state="prior")
    for number in (1, 2):
        set_instance(node.db, number, analysis="prior")
    lose_images(door(node), 1, yes)
    return 1


@pytest.mark.parametrize("node", [SQLITE], indirect=True)  # only that is made again, or backed up, by us
def test_of_images_alone_no_header_stays_that_would_come_to_life_again(node: Node, bare: int):
    assert records(node) == ["removed", "removed"]
    assert forget_exam(door(node), bare, lambda _: False) is None
    assert records(node) == ["removed", "removed"]
    assert forget_exam(door(node), bare, yes) is not None
    assert records(node) == ["retired", "retired"]
    node.db.close()
    node.index.unlink()
    made = rebuild_index(node.configuration.index_url, node.files, node.describe, stamp="old", delivered=True)
    node.db = open_database(node.configuration.index_url)
    assert (made.ok, count(node, Exam), count(node, Instance)) == (True, 0, 0)
    assert swept(node).kept == 0


def test_an_exam_that_a_late_view_holds_at_that_very_moment_is_not_forgotten(node: Node, bare: int):
    answers = iter([True, False])
    assert forget_exam(door(node), bare, lambda _: next(answers)) is None
    assert (count(node, Exam), count(node, Instance)) == (1, 2)
    assert "removed" in records(node)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("where", "after"),
    [
        ("storage.records.Records.replace", 0), ("storage.records.Records.replace", 1),
        ("storage.records.Records.remove", 0), ("storage.records.Records.remove", 1),
    ],
)  # fmt: skip
def test_a_kill_while_an_exam_is_forgotten_is_ended_by_the_next_sweep_and_run(
    node: Node, bare: int, where: str, after: int
):
    killed(node, forget_exam, bare, where, after)
    assert (swept(node).ok, swept(node).adopted) == (True, 0)
    forget_exam(door(node), bare, yes)
    done = swept(node)
    assert (done.ok, done.adopted, done.left) == (True, 0, 0)
    assert (count(node, Exam), records(node)) == (0, ["retired", "retired"])


def _class_of(path: str):
    module, _, name = path.rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("where", "after"), KILLED_AT)
@pytest.mark.parametrize("step", [lose_images, lose_results], ids=["images", "results"])
def test_a_kill_at_any_line_leaves_what_the_next_sweep_and_run_end(node: Node, step, where: str, after: int):
    exam, other = node.answered(days_ago=400), node.answered(days_ago=1)
    if step is lose_results:
        lose_images(door(node), exam, yes)
    killed(node, step, exam, where, after)
    done = swept(node)
    assert (done.missing, done.damaged, done.set_aside, done.adopted) == ([], [], [], 0)
    assert swept(node).left == 0
    lose_images(door(node), exam, lambda exam: exam.images > 0)
    lose_results(door(node), exam, lambda exam: exam.others > 0)
    done = swept(node)
    assert (done.ok, done.adopted, done.left) == (True, 0, 0)
    kept = images(node, other)
    assert kept <= here(node)
    assert not images(node, exam) & here(node)
    with node.db.read() as session:
        parcels = session.scalars(select(Outbox.state)).all()
    assert set(parcels) == {"proven"}


@pytest.mark.parametrize("node", [SQLITE], indirect=True)  # only that is made again, or backed up, by us
class TestIndexAgain:
    def rebuilt(self, node: Node):
        before = read_rows(node.index)
        node.db.close()
        done = rebuild_index(node.configuration.index_url, node.files, node.describe, stamp="old", delivered=True)
        node.db = open_database(node.configuration.index_url)
        return before, done

    def test_images_that_have_left_have_their_rows_again(self, node: Node):
        exam = node.answered(days_ago=40)
        lose_images(door(node), exam, yes)
        before, done = self.rebuilt(node)
        after = read_rows(node.index)
        assert (done.ok, done.tally.unplaced) == (True, 0)
        for table in ("patient", "study", "view_analysis", "report", "result"):
            assert after[table] == before[table]
        assert all(row.removed_at for row in node.instances(exam))
        assert node.exam(exam).state == "reported"
        assert swept(node).ok

    def test_an_image_without_its_header_cannot_be_told_of_and_is_named(self, node: Node):
        exam = node.answered(days_ago=40, views=1)
        node.files.path(node.instances(exam)[0].sha256).unlink()
        lose_images(door(node), exam, yes)
        _, done = self.rebuilt(node)
        assert (done.ok, count(node, Instance)) == (False, 0)
        # The image itself, its analysis and its answer.
        assert done.tally.unplaced == 3

    def test_a_damaged_record_of_what_has_left_is_named(self, node: Node):
        exam = node.answered(days_ago=40)
        lose_images(door(node), exam, yes)
        gone = node.instances(exam)[0].sha256
        Records(node.files).path(f"{gone}.removed").write_bytes(b"rot")
        assert Records(node.files).removal(gone) is None
        _, done = self.rebuilt(node)
        assert done.tally.damaged_records == [f"{gone}.removed"]

    def test_what_has_left_wholly_is_not_there_and_is_no_fault(self, node: Node):
        exam = node.answered(days_ago=400)
        lose_images(door(node), exam, yes)
        lose_results(door(node), exam, yes)
        _, done = self.rebuilt(node)
        assert (done.ok, count(node, Exam), count(node, Outbox)) == (True, 0, 0)
        assert not is_index_lost(node.db, node.files)

    def test_an_older_index_learns_what_has_left_since(self, node: Node, tmp_path: Path):
        exam = node.answered(days_ago=400)
        order = BackupOrder(node.index, node.files, tmp_path / "backup", node.now(), kept=3, scope=Scope.OWN)
        backup = make_backup(order).path
        lose_images(door(node), exam, yes)
        lose_results(door(node), exam, yes)
        forget_exam(door(node), exam, yes)
        assert count(node, Instance) == 0
        node.db.close()
        restore_backup(backup, node.index, node.files, now=node.now())
        node.db = open_database(node.configuration.index_url)
        done = swept(node)
        assert (done.ok, done.left) == (True, 2)
        assert all(row.removed_at for row in node.instances(exam))
        with node.db.read() as session:
            assert session.scalars(select(Outbox.state)).all() == ["proven"]

    def test_what_a_backup_still_holds_of_a_forgotten_exam_does_not_come_to_life_again(
        self, node: Node, tmp_path: Path
    ):
        exam = node.answered(days_ago=400)
        folder = tmp_path / "backup"
        make_backup(BackupOrder(node.index, node.files, folder, node.now(), kept=3))
        lose_images(door(node), exam, yes)
        lose_results(door(node), exam, yes)
        forget_exam(door(node), exam, yes)
        backup = make_backup(BackupOrder(node.index, node.files, folder, node.now() + 60, kept=3)).path
        node.db.close()
        restore_backup(backup, node.index, node.files, now=node.now())
        node.db = open_database(node.configuration.index_url)
        done = swept(node)
        assert (done.ok, done.adopted, count(node, Exam), count(node, Outbox)) == (True, 0, 0, 0)
        assert records(node) == ["retired", "retired"]
