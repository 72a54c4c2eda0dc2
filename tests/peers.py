"""Peers for tests: storage SCPs that obey or misbehave, DCMTK, Orthanc. All on loopback, all ended by their own pid."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

START_SECONDS = 20.0
VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
# Also deflated, RLE, JPEG lossless, JPEG-LS, JPEG 2000; not more, since pynetdicom copies contexts per association.
SYNTAXES = (
    *UNCOMPRESSED,
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91)),
)


def require(tool: str) -> str:
    """Give the path of a tool; skip the test where it is missing, or fail it if DCIS_NODE_REQUIRE_PEERS=1."""
    found = shutil.which(tool, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        text = f"{tool} is not installed (Debian packages: dcmtk, dicom3tools, orthanc)"
        if os.environ.get("DCIS_NODE_REQUIRE_PEERS") == "1":
            pytest.fail(f"{text}, and DCIS_NODE_REQUIRE_PEERS=1 demands it")
        pytest.skip(text)
    return found


def free_port() -> int:
    """Give a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = START_SECONDS) -> None:
    """Wait for a condition, looking every 20 ms; fail with `what` when the time is over."""
    pause = threading.Event()
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:g} s: {what}")
        pause.wait(0.02)


def listens(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
            ("127.0.0.1", self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
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
def raw_peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen with plain sockets: `serve` gets each connection in a thread of its own. Gives the port."""
    stop = threading.Event()
    threads = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
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


def black_hole() -> contextlib.AbstractContextManager[int]:
    """Accept connections, read everything, answer nothing."""

    def swallow(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    return raw_peer(swallow)


def resetting_peer() -> contextlib.AbstractContextManager[int]:
    """Accept connections and reset them (RST) at once."""

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return raw_peer(reset)


def rejecting_peer(result: int, source: int, reason: int) -> contextlib.AbstractContextManager[int]:
    """Answer every association request with an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def reject(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(struct.pack(">BBLBBBB", 3, 0, 4, 0, result, source, reason))
        while connection.recv(65536):
            pass

    return raw_peer(reject)


@contextlib.contextmanager
def running(arguments: Sequence[str | Path], *, log: Path, ready: Callable[[], object]) -> Iterator[subprocess.Popen]:
    """Run a server until the end of the block: ready when `ready` says so, ended by its own pid."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(a) for a in arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:

            def up() -> object:
                if process.poll() is not None:
                    pytest.fail(f"{arguments[0]} ended with {process.returncode}: {log.read_text(errors='replace')}")
                return ready()

            wait_until(up, f"{arguments[0]} is ready")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@dataclass(frozen=True)
class StoreScp:
    """A running DCMTK storescp; `folder` holds what it received, bit for bit, named by modality and UID."""

    port: int
    aet: str
    folder: Path

    def files(self) -> list[Path]:
        """Give the received files."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@contextlib.contextmanager
def storescp(tmp_path: Path, *options: str, aet: str = "STORESCP", port: int | None = None) -> Iterator[StoreScp]:
    """Run DCMTK's storescp. It accepts every called AE title; `--refuse` rejects every association."""
    tool = require("storescp")
    port = port or free_port()
    folder = tmp_path / f"storescp-{port}"
    folder.mkdir(exist_ok=True)
    arguments = [tool, "-q", "+xa", "+B", "-dhl", *options, "-aet", aet, "-od", folder, str(port)]
    with running(arguments, log=tmp_path / f"storescp-{port}.log", ready=lambda: listens(port)):
        yield StoreScp(port, aet, folder)


def storescu(
    paths: Sequence[Path], *, port: int, aet: str, calling_aet: str = "STORESCU", options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Send files, or the files of folders, with DCMTK's storescu; the caller looks at `returncode`."""
    arguments = [require("storescu"), "+sd", "+r", "-aec", aet, "-aet", calling_aet, *options, "127.0.0.1", str(port)]
    return subprocess.run([*arguments, *map(str, paths)], capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    aet: str
    dicom_port: int
    http_port: int

    def get(self, path: str) -> bytes:
        """GET a REST path, such as `/instances`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: bytes | str | dict | list) -> bytes:
        """POST to a REST path; a dict or list is sent as JSON."""
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        return self._ask("POST", path, data)

    def json(self, path: str):
        """GET a REST path and parse its JSON."""
        return json.loads(self.get(path))

    def find(self, level: str, query: dict[str, str]) -> list[str]:
        """Give the Orthanc IDs that match at a level (`Study`, `Series`, `Instance`)."""
        return json.loads(self.post("/tools/find", {"Level": level, "Query": query}))

    def file(self, instance: str) -> bytes:
        """Give the stored DICOM file of an instance, by its Orthanc ID."""
        return self.get(f"/instances/{instance}/file")

    def upload(self, data: bytes) -> dict:
        """Store a DICOM file by REST."""
        return json.loads(self.post("/instances", data))

    def send(self, resource: str, *, to: str = "node") -> dict:
        """Send a study, series or instance (Orthanc ID) by C-STORE to a modality, and wait for it.

        A refused object is an `urllib.error.HTTPError`.
        """
        body = {"Resources": [resource], "Synchronous": True}
        return json.loads(self.post(f"/modalities/{to}/store", body))

    def _ask(self, method: str, path: str, data: bytes | None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.read()


@contextlib.contextmanager
def orthanc(
    tmp_path: Path,
    *,
    aet: str = "ORTHANC",
    node: tuple[str, int] | None = None,
    dicom_port: int | None = None,
    http_port: int | None = None,
    **settings: object,
) -> Iterator[Orthanc]:
    """Run Orthanc with its own folder and ports.

    Parameters
    ----------
    node
        AE title and loopback port of the modality that it knows as `node`.
    settings
        More keys of Orthanc's configuration, such as `DicomCheckCalledAet=True`.
    """
    tool = require("Orthanc")
    peer = Orthanc(aet, dicom_port or free_port(), http_port or free_port())
    folder = tmp_path / f"orthanc-{peer.http_port}"
    folder.mkdir(exist_ok=True)
    configuration = {
        "Name": aet,
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "Plugins": [],
        "HttpPort": peer.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": aet,
        "DicomPort": peer.dicom_port,
        "DicomModalities": {} if node is None else {"node": [node[0], "127.0.0.1", node[1]]},
        "StorageCompression": False,
        "UnknownSopClassAccepted": False,
        **settings,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))

    def ready() -> bool:
        with contextlib.suppress(OSError):
            return bool(peer.get("/system")) and listens(peer.dicom_port)
        return False

    with running([tool, file], log=folder / "orthanc.log", ready=ready):
        yield peer
