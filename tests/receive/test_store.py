import errno
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset, config
from sqlalchemy import func, select

from dcis_node.errors import StorageError
from dcis_node.mammogram.storage_classes import CT
from dcis_node.receive import store as store_module
from dcis_node.receive.sink import Sink
from dcis_node.receive.statuses import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
)
from dcis_node.receive.store import InstanceStore, Sender
from storage.database import Database
from storage.files import FileStore
from storage.schema import Association, Conflict, Instance
from tests.receive.helpers import image


@pytest.fixture
def store(db: Database, files: FileStore, caplog) -> Iterator[InstanceStore]:
    caplog.set_level(logging.DEBUG, logger="dcis_node")
    yield InstanceStore(db=db, files=files, owner="receive-1", clock=lambda: 1000.0)
    assert list(files.incoming.iterdir()) == []
    assert "CANARY" not in caplog.text


@pytest.fixture
def sender() -> Sender:
    return Sender(7, "PACS", "10.0.0.1")


def encoded(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def handle(store: InstanceStore, sender: Sender, ds: Dataset, data: bytes | None = None, **named: str):
    """Hand an object to the handler as the association would; gives status and comment."""
    sink = Sink(store.files, preface=data if data is not None else encoded(ds), limit_bytes=1 << 20)
    uids = {"sop_class_uid": ds.SOPClassUID, "sop_instance_uid": ds.SOPInstanceUID, **named}
    answer = store.handle(sink, sender, **uids)
    sink.discard()
    return (answer, "") if isinstance(answer, int) else (answer.Status, answer.ErrorComment)


def count(db: Database, table: type) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_success_means_in_the_index_and_on_disk(store: InstanceStore, sender: Sender) -> None:
    ds = image()
    assert handle(store, sender, ds) == (SUCCESS, "")
    with store.db.read() as session:
        instance = session.scalars(select(Instance)).one()
    assert instance.received_at == 1000.0
    assert pydicom.dcmread(io.BytesIO(store.files.read(instance.sha256))) == ds


def test_the_order_is_file_name_index_answer(store: InstanceStore, sender: Sender, monkeypatch) -> None:
    done: list[str] = []

    def note(target: object, name: str) -> None:
        original = getattr(target, name)

        def noted(*args, **kwargs):
            result = original(*args, **kwargs)
            done.append(name)
            return result

        monkeypatch.setattr(target, name, noted)

    note(Sink, "sync")
    note(FileStore, "adopt")
    note(store_module, "record_instance")
    note(InstanceStore, "_record")
    handle(store, sender, image())
    assert done == ["sync", "adopt", "record_instance", "_record"]


def test_one_association_row_for_all_its_objects(store: InstanceStore, sender: Sender) -> None:
    handle(store, sender, image())
    handle(store, sender, image())
    with store.db.read() as session:
        row = session.scalars(select(Association)).one()
    assert (row.owner, row.calling_aet, row.address) == ("receive-1", "PACS", "10.0.0.1")
    assert row.closed_at is None

    store.close(sender)
    with store.db.read() as session:
        assert session.scalars(select(Association)).one().closed_at == 1000.0


def test_an_association_that_stored_nothing_leaves_no_row(store: InstanceStore, sender: Sender) -> None:
    store.close(sender)
    assert count(store.db, Association) == 0


def test_an_association_that_cannot_be_closed_is_noted(store: InstanceStore, sender: Sender, caplog, monkeypatch):
    handle(store, sender, image())
    monkeypatch.setattr(store_module, "close_association", _raise(StorageError("the index refused: BUSY")))
    store.close(sender)
    assert "event=association_left_open" in caplog.text


def test_an_image_that_is_removed_before_its_row_stands_is_asked_for_again(
    store: InstanceStore, sender: Sender, monkeypatch
) -> None:
    """Retention unlinks under the lock that the row is written under: either the row is seen, or the file is missed."""
    record = store_module.record_instance

    def removed_first(session, received, **options):
        store.files.path(received.sha256).unlink()
        return record(session, received, **options)

    monkeypatch.setattr(store_module, "record_instance", removed_first)
    status, comment = handle(store, sender, image())
    assert (status, comment) == (OUT_OF_RESOURCES, "the same object was being removed; try again later")
    assert count(store.db, Instance) == 0


def test_a_duplicate_is_a_success_and_no_new_work(store: InstanceStore, sender: Sender, caplog) -> None:
    ds = image()
    assert [handle(store, sender, ds)[0] for _ in range(2)] == [SUCCESS, SUCCESS]
    assert count(store.db, Instance) == 1
    assert "outcome=duplicate" in caplog.text


def test_other_bytes_under_one_uid_are_kept_aside_and_reported(store: InstanceStore, sender: Sender, caplog) -> None:
    first = image()
    second = image(SOPInstanceUID=first.SOPInstanceUID, StudyInstanceUID=first.StudyInstanceUID, Rows=31)
    assert [handle(store, sender, ds)[0] for ds in (first, second)] == [SUCCESS, SUCCESS]

    with store.db.read() as session:
        conflict = session.scalars(select(Conflict)).one()
    assert store.files.read(conflict.sha256) == encoded(second)
    [record] = [record for record in caplog.records if "outcome=conflict" in record.getMessage()]
    assert record.levelno == logging.WARNING


@pytest.mark.parametrize("named", [{"sop_class_uid": CT}, {"sop_instance_uid": "1.2.3"}], ids=["class", "instance"])
def test_an_object_that_the_request_did_not_name_is_refused(store: InstanceStore, sender: Sender, named) -> None:
    status, comment = handle(store, sender, image(), **named)
    assert (status, comment) == (DATA_SET_DOES_NOT_MATCH, "SOP class or instance UID differs from the request")
    assert count(store.db, Instance) == 0


def test_a_class_that_is_not_taken_is_refused_in_a_context_of_another_too(store: InstanceStore, sender: Sender) -> None:
    positron_emission = "1.2.840.10008.5.1.4.1.1.128"
    status, _ = handle(store, sender, image(), sop_class_uid=positron_emission)
    assert status == SOP_CLASS_NOT_SUPPORTED
    assert count(store.db, Instance) == 0


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_an_object_without_its_identifiers_is_refused(store: InstanceStore, sender: Sender, keyword: str) -> None:
    whole, lacking = image(), image(**{keyword: None})
    status, comment = handle(store, sender, whole, encoded(lacking))
    assert status == CANNOT_UNDERSTAND
    assert comment


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.3;rm -rf", "1.2.\x003", "1" * 65, "%s%n"])
def test_an_identifier_that_is_none_is_refused_and_names_no_file(store: InstanceStore, sender: Sender, uid) -> None:
    ds = image()
    before = _tree(store.files.root.parent)
    data = _replaced(encoded(ds), ds.StudyInstanceUID, uid)
    status, _ = handle(store, sender, ds, data)
    assert status == CANNOT_UNDERSTAND
    assert _tree(store.files.root.parent) == before


def test_bytes_that_are_no_header_are_refused(store: InstanceStore, sender: Sender) -> None:
    status, comment = handle(store, sender, image(), b"CANARY" * 1000)
    assert status == CANNOT_UNDERSTAND
    assert "header cannot be read" in comment


def test_a_value_that_pydicom_chokes_on_is_the_senders_fault(store: InstanceStore, sender: Sender, monkeypatch) -> None:
    monkeypatch.setattr(store_module, "describe", _raise(ValueError("CANARY")))
    assert handle(store, sender, image()) == (CANNOT_UNDERSTAND, "header cannot be read (ValueError)")


# pydicom itself warns of each of them.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "CANARY-" + "9" * 300),
        ("PatientID", "CANARY\0" + "ä" * 64),
        ("IssuerOfPatientID", "CANARY" * 40),
        ("StudyDate", "2024.01.01"),
        ("StudyDate", "20240101-20240102"),
        ("Manufacturer", "x" * 500),
        ("SeriesDescription", "CANARY \0 \ud800" + "x" * 500),
        ("ImageLaterality", "L" * 100),
        ("ViewPosition", "MLO" * 100),
        ("InstanceNumber", "99999999999999999999"),
        ("ImagerPixelSpacing", ["nan", "inf"]),
        ("AcquisitionDate", "x" * 100),
    ],
)
def test_a_value_that_no_standard_allows_keeps_nothing_out(
    store: InstanceStore, sender: Sender, keyword: str, value: object
) -> None:
    ds = image()
    with config.disable_value_validation():
        setattr(ds, keyword, value)
        data = encoded(ds)
    assert handle(store, sender, ds, data) == (SUCCESS, "")
    assert count(store.db, Instance) == 1


