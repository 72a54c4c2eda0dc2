"""An index made again from the files."""

import time

import pytest

from dcis_node.errors import StorageError
from storage.database import Database
from storage.files import FileStore
from storage.rebuild import rebuild_index
from storage.records import Records
from storage.replay import Event, Replay
from tests.storage.leftovers import analysis, describe, image, report


class TestReplay:
    def test_what_is_known_is_not_written_twice(self, db: Database, files: FileStore):
        sha256 = files.put(image(1), moment=time.time() - 100)
        records = Records(files)
        made = records.keep_analysis(analysis(files, sha256))
        answer = records.keep_report(report(files, [sha256]))
        events = [Event(1.0, 0, sha256), Event(2.0, 1, made.name), Event(3.0, 2, answer.name)]
        assert Replay(db, records, describe).apply(events).known == 0
        assert Replay(db, records, describe).apply(events).known == 3

    def test_what_has_no_image_has_no_place(self, db: Database, files: FileStore):
        records = Records(files)
        made, answer = records.keep_analysis(analysis(files, "a" * 64)), records.keep_report(report(files, ["a" * 64]))
        events = [Event(2.0, 1, made.name), Event(3.0, 2, answer.name)]
        assert Replay(db, records, describe).apply(events).unplaced == 2

    def test_a_record_that_is_damaged_is_told(self, db: Database, files: FileStore):
        name = "0" * 64 + ".report"
        assert Replay(db, Records(files), describe).apply([Event(1.0, 2, name)]).damaged_records == [name]


class TestRebuild:
    def test_damaged_records_are_told_and_left_out(self, url: str, files: FileStore):
        records = Records(files)
        made = records.keep_analysis(analysis(files, files.put(image(1))))
        records.path(made.name).write_bytes(b"rot")
        rebuilt = rebuild_index(url, files, describe, stamp="old")
        assert (rebuilt.ok, rebuilt.tally.damaged_records, rebuilt.aside) == (False, [made.name], None)
        assert (rebuilt.tally.instances, len(rebuilt.tally.own)) == (1, 2)

    def test_only_a_file_is_made_again(self, files: FileStore):
        with pytest.raises(StorageError, match="SQLite"):
            rebuild_index("postgresql://localhost/x", files, describe, stamp="old")
