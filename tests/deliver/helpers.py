"""Objects to send, and a node with an index whose outbox holds results."""

import itertools
import struct
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.deliver.proof_policy import PROOF_DELAY_SECONDS
from dcis_node.deliver.sender import PeerAddress, outgoing_from_file
from storage import outbox
from storage.database import Database
from storage.files import FileStore
from storage.schema import DeliveryAttempt, Outbox, Result

NOW = 1_000_000.0
SENT_AT = NOW + 1
PROOF_DUE = SENT_AT + PROOF_DELAY_SECONDS
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
NUMBERS = itertools.count(1)
CANARY = "CANARY^PATIENT"


def dicom_file(path, *, syntax=ExplicitVRLittleEndian, sop_class=SECONDARY_CAPTURE, size_bytes=1000, uid=None):
    """Write a small object; its number of pixel bytes is even."""
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = uid or f"1.2.826.0.1.9.{next(NUMBERS)}"
    ds.StudyInstanceUID = "1.2.826.0.1.9"
    ds.SeriesInstanceUID = "1.2.826.0.1.9.0"
    ds.PatientName = CANARY
    ds.PatientID = CANARY
    if syntax.is_compressed and not syntax.is_deflated:
        ds.PixelData = encapsulate([bytes(size_bytes)])
    else:
        ds.PixelData = b"\x01\x02" * (size_bytes // 2)
    ds["PixelData"].VR = "OB" if syntax.is_compressed and not syntax.is_deflated else "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, enforce_file_format=True)
    return path


def with_group_length(path):
    """Put the group length (0008,0000) before a data set: retired (PS3.5 7.2), and lost when it is encoded anew."""
    data = path.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    group_end = data.index(b"\x10\x00\x10\x00PN", start)
    element = struct.pack("<HH2sHI", 0x0008, 0x0000, b"UL", 4, group_end - start)
    path.write_bytes(data[:start] + element + data[start:])
    return path


def encoded_dataset(path):
    """Give what follows the file meta information, by its group length (PS3.10 7.1)."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


def address(port, **options):
    return PeerAddress("127.0.0.1", port, **{"aet": "PACS", "calling_aet": "NODE", "timeout_seconds": 5.0, **options})


@dataclass
class Node:
    """An index and files, with results in the outbox."""

    url: str
    db: Database
    files: FileStore
    report_id: int

    def add(self, path, *, destinations=("pacs",), study="1.2", series="1.2.3", now=NOW):
        """Store a file as a result and enqueue it; gives its SOP Instance UID."""
        item = outgoing_from_file(path)
        digest = self.files.put(path.read_bytes())
        with self.db.write() as session:
            result = Result(
                kind="readable_report",
                report_id=self.report_id,
                sop_instance_uid=item.sop_instance_uid,
                sop_class_uid=item.sop_class_uid,
                study_instance_uid=study,
                series_instance_uid=series,
                transfer_syntax_uid=item.transfer_syntax_uid,
                modality="OT",
                sha256=digest,
            )
            session.add(result)
            session.flush()
            outbox.enqueue(session, [result.id], destinations, now=now)
        return item.sop_instance_uid

    def file(self, uid):
        with self.db.read() as session:
            return self.files.path(session.query(Result).filter(Result.sop_instance_uid == uid).one().sha256)

    def states(self, destination="pacs"):
        return outbox.counts(self.db).get(destination, {})

    def row(self, uid, destination="pacs"):
        with self.db.read() as session:
            return (
                session.query(Outbox)
                .join(Result, Result.id == Outbox.result_id)
                .filter(Result.sop_instance_uid == uid, Outbox.destination == destination)
                .one()
            )

    def attempts(self, uid):
        with self.db.read() as session:
            rows = (
                session.query(DeliveryAttempt)
                .join(Outbox, Outbox.id == DeliveryAttempt.outbox_id)
                .join(Result, Result.id == Outbox.result_id)
                .filter(Result.sop_instance_uid == uid)
                .order_by(DeliveryAttempt.id)
            )
            return [(row.status, row.error) for row in rows]