def test_an_object_cut_inside_its_header_is_refused(store: InstanceStore, sender: Sender) -> None:
    ds = image()
    whole = encoded(ds)
    status, _ = handle(store, sender, ds, whole[: whole.index(b"\x20\x00\x0d\x00UI")])
    assert status == CANNOT_UNDERSTAND


def test_an_object_cut_inside_its_pixels_is_kept_for_the_worker_to_judge(store: InstanceStore, sender: Sender) -> None:
    ds = image()
    assert handle(store, sender, ds, encoded(ds)[:-100])[0] == SUCCESS


def test_over_the_cap_is_refused_as_a_resource(store: InstanceStore, sender: Sender) -> None:
    status, comment = handle(store, sender, image(), bytes(1 << 21))
    assert (status, comment) == (OUT_OF_RESOURCES, "larger than receive.max_dataset_bytes = 1048576")


def test_a_disk_that_fills_in_the_end_is_our_fault(store: InstanceStore, sender: Sender, monkeypatch) -> None:
    monkeypatch.setattr(FileStore, "adopt", _raise(OSError(errno.ENOSPC, "No space left on device")))
    assert handle(store, sender, image()) == (OUT_OF_RESOURCES, "disk: No space left on device")
    assert count(store.db, Instance) == 0


def test_an_index_that_cannot_be_written_is_our_fault(store: InstanceStore, sender: Sender, monkeypatch, caplog):
    monkeypatch.setattr(store_module, "record_instance", _raise(StorageError("the index refused: SQLITE_BUSY")))
    assert handle(store, sender, image()) == (OUT_OF_RESOURCES, "the index refused: SQLITE_BUSY")
    assert "status=0xA700" in caplog.text
    assert sender.row is None


