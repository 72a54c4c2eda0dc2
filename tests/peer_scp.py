"""Storage SCPs for tests: one that obeys and records, and some that misbehave."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

from tests.peer_tools import START_SECONDS, free_port

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
# Also deflated, RLE, JPEG lossless, JPEG-LS, JPEG 2000; not more, since pynetdicom copies contexts per association.
SYNTAXES = (
    *UNCOMPRESSED,
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91)),
)


@dataclass(frozen=True)
class Received:
    """One C-STORE request as it came.

    `dataset` are the encoded bytes, `status` what was answered (None: nothing), `association` counts from 1.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_aet: str
    dataset: bytes
    status: int | None
    association: int


@dataclass
class StoragePeer:
    """A storage SCP that records every request; use it as a context manager.

    Parameters
    ----------
    contexts
        Accepted (SOP class, transfer syntax) pairs; None accepts every storage class in every syntax.
    statuses
        Answers to the first requests, in order; after that `status`. A callable is called with the request, and what
        it returns is the answer; None as the answer aborts the association.
    """

    aet: str = "PACS"
    port: int = 0
    contexts: Sequence[tuple[str, str]] | None = None
    statuses: Sequence[int | None] = ()
    status: int | Callable[[Received], int | None] | None = 0x0000
    require_called_aet: bool = False
    require_calling_aet: Sequence[str] = ()
    maximum_associations: int = 50
    echo: bool = True
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> "StoragePeer":
        self._changed = threading.Condition()
        self._associations = 0
        self._server: ThreadedAssociationServer | None = None
        self.port = self.port or free_port()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen (again) on the same port."""
        entity = AE(ae_title=self.aet)
        entity.require_called_aet = self.require_called_aet
        entity.require_calling_aet = list(self.require_calling_aet)
        entity.maximum_associations = self.maximum_associations
        entity.maximum_pdu_size = 131072
        entity.supported_contexts = self._supported()
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ESTABLISHED, self._established)]
        self._server = entity.make_server(
            ("127.0.0.1", self.port),
            evt_handlers=handlers,
            server_class=ThreadedAssociationServer,
            ssl_context=self.tls,
        )
        # As `start_server` does, but that one looks only twice a second whether to end.
        entity._servers.append(self._server)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end all associations; nothing happens if it is down already."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(START_SECONDS)
            for association in list(self._server.active_associations):
                association.join(0.1)
                if association.is_alive():
                    association.abort()
                association.join(START_SECONDS)
            self._server = None

    def wait_for(self, number: int, *, seconds: float = START_SECONDS) -> list[Received]:
        """Wait until at least `number` requests have come, and give all."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= number, seconds):
                pytest.fail(f"{len(self.received)} of {number} objects came within {seconds:g} s")
            return list(self.received)

    @property
    def associations(self) -> int:
        """How many associations have been established."""
        return self._associations

    def uids(self) -> list[str]:
        """Give the SOP Instance UIDs in the order in which they came, repeats included."""
        with self._changed:
            return [one.sop_instance_uid for one in self.received]

    def stored(self) -> dict[str, set[bytes]]:
        """Give the different bytes that were answered with success, by SOP Instance UID."""
        found: dict[str, set[bytes]] = {}
        with self._changed:
            for one in self.received:
                if one.status == 0x0000:
                    found.setdefault(one.sop_instance_uid, set()).add(one.dataset)
        return found

    def _supported(self) -> list:
        pairs = list(self.contexts) if self.contexts is not None else _all_storage()
        by_class: dict[str, list[str]] = {VERIFICATION: list(UNCOMPRESSED)} if self.echo else {}
        for sop_class, syntax in pairs:
            by_class.setdefault(sop_class, []).append(syntax)
        return [build_context(sop_class, syntaxes) for sop_class, syntaxes in by_class.items()]

    def _established(self, event: evt.Event) -> None:
        with self._changed:
            self._associations += 1
            event.assoc.peer_number = self._associations
            self._changed.notify_all()

    def _store(self, event: evt.Event) -> int:
        request = event.request
        with self._changed:
            number = len(self.received)
            answer = self.statuses[number] if number < len(self.statuses) else self.status
        one = Received(
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            calling_aet=event.assoc.requestor.ae_title,
            dataset=request.DataSet.getvalue(),
            status=None,
            association=event.assoc.peer_number,
        )
        status = answer(one) if callable(answer) else answer
        with self._changed:
            self.received.append(Received(**{**one.__dict__, "status": status}))
            self._changed.notify_all()
        if status is None:
            event.assoc.abort()
            return 0xC000
        return status


def _all_storage() -> list[tuple[str, str]]:
    return [(str(context.abstract_syntax), syntax) for context in AllStoragePresentationContexts for syntax in SYNTAXES]


@contextlib.contextmanager
def raw_peer(serve: Callable[[socket.socket], None], *, port: int = 0) -> Iterator[int]:
    """Listen with plain sockets: `serve` gets each connection in a thread of its own. Gives the port."""
    stop = threading.Event()
    threads = []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
        listener.settimeout(0.05)

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(START_SECONDS)
                thread = threading.Thread(target=_serve, args=(serve, connection))
                thread.start()
                threads.append(thread)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            acceptor.join()
            for thread in threads:
                thread.join(START_SECONDS)


def _serve(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        serve(connection)


def black_hole(*, port: int = 0) -> contextlib.AbstractContextManager[int]:
    """Accept connections, read everything, answer nothing."""

    def swallow(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    return raw_peer(swallow, port=port)


def resetting_peer(*, port: int = 0) -> contextlib.AbstractContextManager[int]:
    """Accept connections, read the association request, and reset them (RST).

    Not at once: then it is chance whether the connection counts as made.
    """

    def reset(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return raw_peer(reset, port=port)


def rejecting_peer(result: int, source: int, reason: int, *, port: int = 0) -> contextlib.AbstractContextManager[int]:
    """Answer every association request with an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def reject(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(struct.pack(">BBLBBBB", 3, 0, 4, 0, result, source, reason))
        while connection.recv(65536):
            pass

    return raw_peer(reject, port=port)
