"""The watch over the disk: it tells when room gets scarce, and how much the store takes by sort."""

import json

import pytest

from dcis_node.operate.disk_watch import DiskWatch, count_all, keep_volumes, known_volumes
from dcis_node.operate.metrics import metrics_text
from dcis_node.operate.status import node_status
from storage.backup import BackupOrder, Scope, make_backup
from storage.leaving import Door, lose_images
from storage.maintenance import WorkDone, record_work
from storage.space import Space
from storage.volumes import Volumes, count_new
from tests.operate.retained import header_of, retained_node
from tests.operate.test_status import drawn


@pytest.fixture
def node(tmp_path):
    with retained_node(tmp_path, free_bytes=1000) as made:
        yield made


def test_it_tells_once_when_room_gets_scarce_and_once_when_it_is_back(node, caplog):
    free = iter([2000, 999, 500, 1000, 2000])
    watch = DiskWatch(node.configuration, node.db, node.files, space=lambda _: Space(next(free)))
    for _ in range(5):
        watch.look()
    told = [record.getMessage().split()[0] for record in caplog.records]
    assert told == ["event=disk_low", "event=disk_low_ended"]


def test_only_what_is_new_is_counted_and_nothing_is_written_for_nothing(node, monkeypatch):
    node.answered(days_ago=1)
    watch = DiskWatch(node.configuration, node.db, node.files)
    watch.look()
    first = known_volumes(node.db)
    assert (first.images, first.image_bytes, first.results) == (2, 200, 1)
    monkeypatch.setattr("dcis_node.operate.disk_watch.keep_volumes", lambda *_: pytest.fail("written again"))
    watch.look()
    monkeypatch.setattr("dcis_node.operate.disk_watch.keep_volumes", keep_volumes)
    node.answered(days_ago=1, size=1000)
    watch.look()
    assert known_volumes(node.db) == count_new(node.db, node.files, Volumes())
    assert known_volumes(node.db).image_bytes == 2200


def test_what_has_left_counts_no_more_after_the_night(node, tmp_path):
    exam = node.answered(days_ago=40)
    order = BackupOrder(node.index, node.files, node.configuration.backup_folder, node.now(), kept=3, scope=Scope.OWN)
    made = make_backup(order)
    lose_images(Door(node.db, node.files, header_of, now=node.now()), exam, lambda _: True)
    counted = count_all(node.configuration, node.db, node.files)
    assert (counted.images, counted.image_bytes, counted.results) == (0, 0, 1)
    assert counted.backup_bytes > made.manifest.size_bytes
    assert known_volumes(node.db) == counted


def test_a_result_whose_file_is_gone_takes_nothing_and_sums_of_another_program_are_counted_anew(node):
    node.answered(days_ago=1)
    for path in (node.root / "store").glob("??/*"):
        path.unlink()
    with node.db.write() as session:
        record_work(session, WorkDone("volumes", 1.0, 1.0, ok=True, detail={"other": 1}))
    assert known_volumes(node.db) == Volumes()
    assert count_new(node.db, node.files, Volumes()).result_bytes == 0


def test_status_and_metrics_show_it(node):
    assert node_status(node.configuration, node.db)["disk"]["volumes"] == {}
    keep_volumes(node.db, Volumes(image_bytes=5_000_000_000, result_bytes=7, backup_bytes=9))
    status = node_status(node.configuration, node.db)
    assert status["disk"]["volumes"]["image_bytes"] == 5_000_000_000
    assert "images 5.0 GB" in drawn(status)
    assert 'dcis_node_store_bytes{sort="backup"} 9.0' in metrics_text(node.configuration, node.db)
    assert json.dumps(status["disk"])
