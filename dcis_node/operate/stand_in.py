"""A stand-in PACS for the demo: a storage SCP in this process that keeps what the node sends back."""

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MammographyCADSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

AET = "DEMO_PACS"
VERIFICATION = "1.2.840.10008.1.1"  # PS3.4 A.4: the C-ECHO service
# What our results may be; the name makes the file's name (never a string of a peer).
CLASSES = {
    BasicTextSRStorage: "SR",
    EnhancedSRStorage: "SR",
    ComprehensiveSRStorage: "SR",
    Comprehensive3DSRStorage: "SR",
    MammographyCADSRStorage: "SR",
    SegmentationStorage: "SEG",
    GrayscaleSoftcopyPresentationStateStorage: "PR",
    SecondaryCaptureImageStorage: "SC",
}


@dataclass(frozen=True)
class Arrived:
    """One object that came back; `dataset_sha256` is of its data set without the file meta information."""

    modality: str
    sop_class_uid: str
    sop_instance_uid: str
    dataset_sha256: str
    path: Path
    at: float


class StandInPacs:
    """Receive results on a free loopback port into a folder.

    Parameters
    ----------
    folder
        Where the objects are written: `SR-1.dcm`, `SEG-1.dcm`, ...
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = threading.Condition()
        self._arrived: list[Arrived] = []
        self._server: ThreadedAssociationServer | None = None
        self.port = 0

    def __enter__(self) -> "StandInPacs":
        self._folder.mkdir(parents=True, exist_ok=True)
        ae = AE(AET)
        for storage_class in CLASSES:
            ae.add_supported_context(storage_class)
        ae.add_supported_context(VERIFICATION)
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None  # noqa: S101 -- for the type checker: None comes of block=True only
        self._server = server
        self.port = int(server.server_address[1])
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)  # noqa: S101 -- for the type checker: the event is EVT_C_STORE
        uids = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        data, modality = event.encoded_dataset(), CLASSES[UID(uids[0])]
        with self._changed:
            number = sum(other.modality == modality for other in self._arrived) + 1
            path = self._folder / f"{modality}-{number}.dcm"
            path.write_bytes(data)
            digest = hashlib.sha256(event.encoded_dataset(include_meta=False)).hexdigest()
            self._arrived.append(Arrived(modality, *uids, dataset_sha256=digest, path=path, at=time.monotonic()))
            self._changed.notify_all()
        return 0x0000

    def arrived(self) -> tuple[Arrived, ...]:
        """Give what has come so far, in order."""
        with self._changed:
            return tuple(self._arrived)

    def wait(self, seconds: float) -> None:
        """Wait until something more comes, at most `seconds`."""
        with self._changed:
            self._changed.wait(seconds)
