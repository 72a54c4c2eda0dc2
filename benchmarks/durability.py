"""What the figures on durability share: real receivers, senders that remember, and the comparison afterwards."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dsutils import encode
from sqlalchemy import select, text

from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import StorageError
from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION as MAMMOGRAM
from dcis_node.operate.listener import bind_listener
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.schema import Instance
from tests.peer_tools import wait_until

AET = "DCIS_NODE"
SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
PATIENCE_SECONDS = 30.0
CONFIG = """
[storage]
reserve_bytes = {reserve}
[receive]
port = 0
processes = {processes}
max_associations = 200
max_associations_per_aet = 200
max_associations_per_address = 200
"""


def image(source: random.Random, size_bytes: int) -> Dataset:
    """Make a mammogram whose pixels are random bytes, about so large; its UIDs are always of one length."""
    side = max(8, round((size_bytes / 2) ** 0.5))
    ds = Dataset()
    ds.SOPClassUID = MAMMOGRAM
    ds.SOPInstanceUID = f"2.25.{source.getrandbits(122) | 1 << 122:037d}"
    ds.StudyInstanceUID = f"2.25.{source.getrandbits(122) | 1 << 122:037d}"
    ds.SeriesInstanceUID = f"{ds.StudyInstanceUID}.1"
    ds.PatientID = f"BENCH-{source.getrandbits(32):08x}"
    ds.StudyDate = "20260101"
    ds.Modality = "MG"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality, ds.ViewPosition = source.choice("LR"), source.choice(("CC", "MLO"))
    ds.Rows = ds.Columns = side
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = source.randbytes(2 * side * side)
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def data_set_digest(ds: Dataset) -> str:
    """Digest the data set as it crosses the wire."""
    return hashlib.sha256(encode(ds, False, True)).hexdigest()  # noqa: FBT003 -- explicit VR, little endian


@dataclass
class Answers:
    """What senders were told. `acknowledged`: SOP Instance UID and digest of its data set; `unknown`: no answer."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    unknown: int = 0
    not_associated: int = 0
    slowest_seconds: float = 0.0
    acknowledged_at: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, ds: Dataset, digest: str, status: int | None, seconds: float) -> None:
        """Remember one answer; None where none came."""
        with self.lock:
            if status is None:
                self.unknown += 1
                return
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.slowest_seconds = max(self.slowest_seconds, seconds)
            if status == SUCCESS:
                self.acknowledged[str(ds.SOPInstanceUID)] = digest
                self.acknowledged_at.append(time.monotonic())

    def told(self) -> dict[str, int]:
        """Count answers by status, as hexadecimal text."""
        with self.lock:
            return {f"0x{status:04X}": count for status, count in sorted(self.statuses.items())}


class Senders:
    """Threads that send one image after another until the block ends; what is not acknowledged is sent again."""

    def __init__(
        self,
        port: int,
        answers: Answers,
        *,
        count: int,
        size_bytes: Callable[[random.Random], int],
        aet: str = AET,
        per_association: int = 10,
        seed: int = 0,
        retry_seconds: float = 0.05,
    ) -> None:
        self._port, self._answers, self._aet = port, answers, aet
        self._size_bytes, self._per_association = size_bytes, per_association
        self._retry_seconds = retry_seconds
        self._stop = threading.Event()
        seeds = [seed * 1000 + number for number in range(count)]
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in seeds]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_SECONDS)

    def _run(self, seed: int) -> None:
        source = random.Random(seed)  # noqa: S311 -- images and sizes, no secret
        waiting = image(source, self._size_bytes(source))
        while not self._stop.is_set():
            entity = AE(ae_title=f"SENDER{seed % 1000}")
            entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = PATIENCE_SECONDS
            entity.add_requested_context(MAMMOGRAM, ExplicitVRLittleEndian)
            association = entity.associate("127.0.0.1", self._port, ae_title=self._aet, max_pdu=131072)
            connection = association.dul.socket.socket if association.dul.socket else None
            self._answers.not_associated += not association.is_established
            try:
                for _ in range(self._per_association):
                    if not association.is_established or self._stop.is_set():
                        break
                    began = time.monotonic()
                    status = association.send_c_store(waiting).get("Status")
                    self._answers.note(waiting, data_set_digest(waiting), status, time.monotonic() - began)
                    if status == SUCCESS:
                        waiting = image(source, self._size_bytes(source))
                    else:
                        self._stop.wait(self._retry_seconds)
            finally:
                if association.is_established:
                    association.release()
                if connection is not None:
                    connection.close()
            if not association.is_released:
                self._stop.wait(self._retry_seconds)


