"""A query/retrieve SCP that holds some objects, and can be told to misbehave."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.transport import ThreadedAssociationServer

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION
from dcis_node.retrieve.association import FIND, MOVE
from tests.peers import START_SECONDS, free_port

PENDING = 0xFF00
UNIQUE_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
KEYS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "PatientID",
    "IssuerOfPatientID",
    "StudyDate",
    "Modality",
    "ModalitiesInStudy",
)
Answers = Iterator[tuple[int, Dataset | None]]


def value(ds: Dataset, keyword: str) -> str:
    return str(ds.get("Modality" if keyword == "ModalitiesInStudy" else keyword, "") or "")


def matches(objects: Sequence[Dataset], keys: Dataset) -> list[Dataset]:
    """Answer a query by the book: one match for each entity of the level, with the attributes that were asked for."""
    found: dict[str, Dataset] = {}
    for ds in objects:
        asked = [keyword for keyword in KEYS if keyword in keys]
        if all(not keys.get(keyword) or value(ds, keyword) == str(keys.get(keyword)) for keyword in asked):
            match = Dataset()
            match.QueryRetrieveLevel = keys.QueryRetrieveLevel
            for keyword in asked:
                setattr(match, keyword, value(ds, keyword))
            found[value(ds, UNIQUE_KEYS[keys.QueryRetrieveLevel])] = match
    return list(found.values())


@dataclass
class QueryPeer:
    """A query/retrieve SCP; use it as a context manager.

    Parameters
    ----------
    objects
        What it holds.
    node_port
        Where it sends what is moved; by `knows` only.
    answer
        Answers a query in its own way: given the keys, it yields statuses and matches.
    moved
        Gives the objects that a move really sends, of those that were asked for; or a status that refuses.
    hold
        A move sends nothing before this is set.
    deaf
        It goes on when it is told to stop (C-CANCEL).
    """

    objects: Sequence[Dataset] = ()
    node_port: int = 0
    knows: Sequence[str] = ("NODE",)
    aet: str = "ARCHIVE"
    port: int = 0
    answer: Callable[[Dataset], Answers] | None = None
    moved: Callable[[list[Dataset]], list[Dataset] | int] | None = None
    services: Sequence[str] = (FIND, MOVE)
    hold: threading.Event | None = None
    deaf: bool = False
    tls: SSLContext | None = None
    queries: list[Dataset] = field(default_factory=list)
    moves: list[Dataset] = field(default_factory=list)
    cancelled: int = 0

    def __enter__(self) -> "QueryPeer":
        self.port = self.port or free_port()
        entity = AE(ae_title=self.aet)
        entity.supported_contexts = [build_context(service) for service in self.services]
        entity.requested_contexts = [build_context(MAMMOGRAPHY_FOR_PRESENTATION)]
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_MOVE, self._move)]
        self._server = entity.make_server(
            ("127.0.0.1", self.port),
            evt_handlers=handlers,
            ssl_context=self.tls,
            server_class=ThreadedAssociationServer,
        )
        entity._servers.append(self._server)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(START_SECONDS)
        for association in list(self._server.active_associations):
            association.abort()
            association.join(START_SECONDS)

    def _find(self, event: evt.Event) -> Answers:
        keys = event.identifier
        self.queries.append(keys)
        if self.answer is not None:
            for status, match in self.answer(keys):
                if event.is_cancelled and not self.deaf:
                    self.cancelled += 1
                    yield 0xFE00, None
                    return
                yield status, match
            return
        for match in matches(self.objects, keys):
            yield PENDING, match

    def _move(self, event: evt.Event) -> Iterator:
        keys = event.identifier
        self.moves.append(keys)
        if event.move_destination not in self.knows:
            yield None, None
            return
        listed = keys.SOPInstanceUID
        uids = [listed] if isinstance(listed, str) else list(listed)
        wanted = [ds for ds in self.objects if ds.SOPInstanceUID in uids]
        chosen = self.moved(wanted) if self.moved is not None else wanted
        yield "127.0.0.1", self.node_port, {"ae_title": "NODE"}
        if isinstance(chosen, int):
            yield 0
            yield chosen, None
            return
        yield len(wanted)
        for ds in chosen:
            if self.hold is not None:
                self.hold.wait(START_SECONDS)
            yield PENDING, ds