def test_after_an_index_that_was_busy_the_resend_is_taken(store: InstanceStore, sender: Sender, monkeypatch) -> None:
    ds = image()
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "record_instance", _raise(StorageError("busy")))
        assert handle(store, sender, ds)[0] == OUT_OF_RESOURCES
    assert handle(store, sender, ds)[0] == SUCCESS
    assert count(store.db, Association) == 1


def test_an_error_of_ours_is_answered_as_ours_and_quotes_nothing(
    store: InstanceStore, sender: Sender, monkeypatch, caplog
):
    monkeypatch.setattr(store_module, "record_instance", _raise(KeyError("CANARY")))
    status, comment = handle(store, sender, image())
    assert (status, comment) == (OUT_OF_RESOURCES, "internal error; try again later")
    assert "KeyError at raising:" in caplog.text


def test_where_tells_of_an_error_that_was_never_raised_that_it_is_unknown() -> None:
    assert store_module.where(ValueError()) == "?"


def _raise(error: Exception):
    def raising(*_: object, **__: object) -> None:
        raise error

    return raising


def _replaced(data: bytes, uid: str, value: str) -> bytes:
    """Put another value of another length in the place of a UID (explicit VR, little endian)."""
    old = uid.encode() + b"\0" * (len(uid) % 2)
    new = value.encode() + b"\0" * (len(value) % 2)
    at = data.rindex(old)
    return data[: at - 2] + len(new).to_bytes(2, "little") + new + data[at + len(old) :]


def _tree(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "index.sqlite" not in path.name}
