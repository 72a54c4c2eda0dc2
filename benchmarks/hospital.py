"""The modalities of a hospital: small exams with the header of real mammograms, and senders that do not give up."""

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.durability import data_set_begins
from dcis_node.deliver.outcome import Outgoing, PeerAddress
from dcis_node.deliver.sender import outgoing_from_file
from dcis_node.operate.sending import send_outgoing
from tests.analyse.objects import FOR_PROCESSING, encoded, mammogram, other_class

VIEWS = ("R CC", "L CC", "R MLO", "L MLO")
AET = "DCIS_NODE"
RETRY_SECONDS = 0.5
IMAGES_OF_AN_EXAM = 10  # numbers of UIDs that one exam may use


def study_of(exam: int) -> str:
    """Give the Study Instance UID of an exam."""
    return f"1.2.4.{exam}"


def view(exam: int, place: int, *, date: str) -> bytes:
    """Give the file of one of the four views of an exam; the same numbers give the same bytes."""
    number = IMAGES_OF_AN_EXAM * exam + place
    return encoded(mammogram(number, VIEWS[place], patient=f"P{exam}", StudyDate=date, AcquisitionDate=date))


def raw_view(exam: int, place: int, *, date: str) -> bytes:
    """Give a view FOR PROCESSING: an image that the node refuses to analyse, and has to say so."""
    number = IMAGES_OF_AN_EXAM * exam + len(VIEWS) + place
    ds = other_class(number, FOR_PROCESSING, "MG", patient=f"P{exam}", StudyDate=date, AcquisitionDate=date)
    ds.PresentationIntentType = "FOR PROCESSING"
    return encoded(ds)


@dataclass
class Acknowledged:
    """What the senders were told: SOP Instance UID and digest of the data set of each image that was taken."""

    images: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, item: Outgoing, data: bytes, *, stored: bool, status: int | None) -> None:
        """Keep one answer."""
        name = "none" if status is None else f"0x{status:04X}"
        with self.lock:
            self.answers[name] = self.answers.get(name, 0) + 1
            if stored:
                self.images[item.sop_instance_uid] = hashlib.sha256(data[data_set_begins(data) :]).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """What is sent together, over one association: files by their bytes."""

    name: str
    files: tuple[bytes, ...]


class Modalities:
    """Threads that send parcels in the order given; what is not acknowledged is sent again until it is.

    Parameters
    ----------
    port
        Where the node listens.
    folder
        For the files on their way.
    on_sent
        Called with the name of each parcel when all of it is acknowledged.
    """

    def __init__(
        self,
        port: int,
        folder: Path,
        acknowledged: Acknowledged,
        *,
        count: int = 3,
        on_sent: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._port, self._folder, self._acknowledged, self._on_sent = port, folder, acknowledged, on_sent
        self._waiting: queue.Queue[Parcel | None] = queue.Queue()
        self._stop = threading.Event()
        folder.mkdir(exist_ok=True)
        self._threads = [threading.Thread(target=self._run, args=(f"MODALITY{number}",)) for number in range(count)]
        self.busy = 0

    def __enter__(self) -> "Modalities":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(60)

    def send(self, parcel: Parcel) -> None:
        """Let a parcel be sent when a modality is free."""
        with self._acknowledged.lock:
            self.busy += 1
        self._waiting.put(parcel)

    def _run(self, aet: str) -> None:
        while (parcel := self._waiting.get()) is not None and not self._stop.is_set():
            paths = [self._write(parcel, number, data) for number, data in enumerate(parcel.files)]
            peer = PeerAddress(host="127.0.0.1", port=self._port, aet=AET, calling_aet=aet, timeout_seconds=30.0)
            self._until_taken(paths, peer)
            for path in paths:
                path.unlink()
            with self._acknowledged.lock:
                self.busy -= 1
            self._on_sent(parcel.name)

    def _write(self, parcel: Parcel, number: int, data: bytes) -> Path:
        path = self._folder / f"{parcel.name}-{number}.dcm"
        path.write_bytes(data)
        return path

    def _until_taken(self, paths: Sequence[Path], peer: PeerAddress) -> None:
        left = {path: outgoing_from_file(path) for path in paths}
        while left and not self._stop.is_set():
            for line in send_outgoing(tuple(left.values()), peer):
                item = left[line.path]
                self._acknowledged.note(item, line.path.read_bytes(), stored=line.stored, status=line.status)
                if line.stored:
                    del left[line.path]
            if left:
                self._stop.wait(RETRY_SECONDS)
