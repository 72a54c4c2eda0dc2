"""A PACS that remembers: every C-STORE request with the digest of its data set, and what it keeps is the first.

It answers C-ECHO, C-STORE and, by C-FIND at instance level, whether it has an object. It can be away for a while, and
it cuts associations off when told to: before an object is kept, or behind that and before the answer, so that the
sender cannot know.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.dsutils import decode
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind
from pynetdicom.transport import ThreadedAssociationServer

from dcis_node.operate.stand_in import CLASSES, VERIFICATION
from tests.peer_scp import UNCOMPRESSED
from tests.peer_tools import START_SECONDS, free_port

SUCCESS, PENDING, NOT_KEPT = 0x0000, 0xFF00, 0xC000
STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."


class Cut(StrEnum):
    """What becomes of one C-STORE request."""

    NONE = "answered"
    BEFORE = "cut off before it was kept"
    AFTER = "kept, and cut off before the answer"


@dataclass(frozen=True)
class Request:
    """One C-STORE request; `at` by the monotonic clock."""

    sop_instance_uid: str
    sha256: str
    cut: Cut
    at: float


@dataclass(frozen=True)
class Kept:
    """The first object under a UID. `report`: its data set if it is a structured report, without pixels in any case."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sha256: str
    at: float
    report: Dataset | None


class RecordingPacs:
    """The storage SCP; use it as a context manager.

    Parameters
    ----------
    cut
        Says of each request what becomes of it; called in the thread of the association.
    """

    aet = "PACS"

    def __init__(self, *, cut: Callable[[], Cut] = lambda: Cut.NONE) -> None:
        self.port = free_port()
        self.requests: list[Request] = []
        self.kept: dict[str, Kept] = {}
        self._cut = cut
        self._lock = threading.Lock()
        self._server: ThreadedAssociationServer | None = None

    def __enter__(self) -> "RecordingPacs":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen (again) on the same port."""
        entity = AE(ae_title=self.aet)
        entity.maximum_pdu_size = 131072
        entity.maximum_associations = 50
        classes = [*CLASSES, VERIFICATION, StudyRootQueryRetrieveInformationModelFind]
        entity.supported_contexts = [build_context(one, list(UNCOMPRESSED)) for one in classes]
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        self._server = entity.make_server(
            ("127.0.0.1", self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
        )
        entity._servers.append(self._server)  # noqa: SLF001 -- as `start_server` does, which ends too slowly
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Be away: nothing listens, and every association is aborted."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(START_SECONDS)
        for association in list(self._server.active_associations):
            association.abort()
            association.join(START_SECONDS)
        self._server = None

    def _store(self, event: evt.Event) -> int:
        request = event.request
        data = request.DataSet.getvalue()
        uid, digest, cut = str(request.AffectedSOPInstanceUID), hashlib.sha256(data).hexdigest(), self._cut()
        with self._lock:
            self.requests.append(Request(uid, digest, cut, time.monotonic()))
            if cut is not Cut.BEFORE and uid not in self.kept:
                syntax = event.context.transfer_syntax
                ds = decode(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)
                self.kept[uid] = _kept(ds, digest)
        if cut is Cut.NONE:
            return SUCCESS
        event.assoc.abort()
        return NOT_KEPT  # nobody hears it

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """Answer for the instances that are asked for by their UIDs."""
        asked = event.identifier
        wanted = asked.get("SOPInstanceUID") or []
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        study, series = asked.get("StudyInstanceUID"), asked.get("SeriesInstanceUID")
        with self._lock:
            found = [self.kept[name] for name in names or list(self.kept) if name in self.kept]
        for one in found:
            if (study and one.study_instance_uid != study) or (series and one.series_instance_uid != series):
                continue
            yield PENDING, _match(one, asked)


def _kept(ds: Dataset, digest: str) -> Kept:
    uids = (str(ds[name].value) for name in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"))
    report = ds if str(ds.SOPClassUID).startswith(STRUCTURED_REPORTS) else None
    return Kept(*uids, digest, time.monotonic(), report)


def _match(one: Kept, asked: Dataset) -> Dataset:
    """Give the keys that were asked for, with what is known of them (PS3.4 C.4.1.3)."""
    known = {
        "StudyInstanceUID": one.study_instance_uid,
        "SeriesInstanceUID": one.series_instance_uid,
        "SOPInstanceUID": one.sop_instance_uid,
        "SOPClassUID": one.sop_class_uid,
        "QueryRetrieveLevel": "IMAGE",
        "RetrieveAETitle": RecordingPacs.aet,
    }
    answer = Dataset()
    for element in asked:
        setattr(answer, element.keyword, known.get(element.keyword))
    return answer
