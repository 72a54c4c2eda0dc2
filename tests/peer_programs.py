"""Programs of others as peers: DCMTK and Orthanc, on loopback, each ended by its own pid."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peer_tools import free_port, listens, require, wait_until


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
def storescp(
    tmp_path: Path, *options: str, aet: str = "STORESCP", port: int | None = None, accept: str = "+xa"
) -> Iterator[StoreScp]:
    """Run DCMTK's storescp. It accepts every called AE title; `--refuse` rejects every association.

    `accept` is its option of transfer syntaxes; `+xa` accepts all.
    """
    tool = require("storescp")
    port = port or free_port()
    folder = tmp_path / f"storescp-{port}"
    folder.mkdir(exist_ok=True)
    arguments = [tool, "-q", accept, "+B", "-dhl", *options, "-aet", aet, "-od", folder, str(port)]
    with running(arguments, log=tmp_path / f"storescp-{port}.log", ready=lambda: listens(port)):
        yield StoreScp(port, aet, folder)


QRSCP_CONFIG = """
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{aet} {folder} RW (1000, 1024mb) ANY
AETable END
"""


@contextlib.contextmanager
def qrscp(tmp_path: Path, *options: str, aet: str = "QRSCP", port: int | None = None) -> Iterator[StoreScp]:
    """Run DCMTK's dcmqrscp: stores, and answers queries; `folder` is its storage area."""
    tool = require("dcmqrscp")
    port = port or free_port()
    folder = tmp_path / f"qrscp-{port}"
    folder.mkdir(exist_ok=True)
    config = tmp_path / f"qrscp-{port}.cfg"
    config.write_text(QRSCP_CONFIG.format(aet=aet, folder=folder))
    with running(
        [tool, "-q", "-c", config, *options, str(port)], log=tmp_path / f"qrscp-{port}.log", ready=lambda: listens(port)
    ):
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
