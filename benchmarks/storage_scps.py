"""The receivers that are compared: this node's receiver processes, Orthanc, storescp --fork, plain pynetdicom."""

import contextlib
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import descendants, peak_mb, processor_seconds
from dcis_node.config import load_configuration
from dcis_node.operate.listener import bind_listener
from dcis_node.operate.node import prepare
from dcis_node.operate.supervisor import Supervisor, child_specs
from storage.database import open_database
from storage.files import FileStore
from storage.heartbeat import beats
from storage.schema import Instance
from tests.peers import free_port, listens, orthanc, require, running, wait_until

MAX_PDU = 131072  # the same for all; Orthanc's and DCMTK's own default is 16384, and slower
NODE, ORTHANC, STORESCP, PYNETDICOM = "node", "orthanc", "storescp", "pynetdicom"
# What each has on disk when it says that an object is stored.
DURABLE = {
    NODE: "file, folder and index (fsync, synchronous=FULL)",
    ORTHANC: "file (SyncStorageArea: fdatasync); not the folder, and not the last rows of the index",
    STORESCP: "nothing: never calls fsync",
    PYNETDICOM: "nothing: the handler writes the file",
}

# What pynetdicom's documentation shows, with the encoded bytes written as they came.
PLAIN = """
import sys
from pathlib import Path
from pynetdicom import AE, AllStoragePresentationContexts, evt

folder, port, max_pdu = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def store(event):
    (folder / (event.request.AffectedSOPInstanceUID + ".dcm")).write_bytes(event.encoded_dataset())
    return 0x0000

entity = AE(ae_title="PLAIN")
entity.maximum_pdu_size = max_pdu
entity.maximum_associations = 100
for context in AllStoragePresentationContexts:
    entity.add_supported_context(context.abstract_syntax)
entity.add_supported_context("1.2.840.10008.1.1")
entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


@dataclass(frozen=True)
class Scp:
    """A running receiver.

    Parameters
    ----------
    kept
        Counts the objects it has.
    objects
        Gives UID and file of each object, checked against its digest; for this node only.
    processes
        Lists its processes by name.
    """

    aet: str
    port: int
    kept: Callable[[], int]
    processes: Callable[[], dict[str, int]]
    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    objects: Callable[[], Iterator[tuple[str, bytes]]] = lambda: iter(())

    def peaks_mb(self) -> dict[str, float]:
        """Give the peak memory of each of its processes."""
        return {name: peak_mb(pid) for name, pid in self.processes().items()}

    def processor_seconds(self) -> float:
        """Give the processor time of all its processes so far."""
        return sum(processor_seconds(pid) for pid in self.processes().values())


@contextlib.contextmanager
def started(kind: str, folder: Path, *, config: str = "") -> Iterator[Scp]:
    """Run one of the receivers in a fresh folder.

    Parameters
    ----------
    config
        Further text of this node's config.toml; its section [receive] is open.
    """
    folder.mkdir(parents=True)
    with {NODE: _node, ORTHANC: _orthanc, STORESCP: _storescp, PYNETDICOM: _plain}[kind](folder, config) as scp:
        yield scp


@contextlib.contextmanager
def _node(folder: Path, config: str) -> Iterator[Scp]:
    """Start the receivers as `dcis-node run` does, without the processes that analyse and send."""
    file = folder / "config.toml"
    file.write_text(f'[node]\nlog_level = "ERROR"\n[receive]\nport = 0\n{config}', encoding="utf-8")
    configuration = load_configuration(file)
    with contextlib.closing(bind_listener(configuration.receive)) as listener:
        prepare(configuration)
        specs = child_specs(file, receivers=configuration.receive.processes, listener=listener.fileno())
        receivers = [spec for spec in specs if spec.name.startswith("receive")]
        supervisor = Supervisor(receivers)
        supervisor.round()
        db = open_database(configuration.index_url)
        files = FileStore(configuration.folder / "store")

        def processes() -> dict[str, int]:
            with db.read() as session:
                return {beat.process: beat.pid for beat in beats(session)}

        def instances() -> list[Instance]:
            with db.read() as session:
                return list(session.query(Instance))

        def objects() -> Iterator[tuple[str, bytes]]:
            for row in instances():
                yield row.sop_instance_uid, files.read(row.sha256)  # raises if the bytes have another digest

        try:
            wait_until(lambda: len(processes()) == len(receivers), "the receivers are up", seconds=60)
            yield Scp(
                configuration.node.aet,
                listener.getsockname()[1],
                lambda: len(instances()),
                processes,
                folder,
                {"processes": len(receivers)},
                objects,
            )
        finally:
            db.close()
            supervisor.end()


@contextlib.contextmanager
def _orthanc(folder: Path, _config: str) -> Iterator[Scp]:
    settings = {"SyncStorageArea": True, "MaximumPduLength": MAX_PDU}
    with orthanc(folder, **settings) as peer:
        yield Scp(
            peer.aet,
            peer.dicom_port,
            lambda: peer.json("/statistics")["CountInstances"],
            lambda: _below("Orthanc"),
            folder,
            {**settings, "version": peer.json("/system")["Version"]},
        )


@contextlib.contextmanager
def _storescp(folder: Path, _config: str) -> Iterator[Scp]:
    port, objects = free_port(), folder / "objects"
    objects.mkdir()
    # +B: the bytes as they come, its fastest way.
    options = ["--fork", "--max-pdu", str(MAX_PDU), "-q", "+xa", "+B", "-uf"]
    arguments = [require("storescp"), *options, "-aet", "STORESCP", "-od", objects, str(port)]
    with running(arguments, log=folder / "log", ready=lambda: listens(port)):
        yield Scp(
            "STORESCP",
            port,
            lambda: len(list(objects.iterdir())),
            lambda: _below("storescp"),
            folder,
            {"options": options},
        )


@contextlib.contextmanager
def _plain(folder: Path, _config: str) -> Iterator[Scp]:
    port, objects = free_port(), folder / "objects"
    objects.mkdir()
    arguments = [sys.executable, "-c", textwrap.dedent(PLAIN), objects, str(port), str(MAX_PDU)]
    with running(arguments, log=folder / "log", ready=lambda: listens(port)):
        yield Scp("PLAIN", port, lambda: len(list(objects.iterdir())), lambda: _below("python"), folder)


def _below(name: str) -> dict[str, int]:
    """Name the processes below this one that run a program."""
    found = {}
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith(name):
                found[f"{name}-{len(found)}"] = pid
    return found
