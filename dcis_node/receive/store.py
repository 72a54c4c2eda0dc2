"""The C-STORE handler: success is answered when file and index are on disk, and not before (design.md, step 1)."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom import Dataset

from dcis_node.errors import HeaderError, StorageError
from dcis_node.mammogram.storage_classes import ACCEPTED_SOP_CLASSES
from dcis_node.receive.brought import Brought
from dcis_node.receive.describe import describe
from dcis_node.receive.events import Notify, nobody
from dcis_node.receive.header import UNREADABLE, quiet, read_part
from dcis_node.receive.sink import Sink, SinkFault
from dcis_node.receive.statuses import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    answer,
)
from storage.database import Database
from storage.files import FileStore
from storage.index import ReceivedInstance, Recorded, close_association, open_association, record_instance

log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 -- an answer, not a fault of the program
    """The request is answered with a failure status and this comment."""

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status


@dataclass
class Sender:
    """One association as the index sees it; `row` is None until it has stored something."""

    number: int
    calling_aet: str
    address: str
    row: int | None = None
    brought: Brought = field(default_factory=Brought)

    def tell(self, notify: Notify) -> None:
        """Tell the audit trail what it has brought since it was told last."""
        self.brought.tell(notify, association=self.number, calling_aet=self.calling_aet, address=self.address)


def _always() -> str:
    """Refuse nothing."""
    return ""


@dataclass(frozen=True)
class InstanceStore:
    """What the handler works with.

    Parameters
    ----------
    owner
        This process, for the rows of its associations.
    clock
        Gives Unix seconds.
    refusal
        Asked before the first byte of each object: why it cannot be taken, or "" (`storage.space.Reserve.refusal`).
    notify
        Told what an association has brought, before its row is closed.
    """

    db: Database
    files: FileStore
    owner: str
    merge_same_day: bool = True
    clock: Callable[[], float] = time.time
    refusal: Callable[[], str] = _always
    notify: Notify = nobody

    def new_sink(self, preface: bytes, *, limit_bytes: int) -> Sink:
        """Make the sink of one object; where nothing can be taken, one that writes nothing."""
        return Sink(self.files, preface=preface, limit_bytes=limit_bytes, refusal=self.refusal())

    def handle(self, sink: Sink, sender: Sender, *, sop_class_uid: str, sop_instance_uid: str) -> int | Dataset:
        """Answer one C-STORE request; never raises.

        Parameters
        ----------
        sink
            What arrived.
        sop_class_uid, sop_instance_uid
            What the request named (Affected SOP Class and Instance UID).

        Returns
        -------
        int | pydicom.Dataset
            `SUCCESS`, or a failure status with its comment. A fault of ours is `OUT_OF_RESOURCES`: the sender keeps
            the object and tries again, where pynetdicom's own 0xC211 would tell it to give up.
        """
        started = time.monotonic()
        try:
            received, recorded = self._keep(sink, sender, (sop_class_uid, sop_instance_uid))
        except Refused as refused:
            # A shortage stands in the log once, when it begins, and not once for each object of a PACS that retries.
            if not sink.refused:
                _log_refusal(sender, sink, refused.status, str(refused))
            return answer(refused.status, str(refused))
        except Exception as error:  # noqa: BLE001 -- the edge: recorded, and answered as ours
            _log_refusal(sender, sink, OUT_OF_RESOURCES, f"{type(error).__name__} at {where(error)}")
            return answer(OUT_OF_RESOURCES, "internal error; try again later")
        sender.brought.add(received, recorded)
        if sender.brought.is_full:
            sender.tell(self.notify)
        _log_stored(sender, received, recorded, time.monotonic() - started)
        return SUCCESS

    def close(self, sender: Sender) -> None:
        """Note the end of an association; what cannot be written now is closed when this process starts again.

        The audit trail is told first: a row that is still open is told by this process's successor.
        """
        if sender.row is None:
            return
        sender.tell(self.notify)
        try:
            with self.db.write() as session:
                close_association(session, sender.row, now=self.clock())
        except StorageError as error:
            log.warning("event=association_left_open association=%d error=%r", sender.number, str(error))

    def _keep(self, sink: Sink, sender: Sender, named: tuple[str, str]) -> tuple[ReceivedInstance, Recorded]:
        try:
            if named[0] not in ACCEPTED_SOP_CLASSES:
                raise Refused(SOP_CLASS_NOT_SUPPORTED, "this SOP class is not accepted")
            sink.flush()
            received = _received(sink, sender, named)
            sink.sync()
            # File and row tell the same moment, so that a lost index can be made again in the order of arrival.
            now = self.clock()
            self.files.adopt(sink.part(), received.sha256, moment=now)
            sink.release()
            return received, self._record(received, sender, now)
        except (SinkFault, StorageError) as error:
            raise Refused(OUT_OF_RESOURCES, str(error)) from None
        except OSError as error:
            raise Refused(OUT_OF_RESOURCES, f"disk: {error.strerror or type(error).__name__}") from None

    def _record(self, received: ReceivedInstance, sender: Sender, now: float) -> Recorded:
        row = sender.row
        with self.db.write() as session:
            if row is None:
                row = open_association(
                    session, owner=self.owner, calling_aet=sender.calling_aet, address=sender.address, now=now
                )
            recorded = record_instance(
                session, received, now=now, merge_same_day=self.merge_same_day, association_id=row
            )
            session.flush()
            # Retention removes files under the index's lock only (`storage.leaving`), and we hold it now.
            if not self.files.exists(received.sha256):
                raise StorageError("the same object was being removed; try again later")
        sender.row = row
        return recorded


def where(error: BaseException) -> str:
    """Say where an exception was raised; its own text may quote a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"


def _received(sink: Sink, sender: Sender, named: tuple[str, str]) -> ReceivedInstance:
    """Read what arrived, and hold it against what the request named."""
    try:
        received = _described(read_part(sink.part()), sink, sender)
    except HeaderError as error:
        raise Refused(CANNOT_UNDERSTAND, str(error)) from None
    if named != (received.sop_class_uid, received.sop_instance_uid):
        raise Refused(DATA_SET_DOES_NOT_MATCH, "SOP class or instance UID differs from the request")
    return received


def _described(header: Dataset, sink: Sink, sender: Sender) -> ReceivedInstance:
    try:
        with quiet():
            return describe(header, sha256=sink.sha256, size_bytes=sink.size_bytes, calling_aet=sender.calling_aet)
    except HeaderError:
        raise
    except Exception as error:  # noqa: BLE001 -- pydicom reads values late: this is still the sender's bytes
        raise HeaderError(UNREADABLE, f"header cannot be read ({type(error).__name__})") from None


def _log_stored(sender: Sender, received: ReceivedInstance, recorded: Recorded, seconds: float) -> None:
    level = logging.WARNING if recorded.outcome == "conflict" else logging.INFO
    log.log(
        level,
        "event=stored outcome=%s association=%d calling=%r instance=%d exam=%d reason=%s bytes=%d sha256=%s "
        "seconds=%.3f",
        recorded.outcome,
        sender.number,
        sender.calling_aet,
        recorded.instance_id,
        recorded.exam_id,
        received.reason,
        received.size_bytes,
        received.sha256,
        seconds,
    )


def _log_refusal(sender: Sender, sink: Sink, status: int, text: str) -> None:
    log.error(
        "event=refused association=%d calling=%r status=0x%04X bytes=%d text=%r",
        sender.number,
        sender.calling_aet,
        status,
        sink.size_bytes,
        text,
    )
