"""A storage SCU that costs next to no processor time: PDUs are built before the clock starts and sent from memory.

DCMTK's storescu and pynetdicom's SCU take more time per object than a fast receiver does; with them, the sender would
be measured. What is sent is the same for every peer but for the PDU length, which the peer chooses (PS3.8 D.1).
"""

import random
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STORE_CONTEXT, ECHO_CONTEXT = 1, 3
ACCEPT, REJECT, P_DATA, RELEASE_RQ = 0x02, 0x03, 0x04, 0x05
COMMAND, LAST = 1, 2  # PS3.8 E.2
STATUS = (0x0000, 0x0900)
BLOCK_BYTES = 8 * 1024 * 1024
UID_LENGTH = 40  # every object of a kind has the same length, so that its UID can be put in place
PLACEHOLDER = "9" * UID_LENGTH


class Refused(Exception):  # noqa: N818 -- an answer
    """A-ASSOCIATE-RJ, with result, source and reason (PS3.8 9.3.4)."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"refused {result}/{source}/{reason}")
        self.answer = (result, source, reason)


def new_uid(generator: random.Random) -> str:
    """Give a UID of `UID_LENGTH` characters."""
    return "2.25." + str(generator.randrange(10 ** (UID_LENGTH - 6), 10 ** (UID_LENGTH - 5)))


@dataclass(frozen=True)
class Template:
    """An object of a given size, of which there may be many, each with its own UID.

    The pixels are 12-bit noise in which a block repeats: what compresses single images gains nothing.
    """

    header: bytes
    block: bytes
    pixel_bytes: int

    @property
    def size_bytes(self) -> int:
        """Give the length of the data set."""
        return len(self.header) + self.pixel_bytes

    def data_set(self, uid: str) -> bytes:
        """Write the data set of one object."""
        whole, rest = divmod(self.pixel_bytes, len(self.block))
        return b"".join((self.header_of(uid), *[self.block] * whole, self.block[:rest]))

    def header_of(self, uid: str) -> bytes:
        return self.header.replace(PLACEHOLDER.encode(), uid.encode())


@dataclass(frozen=True)
class Sendable:
    """A template cut into PDUs for one peer; the pixels are shared by all objects, and by the blocks of a large one."""

    part: Template
    pixels: tuple[memoryview, ...]
    last: bytes

    def pdus(self, uid: str) -> Iterator[bytes | memoryview]:
        """Give request and data set of one object as it goes over the wire."""
        yield command_pdu(store_command(uid), STORE_CONTEXT) + data_pdu(self.part.header_of(uid))
        yield from self.pixels
        yield self.last


def sendable(part: Template, max_pdu: int) -> Sendable:
    """Cut a template into P-DATA-TF PDUs of one fragment each (PS3.8 9.3.5), as long as the peer allows."""
    step = max_pdu - 6
    cut = [part.block[at : at + step] for at in range(0, len(part.block), step)]
    block = memoryview(b"".join(map(data_pdu, cut)))
    whole, rest = divmod(part.pixel_bytes, len(part.block))
    if not rest:
        whole, rest = whole - 1, len(part.block)
    tail = [part.block[at : min(at + step, rest)] for at in range(0, rest, step)]
    last = b"".join(map(data_pdu, tail[:-1])) + data_pdu(tail[-1], last=True)
    return Sendable(part, (block,) * whole, last)


def template(pixel_bytes: int, *, frames: int = 1) -> Template:
    """Make an image of so many bytes of pixels (even)."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = MAMMOGRAM, PLACEHOLDER
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.1", "2.25.1.1"
    ds.StudyDate = ds.AcquisitionDate = "20260101"
    ds.StudyTime = ds.AcquisitionTime = "080000"
    ds.AccessionNumber = ds.StudyID = "1"
    ds.Modality, ds.PresentationIntentType, ds.Manufacturer = "MG", "FOR PRESENTATION", "MAKER"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Bench^Mark", "BENCH-1", "19600101", "F"
    ds.ImageLaterality, ds.ViewPosition = "R", "CC"
    ds.SeriesNumber, ds.InstanceNumber, ds.NumberOfFrames = 1, 1, frames
    ds.PatientOrientation, ds.ImagerPixelSpacing = ["A", "L"], [0.07, 0.07]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Columns = 3328
    ds.Rows = min(65535, pixel_bytes // frames // 2 // 3328)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    tag = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, pixel_bytes)
    noise = bytearray(random.Random(1).randbytes(min(pixel_bytes, BLOCK_BYTES)))  # noqa: S311 -- noise, no secret
    noise[1::2] = bytes(value & 0x0F for value in noise[1::2])
    return Template(bytes(buffer.getvalue()) + tag, bytes(noise), pixel_bytes)


def data_pdu(piece: bytes, *, last: bool = False) -> bytes:
    """Write a fragment of a data set as one PDU."""
    control = LAST if last else 0
    return struct.pack(">BBLLBB", P_DATA, 0, len(piece) + 6, len(piece) + 2, STORE_CONTEXT, control) + piece


def command_pdu(message: bytes, context: int) -> bytes:
    """Write a command set as one PDU."""
    return struct.pack(">BBLLBB", P_DATA, 0, len(message) + 6, len(message) + 2, context, COMMAND | LAST) + message


def store_command(uid: str) -> bytes:
    """Encode a C-STORE-RQ command set."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MAMMOGRAM, uid
    request.DataSet = BytesIO(b"x")
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return encode(message.command_set, True, True)  # noqa: FBT003 -- implicit, little endian


def echo_command() -> bytes:
    """Encode a C-ECHO-RQ command set."""
    request = C_ECHO()
    request.MessageID, request.AffectedSOPClassUID = 1, VERIFICATION
    message = C_ECHO_RQ()
    message.primitive_to_message(request)
    return encode(message.command_set, True, True)  # noqa: FBT003 -- implicit, little endian


def request_pdu(called: str, calling: str) -> bytes:
    """Encode an A-ASSOCIATE-RQ that offers mammograms and C-ECHO."""
    offered = []
    for number, abstract in ((STORE_CONTEXT, MAMMOGRAM), (ECHO_CONTEXT, VERIFICATION)):
        context = build_context(abstract, ExplicitVRLittleEndian)
        context.context_id = number
        offered.append(context)
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = UID("2.25.2")
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.user_information = [length, implementation]
    primitive.presentation_context_definition_list = offered
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


class RawScu:
    """One association.

    Raises
    ------
    Refused
        The association was rejected.
    ConnectionError
        It was aborted or the connection closed.
    """

    def __init__(self, port: int, request: bytes, *, timeout_seconds: float = 120.0) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.max_pdu = self._associate(request)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "RawScu":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def store(self, pdus_of_object: Iterable[bytes | memoryview]) -> int:
        """Send an object, and wait for its status."""
        for piece in pdus_of_object:
            self._connection.sendall(piece)
        return self._status()

    def echo(self, command: bytes) -> int:
        """Send a C-ECHO, and wait for its status."""
        self._connection.sendall(command)
        return self._status()

    def release(self) -> None:
        """Release the association, and wait for the answer."""
        self._connection.sendall(struct.pack(">BBLL", RELEASE_RQ, 0, 4, 0))
        self._read_pdu()

    def _associate(self, request: bytes) -> int:
        self._connection.sendall(request)
        kind, pdu = self._read_pdu()
        if kind == REJECT:
            refusal = A_ASSOCIATE_RJ()
            refusal.decode(pdu)
            raise Refused(refusal.result, refusal.source, refusal.reason_diagnostic)
        if kind != ACCEPT:
            raise ConnectionError(f"PDU of type {kind} in place of an answer to the association request")
        accepted = A_ASSOCIATE_AC()
        accepted.decode(pdu)
        if any(item.result for item in accepted.presentation_context):
            raise ConnectionError("a presentation context was refused")
        return min(accepted.user_information.maximum_length or 131072, 131072)

    def _status(self) -> int:
        command = b""
        while True:
            kind, pdu = self._read_pdu()
            if kind != P_DATA:
                raise ConnectionError(f"PDU of type {kind} in place of an answer")
            control = pdu[11]
            command += pdu[12:]
            if control & LAST:
                return _status_of(command)

    def _read_pdu(self) -> tuple[int, bytes]:
        head = self._read(6)
        return head[0], head + self._read(struct.unpack(">L", head[2:])[0])

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self._connection.recv(length - len(data))
            if not piece:
                raise ConnectionError("the peer closed the connection")
            data += piece
        return data


def _status_of(command: bytes) -> int:
    at = 0
    while at < len(command):
        group, element, length = struct.unpack_from("<HHL", command, at)
        if (group, element) == STATUS:
            return int.from_bytes(command[at + 8 : at + 8 + length], "little")
        at += 8 + length
    raise ConnectionError("an answer without a status")
