"""An index that is lost, and made again from the files: the same rows, and the same bytes under the same UIDs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from dcis_node.config import Configuration, NodeSettings
from dcis_node.errors import PixelError, ResultError
from dcis_node.mammogram.facts import Reason
from dcis_node.model.bundle import Bundle
from dcis_node.operate.upkeep import describe_file
from dcis_node.results.profiles import Destination, Profile
from storage.database import open_database, upgrade
from storage.rebuild import Rebuilt, rebuild_index
from storage.records import Records
from storage.reports import save_report
from storage.schema import Conflict, Exam, Instance, Outbox, Patient, Report, Result, Study, ViewAnalysis
from tests.analyse.nodes import FakeEnsemble, Node
from tests.analyse.objects import drawing, key_object, mammogram
from tests.analyse.sweeping import sweep_now

BROKEN = "1.2.3.31"


TABLES = (Patient, Study, Exam, Instance, Conflict, ViewAnalysis, Report, Result, Outbox)
# What the files do not tell; docs/operations.md says so.
NOT_TOLD = {
    Instance: {"association_id", "duplicates", "attempts", "next_try_at"},
    Conflict: {"calling_aet"},
    Outbox: {"state", "attempts", "next_try_at", "last_status", "last_error", "first_try_at", "sent_at"},
}
SETTINGS = Configuration(node=NodeSettings(aet="DCIS_NODE"))
describe = describe_file(SETTINGS)


def decode(path: Path, _settings: object, *, scratch: Path):
    """Decode in this process; one image has broken pixels."""
    ds = dcmread(path)
    if ds.SOPInstanceUID == BROKEN:
        raise PixelError(Reason.PIXELS_UNDECODABLE, "broken")
    return ds.pixel_array


@pytest.fixture(autouse=True)
def _decode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", decode)


def rows(node: Node) -> dict[str, list[dict[str, object]]]:
    """Give every row of every table, without what the files do not tell."""
    return {
        table.__tablename__: [
            {c.name: getattr(row, c.name) for c in table.__table__.columns if c.name not in NOT_TOLD.get(table, ())}
            for row in node.rows(table)
        ]
        for table in TABLES
    }


def rebuild(node: Node, stamp: str = "old", **options) -> Rebuilt:
    """Make the index of a node again, and let the node go on with it."""
    node.db.close()
    rebuilt = rebuild_index(node.url, node.files, describe, stamp=stamp, **options)
    go_on(node)
    return rebuilt


def go_on(node: Node) -> None:
    node.db = open_database(node.url)
    node.put(db=node.db)


def lose(node: Node) -> None:
    """Take the index away, and start with an empty one."""
    node.db.close()
    Path(node.url.removeprefix("sqlite:///")).unlink()
    upgrade(node.url)
    go_on(node)


def one_by_one(node: Node, *objects: Dataset | bytes) -> None:
    for thing in objects:
        node.clock.now += 1
        node.receive(thing)


def answer(node: Node, *objects: Dataset | bytes) -> None:
    one_by_one(node, *objects)
    node.clock.now += 1
    node.work()
    node.sweep()
    node.work()


def came_back(node: Node, kind: str) -> bytes:
    """Give a result as the PACS sends it back: the same object in a file of its own."""
    (first,) = [result for result in node.results if result.kind == kind][:1]
    data = node.files.read(first.sha256)
    return data + b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0"


def let_time_pass(node: Node) -> None:
    """Let time pass with every look at the clock, as it does: what happened first has the earlier moment."""

    def clock() -> float:
        node.clock.now += 0.001
        return node.clock.now

    node.put(clock=clock)


@pytest.fixture(autouse=True)
def _ticking(node: Node) -> None:
    let_time_pass(node)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> tuple[Path, float]:
    """The folder of a node with a history, and what its clock shows.

    Answers in several versions, marks, failures, conflicts, own results that came back.
    """
    folder = tmp_path_factory.mktemp("history")
    node = Node(folder, bundle)
    let_time_pass(node)
    first = mammogram(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcis_node.analyse.view.decode_pixels", decode)
        answer(node, first, mammogram(2, "R MLO"))
        answer(node, mammogram(3, "L CC"), mammogram(4, "L MLO"), drawing(20, first))
        one_by_one(node, mammogram(1, SeriesDescription="other bytes"), came_back(node, "readable_report"))
        answer(node, mammogram(30, patient="P2"), mammogram(31, "L CC", patient="P2"), key_object(32))
        answer(node, mammogram(40, patient="P3", PresentationIntentType="FOR PROCESSING"))
    node.db.close()
    return folder, node.clock.now


@pytest.fixture
def lived(history: tuple[Path, float], tmp_path: Path, bundle: Bundle) -> Iterator[Node]:
    """That node, to be done with as one likes."""
    folder = tmp_path / "lived"
    shutil.copytree(history[0], folder)
    node = Node(folder, bundle)
    node.clock.now = history[1]
    let_time_pass(node)
    yield node
    node.db.close()


def sent(node: Node) -> dict[str, str]:
    return {result.sop_instance_uid: result.sha256 for result in node.results}


def test_every_row_comes_back(lived: Node):
    before = rows(lived)
    rebuilt = rebuild(lived)
    assert rebuilt.ok
    assert rows(lived) == before
    assert len(before["report"]) >= 4
    assert before["conflict"]
    assert before["view_analysis"]
    assert {row["reason"] for row in before["instance"]} > {"own_result", "eligible"}
    assert {row["analysis"] for row in before["instance"]} == {"analysed", "failed", "not_applicable"}


def test_a_second_time_gives_the_same(lived: Node):
    rebuild(lived)
    before = {**rows(lived), "outbox": [vars(row) for row in ()]}
    parcels = [(p.result_id, p.destination, p.state, p.next_try_at, p.last_error) for p in lived.parcels]
    rebuild(lived, "older")
    assert {**rows(lived), "outbox": []} == before
    assert [(p.result_id, p.destination, p.state, p.next_try_at, p.last_error) for p in lived.parcels] == parcels


def test_the_comparison_can_fail(lived: Node):
    before = rows(lived)
    record = next(name for name in Records(lived.files).names() if name.endswith("report"))
    Records(lived.files).path(record).unlink()
    rebuild(lived)
    assert rows(lived) != before


def test_only_the_last_answer_of_an_exam_is_sent_again(lived: Node):
    rebuild(lived)
    newest = {report.exam_id: report.id for report in lived.reports}
    report_of = {result.id: result.report_id for result in lived.results}
    states = {(report_of[p.result_id] in newest.values(), p.state) for p in lived.parcels}
    assert states == {(True, "due"), (False, "sent")}


def test_all_can_be_taken_as_delivered(lived: Node):
    rebuilt = rebuild(lived, delivered=True)
    assert rebuilt.assumed_delivered > 0
    assert {parcel.state for parcel in lived.parcels} == {"sent"}


def test_the_old_index_is_kept_beside_the_new_one(lived: Node, tmp_path: Path):
    tmp_path /= "lived"
    old = (tmp_path / "index.sqlite").read_bytes()
    rebuilt = rebuild(lived)
    assert rebuilt.aside == tmp_path / "index.sqlite.old"
    assert rebuilt.aside.read_bytes() == old
    names = {path.name for path in tmp_path.iterdir() if path.stat().st_size}
    assert names == {"index.sqlite", "index.sqlite.old", "store"}


def test_a_damaged_index_is_no_hindrance(lived: Node, tmp_path: Path):
    tmp_path /= "lived"
    before = rows(lived)
    lived.db.close()
    (tmp_path / "index.sqlite").write_bytes(b"no database at all" * 1000)
    rebuild(lived)
    assert rows(lived) == before
    assert (tmp_path / "index.sqlite.old").read_bytes().startswith(b"no database")


@pytest.mark.parametrize("made_again", [True, False], ids=["made again", "empty"])
def test_an_index_lost_in_the_middle_of_an_exam_costs_no_uid_other_bytes(node: Node, made_again: bool):
    first = (mammogram(1), mammogram(2, "R MLO"))
    answer(node, *first)
    before = sent(node)
    one_by_one(node, mammogram(3, "L CC"), mammogram(4, "L MLO"))
    node.work()
    calls = len(node.ensemble.calls)
    if made_again:
        rebuild(node)
    else:
        # Nobody made it again, and the sender sends all of it once more.
        lose(node)
        answer(node, *first)
        assert sent(node) == before
        one_by_one(node, mammogram(3, "L CC"), mammogram(4, "L MLO"))
    node.work()
    node.sweep()
    node.work()
    assert [report.version for report in node.reports] == [1, 2]
    assert before.items() < sent(node).items()
    # What was analysed before is not analysed again.
    assert len(node.ensemble.calls) == calls


def test_an_answer_that_was_made_and_not_saved_is_saved_with_its_bytes(node: Node, monkeypatch: pytest.MonkeyPatch):
    """Killed between the record and the transaction: the next try finds the record."""
    monkeypatch.setattr("dcis_node.analyse.decide_exam.save_report", _killed)
    with pytest.raises(_KilledError):
        answer(node, mammogram(1), mammogram(2, "R MLO"))
    assert node.reports == []
    (record,) = [r for r in map(Records(node.files).read, Records(node.files).names()) if hasattr(r, "results")]
    monkeypatch.setattr("dcis_node.analyse.decide_exam.save_report", save_report)
    node.clock.now += 3600
    node.work()
    assert sent(node) == {result.sop_instance_uid: result.sha256 for result in record.results}
    assert node.reports[0].made_at == record.made_at


class _KilledError(BaseException):
    """Passes every `except Exception`, as a kill does."""


def _killed(*_, **__):
    raise _KilledError


def test_of_two_answers_of_one_version_the_one_made_last_was_saved(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dcis_node.analyse.decide_exam.save_report", _killed)
    with pytest.raises(_KilledError):
        answer(node, mammogram(1), mammogram(2, "R MLO"))
    monkeypatch.setattr("dcis_node.analyse.decide_exam.save_report", save_report)
    answer(node, mammogram(3, "L CC"))
    before = rows(node)
    assert [len(report.views) for report in node.reports] == [3]
    rebuilt = rebuild(node)
    assert rows(node) == before
    assert rebuilt.tally.overtaken == 1


def test_a_failed_answer_comes_back_as_one(node: Node):
    def refuse(*_):
        raise ResultError("refused")

    build = node.bench.build
    node.put(build=lambda answer, kinds: refuse() if any(i.prediction for i in answer.images) else build(answer, kinds))
    one_by_one(node, mammogram(1), mammogram(2, "R MLO"))
    node.work()
    node.sweep()
    for _ in range(4):
        node.work()
        node.clock.now += 60
    before = rows(node)
    assert before["exam"][0]["failure"]
    rebuild(node)
    assert rows(node) == before


def test_a_destination_of_now_gets_what_the_record_has(node: Node):
    answer(node, mammogram(1), mammogram(2, "R MLO"))
    before = sent(node)
    lose(node)
    node.put(destinations=(Destination("other", Profile.OHIF),))
    answer(node, mammogram(1), mammogram(2, "R MLO"))
    assert sent(node) == before
    assert {parcel.destination for parcel in node.parcels} == {"other"}


def test_a_lost_object_of_an_answer_is_never_made_again(node: Node):
    """The record tells that these inputs were answered: without its bytes the exam is answered without analysis."""
    answer(node, mammogram(1), mammogram(2, "R MLO"))
    node.files.path(node.results[0].sha256).unlink()
    before = sent(node)
    lose(node)
    one_by_one(node, mammogram(1), mammogram(2, "R MLO"))
    node.work()
    node.sweep()
    for _ in range(4):
        node.work()
        node.clock.now += 60
    assert not before.keys() & sent(node).keys()
    assert set(node.reasons().values()) == {"analysis_failed"}
    assert "record" in node.exams[0].failure or "StorageError" in node.exams[0].failure


def test_two_nodes_that_decide_at_once_have_one_set_of_bytes(node: Node, bundle: Bundle, tmp_path: Path):
    other = Node(tmp_path / "other", bundle, FakeEnsemble(bundle))
    other.files = node.files
    other.put(files=node.files)
    other.clock.now += 77.0
    answer(node, mammogram(1), mammogram(2, "R MLO"))
    answer(other, mammogram(1), mammogram(2, "R MLO"))
    assert sent(other) == sent(node)
    other.db.close()


def test_an_analysis_whose_outline_is_gone_is_made_again(node: Node):
    answer(node, mammogram(1))
    analysis = node.rows(ViewAnalysis)[0]
    node.files.path(analysis.mask_sha256).unlink()
    calls = len(node.ensemble.calls)
    lose(node)
    one_by_one(node, mammogram(1))
    node.work()
    assert len(node.ensemble.calls) == calls + 1
    assert node.files.exists(analysis.mask_sha256)


def test_what_an_older_program_left_without_record_gets_one(lived: Node):
    before = rows(lived)
    shutil.rmtree(Records(lived.files).root)
    swept = sweep_now(lived, describe)
    assert swept.records_written == len(before["report"]) + len(before["view_analysis"])
    assert rows(lived) == before
    rebuild(lived)
    again = rows(lived)
    for table in ("patient", "study", "exam", "instance", "conflict", "view_analysis", "report", "result", "outbox"):
        assert again[table] == before[table], table
    assert sweep_now(lived, describe).records_written == 0


def test_files_that_a_restored_index_does_not_know_come_back(lived: Node, tmp_path: Path):
    tmp_path /= "lived"
    shutil.copy(tmp_path / "index.sqlite", tmp_path / "backup.sqlite")
    answer(lived, mammogram(50, patient="P5"), mammogram(51, "R MLO", patient="P5"))
    answer(lived, mammogram(52, "L CC", patient="P5"))
    before = rows(lived)
    lived.db.close()
    shutil.copy(tmp_path / "backup.sqlite", tmp_path / "index.sqlite")
    go_on(lived)
    assert rows(lived) != before
    swept = sweep_now(lived, describe)
    assert swept.adopted >= 3 + 3 + 2
    assert rows(lived) == before
    assert sweep_now(lived, describe).adopted == 0
