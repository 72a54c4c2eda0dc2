"""What leaves the files of the backups: only what the node has removed on purpose, and no kept backup can name."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dcis_node.errors import StorageError
from dcis_node.operate.retention import RetentionOrder, run_retention
from storage import backup
from storage.backup import BackupOrder, Scope, backups, digests_in, make_backup, verify_backup
from storage.backup_pruning import Pruned, prune
from storage.files import FileStore
from storage.records import Records
from storage.removals import RecordedRetirement
from storage.restore import restore_backup
from tests.operate.retained import DAY, Node, retained_node


@pytest.fixture
def node(tmp_path: Path):
    (tmp_path / "node").mkdir()
    with retained_node(tmp_path / "node", images_days=30.0, results_days=300.0, rows_days=301.0) as made:
        yield made


class Nights:
    """Nights that follow each other: a backup of all files, then retention."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node, self.number = node, 0
        # One moment for all nights: what leaves after it has left less than a day before the second.
        self.order = BackupOrder(node.index, node.files, folder, now=time.time(), kept=2, scope=Scope.ALL)

    def backup(self):
        self.number += 1
        return make_backup(replace(self.order, now=self.order.now + (self.number - 1) * DAY))

    def retain(self) -> None:
        order = RetentionOrder(tell=lambda _: None, grace_seconds=-1.0)
        run_retention(self.node.configuration, self.node.db, self.node.files, order)

    @property
    def files(self) -> set[str]:
        return set(FileStore(self.order.folder / "store").digests())


@pytest.fixture
def nights(node: Node, tmp_path: Path) -> Nights:
    return Nights(node, tmp_path / "backup")


def test_what_has_left_the_node_leaves_when_no_kept_backup_was_made_before(node: Node, nights: Nights):
    node.answered(days_ago=400)
    node.answered(days_ago=10)
    young = set(node.files.digests())
    nights.backup()
    every = nights.files
    for _ in range(3):
        nights.retain()
    young &= set(node.files.digests())
    assert len(young) == 5  # two images, their outlines, a result
    made = [nights.backup() for _ in range(2)]
    assert [one.pruned for one in made] == [Pruned(), Pruned()]
    assert nights.files == every
    # The oldest that stays is now one day and more younger than the leaving.
    made = nights.backup()
    assert (made.pruned.files, made.pruned.records) == (5, 3)
    assert made.pruned.size_bytes > 0
    assert nights.files == young
    assert json.dumps(made.to_json()["pruned"])
    assert set(Records(FileStore(nights.order.folder / "store")).names()) == set(Records(node.files).names())
    assert nights.backup().pruned == Pruned()


def test_every_kept_backup_has_all_the_files_that_it_names(node: Node, nights: Nights, tmp_path: Path):
    node.answered(days_ago=400)
    node.answered(days_ago=10)
    for night in range(7):
        nights.backup()
        nights.retain()
        for number, kept in enumerate(backups(nights.order.folder)):
            files = FileStore(tmp_path / f"again-{night}-{number}")
            restored = restore_backup(kept, tmp_path / f"{night}-{number}" / "index.sqlite", files, now=time.time())
            assert restored.copied.ok
            columns = (("result", "sha256"), ("instance", "sha256"), ("view_analysis", "mask_sha256"))
            assert all(files.exists(name) for name in digests_in(kept / "index.sqlite", columns))
    assert len(backups(nights.order.folder)) == 2


def test_a_node_that_has_lost_its_files_takes_nothing_from_its_backups(node: Node, nights: Nights):
    node.answered(days_ago=10)
    nights.backup()
    every = nights.files
    shutil.rmtree(node.files.root)
    order = replace(nights.order, files=FileStore(node.files.root), now=time.time() + 50 * DAY, kept=1)
    made = make_backup(order)
    assert (made.pruned, nights.files) == (Pruned(), every)


def test_a_file_that_another_record_shares_stays(node: Node, nights: Nights):
    node.answered(days_ago=400)
    nights.backup()
    target = FileStore(nights.order.folder / "store")
    for _ in range(2):
        nights.retain()
    shared = next(name for name in target.digests() if not node.files.exists(name))
    node.files.put(target.read(shared))
    prune(node.files, target, oldest=time.time() + 2 * DAY)
    assert target.exists(shared)


def test_a_record_of_which_one_image_has_not_left_stays_with_its_files(node: Node, nights: Nights):
    exam = node.answered(days_ago=400)
    nights.backup()
    target = FileStore(nights.order.folder / "store")
    first, second = (row.sha256 for row in node.instances(exam))
    for name in list(Records(node.files).names()):
        Records(node.files).remove(name)
    for sha256 in (first, second):
        node.files.path(sha256).unlink()
    Records(node.files).replace(RecordedRetirement(first, 1.0))
    report = next(name for name in Records(target).names() if name.endswith("report"))
    prune(node.files, target, oldest=time.time() + 2 * DAY)
    assert report in set(Records(target).names())
    assert not target.exists(first)
    assert target.exists(second)
    Records(node.files).replace(RecordedRetirement(second, 1.0))
    prune(node.files, target, oldest=time.time() + 2 * DAY)
    assert report not in set(Records(target).names())


def test_a_damaged_record_stays(node: Node, nights: Nights):
    node.answered(days_ago=400)
    nights.backup()
    target = FileStore(nights.order.folder / "store")
    records = Records(target)
    report = next(name for name in records.names() if name.endswith("report"))
    records.path(report).write_bytes(b"damaged")
    for _ in range(2):
        nights.retain()
    prune(node.files, target, oldest=time.time() + 2 * DAY)
    assert set(records.names()) >= {report}


def test_a_disk_that_lets_nothing_be_removed_is_told_and_the_backup_is_made(nights: Nights, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(backup, "prune", refuse)
    with pytest.raises(StorageError, match=r"the backup is made, but .*Permission denied"):
        nights.backup()
    (made,) = backups(nights.order.folder)
    assert verify_backup(made).rows["exam"] == 0