class Receivers:
    """Receiver processes as `dcis-node run` starts them, on one listening socket; each can be killed by number.

    The supervisor itself is not in the way: it waits longer and longer before it starts a child again that dies at
    once, and here children are to die often.

    Parameters
    ----------
    folder
        Gets config, logs and data.
    command
        How Python is told to be dcis-node: a control may put a weaker one here.
    wrapper
        Program and options that stand before Python, such as strace.
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 2,
        reserve_bytes: int = 0,
        command: Sequence[str] = ("-m", "dcis_node"),
        wrapper: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.format(reserve=reserve_bytes, processes=count), encoding="utf-8")
        self.configuration: Configuration = load_configuration(self.config)
        self.configuration.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        upgrade(self.configuration.index_url)
        self.files = FileStore(self.configuration.folder / "store")
        self._listener: socket.socket = bind_listener(self.configuration.receive)
        self.port = int(self._listener.getsockname()[1])
        self._lifeline = os.pipe()
        self._command, self._wrapper = tuple(command), tuple(wrapper)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        for number in range(count):
            self.start(number)
        for number in range(count):
            self.wait(number)

    def __enter__(self) -> "Receivers":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, number: int) -> None:
        """Start one receiver; returns at once."""
        listener, lifeline = self._listener.fileno(), self._lifeline[0]
        arguments = ("run", "receive", "--config", str(self.config), "--name", f"receive-{number}")
        inherited = ("--listen-fd", str(listener), "--lifeline-fd", str(lifeline))
        with (self.folder / f"receive-{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                [*self._wrapper, sys.executable, *self._command, *arguments, *inherited],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listener, lifeline),
            )

    def wait(self, number: int) -> None:
        """Wait until one receiver accepts connections."""
        pid = f"pid={self.processes[number].pid}\n" if not self._wrapper else "pid="
        log = self.folder / f"receive-{number}.log"

        def ready() -> bool:
            said = log.read_text(errors="replace")
            return "event=receiver_started" in said[max(0, said.rfind(pid)) :] if pid in said else False

        wait_until(ready, f"receive-{number} is ready (see {log})", seconds=2 * PATIENCE_SECONDS)

    def kill(self, number: int) -> None:
        """End one receiver by SIGKILL."""
        self.processes[number].send_signal(signal.SIGKILL)
        self.processes[number].wait()

    def stop(self) -> None:
        """End all by SIGTERM."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(2 * PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for descriptor in self._lifeline:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._listener.close()

    def logs(self) -> str:
        """Give what all of them have logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("receive-*.log")))


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open an index for a while."""
    db = open_database(url)
    try:
        yield db
    finally:
        db.close()


def compare(receivers: Receivers, acknowledged: dict[str, str]) -> dict[str, int]:
    """Hold what was acknowledged against index and files; to be called when no receiver runs.

    Returns
    -------
    dict
        `acknowledged`; of these `not_in_index`, `file_missing_or_damaged` (by its SHA-256) and `other_data_set` (than
        was sent); `stray_parts` after the sweep that every start makes; `index_faults` (PRAGMA quick_check).
    """
    swept = receivers.files.sweep_incoming()
    with opened(receivers.configuration.index_url) as db, db.read() as session:
        known = {row.sop_instance_uid: row.sha256 for row in session.scalars(select(Instance))}
        check = session.execute(text("PRAGMA quick_check")).scalars().all()
    lost = damaged = other = 0
    for uid, digest in acknowledged.items():
        if uid not in known:
            lost += 1
            continue
        try:
            data = receivers.files.read(known[uid])
        except StorageError:
            damaged += 1
            continue
        other += hashlib.sha256(data[data_set_begins(data) :]).hexdigest() != digest
    return {
        "acknowledged": len(acknowledged),
        "not_in_index": lost,
        "file_missing_or_damaged": damaged,
        "other_data_set": other,
        "stray_parts": len(list(receivers.files.incoming.iterdir())),
        "parts_swept": swept,
        "index_faults": 0 if check == ["ok"] else len(check),
        "in_index": len(known),
    }


def nothing_opens(acknowledged: dict[str, str]) -> dict[str, int]:
    """Give the figures of `compare` for an index that is damaged so that nothing can be asked: all of it is lost."""
    lost = len(acknowledged)
    none = dict.fromkeys(("file_missing_or_damaged", "other_data_set", "stray_parts", "parts_swept", "in_index"), 0)
    return {"acknowledged": lost, "not_in_index": lost, "index_faults": 1, **none}


def lost_in(comparison: dict[str, int]) -> int:
    """Count what was acknowledged and is not there whole."""
    return sum(comparison[name] for name in ("not_in_index", "file_missing_or_damaged", "other_data_set"))


def data_set_begins(data: bytes) -> int:
    """Give where the data set begins in a file: behind preamble, prefix and File Meta Information (PS3.10 7.1)."""
    return 144 + int.from_bytes(data[140:144], "little")
