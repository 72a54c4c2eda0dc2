"""Small objects, and a sender for them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from sqlalchemy import select

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION
from storage.database import Database
from storage.files import FileStore
from storage.schema import Instance

AET = "NODE"
VERIFICATION = "1.2.840.10008.1.1"


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


@dataclass
class Receiver:
    """A running receiver and what it keeps."""

    port: int
    db: Database
    files: FileStore
    stop: threading.Event
    thread: threading.Thread
    tls_port: int = 0
    told: list = field(default_factory=list)

    def instances(self) -> list[Instance]:
        with self.db.read() as session:
            return list(session.scalars(select(Instance).order_by(Instance.id)))

    def rows(self, table: type) -> list:
        with self.db.read() as session:
            return list(session.scalars(select(table).order_by(table.id)))

    def kept(self, instance: Instance) -> FileDataset:
        return pydicom.dcmread(BytesIO(self.files.read(instance.sha256)))


@dataclass
class Image:
    """What makes one synthetic image; change what a test is about."""

    sop_class: str = MAMMOGRAPHY_FOR_PRESENTATION
    syntax: str = ExplicitVRLittleEndian
    patient_id: str = "CANARY-ID"
    study: str = field(default_factory=generate_uid)
    rows: int = 32
    view: str = "CC"
    side: str = "R"

    def dataset(self, **changes: object) -> Dataset:
        """Build the object; keyword arguments replace its attributes, None removes one."""
        ds = Dataset()
        ds.SOPClassUID = self.sop_class
        ds.SOPInstanceUID = generate_uid()
        ds.StudyInstanceUID = self.study
        ds.SeriesInstanceUID = generate_uid()
        ds.PatientID = self.patient_id
        ds.PatientName = "CANARY^NAME"
        ds.StudyDate = ds.AcquisitionDate = "20261123"
        ds.AcquisitionTime = "080000"
        ds.Modality = "MG"
        ds.PresentationIntentType = "FOR PRESENTATION"
        ds.ImageLaterality = self.side
        ds.ViewPosition = self.view
        ds.ImagerPixelSpacing = [0.1, 0.1]
        ds.PatientOrientation = ["A", "L"]
        ds.Rows = ds.Columns = self.rows
        ds.SamplesPerPixel = 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.PhotometricInterpretation = "MONOCHROME2"
        compressed = UID(self.syntax).is_compressed
        pixels = bytes(2 * self.rows * self.rows)
        ds.PixelData = encapsulate([pixels[:64]]) if compressed else pixels
        ds["PixelData"].VR = "OB" if compressed else "OW"
        for keyword, value in changes.items():
            if value is None:
                delattr(ds, keyword)
            else:
                setattr(ds, keyword, value)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", self.sop_class)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
        ds.file_meta.TransferSyntaxUID = self.syntax
        return ds


def image(**changes: object) -> Dataset:
    return Image().dataset(**changes)


def saved(ds: Dataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


@contextmanager
def associated(
    port: int,
    *datasets: Dataset,
    calling: str = "PACS",
    called: str = AET,
    contexts: tuple[tuple[str, str], ...] = (),
    echo: bool = True,
) -> Iterator[Association]:
    """Associate as an SCU that offers what the data sets need, and echo; released or aborted at the end."""
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    offered = contexts or tuple(
        dict.fromkeys((str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)) for ds in datasets)
    )
    entity.requested_contexts = [
        *([build_context(VERIFICATION)] if echo else []),
        *(build_context(sop_class, syntax) for sop_class, syntax in offered),
    ]
    association = entity.associate("127.0.0.1", port, ae_title=called)
    connection = association.dul.socket.socket
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        if connection is not None:
            connection.close()  # pynetdicom leaves a connection open that was reset


def send(port: int, *datasets: Dataset, calling: str = "PACS") -> list[int | None]:
    """Send over one association; gives the statuses, None where no answer came."""
    with associated(port, *datasets, calling=calling) as association:
        assert association.is_established
        return [association.send_c_store(ds).get("Status") for ds in datasets]


def echo(port: int) -> bool:
    with associated(port) as association:
        return association.is_established and association.send_c_echo().get("Status") == 0x0000
