"""PDUs by hand, for peers that misbehave."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.dimse_messages import C_ECHO_RQ, C_FIND_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.sop_class import Verification

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION

ACCEPTED, REJECTED, P_DATA, RELEASE_RQ, ABORT = 0x02, 0x03, 0x04, 0x05, 0x07
DATA, COMMAND, LAST = 0, 1, 2
CONTEXT = 1


def request_pdu(called: str = "NODE", calling: str = "PACS", *, sop_class: str = MAMMOGRAPHY_FOR_PRESENTATION) -> bytes:
    context = build_context(sop_class, ExplicitVRLittleEndian)
    context.context_id = CONTEXT
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16382
    implementation.implementation_class_uid = "1.2.3"
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.user_information = [length, implementation]
    primitive.presentation_context_definition_list = [context]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def fragment(control: int, data: bytes, *, context: int = CONTEXT) -> bytes:
    """A P-DATA-TF PDU with one fragment."""
    value = struct.pack(">LBB", len(data) + 2, context, control) + data
    return struct.pack(">BBL", P_DATA, 0, len(value)) + value


def store_command(uid: str = "1.2.3.4", sop_class: str = MAMMOGRAPHY_FOR_PRESENTATION) -> bytes:
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
    request.DataSet = BytesIO(b"x")
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return encode(message.command_set, True, True)


def echo_command() -> bytes:
    request = C_ECHO()
    request.MessageID = 1
    request.AffectedSOPClassUID = Verification
    message = C_ECHO_RQ()
    message.primitive_to_message(request)
    return encode(message.command_set, True, True)


def find_command() -> bytes:
    request = C_FIND()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID = MAMMOGRAPHY_FOR_PRESENTATION
    request.Identifier = BytesIO(b"x")
    message = C_FIND_RQ()
    message.primitive_to_message(request)
    return encode(message.command_set, True, True)


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Read one PDU: type and value; (0, b"") at the end of the connection."""
    head = _read(connection, 6)
    if len(head) < 6:
        return 0, b""
    kind, _, length = struct.unpack(">BBL", head)
    return kind, _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        try:
            piece = connection.recv(length - len(data))
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    return data


@contextmanager
def raw_association(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request_pdu())
        kind, _ = read_pdu(connection)
        assert kind == ACCEPTED
        yield connection
