"""An association for queries and moves, with a limit on what a peer may send over it."""

import contextlib
import socket
from collections.abc import Iterator

from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF

from dcis_node.requestor import NotAssociated, leave, request_association, socket_of
from dcis_node.retrieve.source import Source, Trouble, trouble_of

# PS3.6: Study Root Query/Retrieve Information Model - FIND and - MOVE.
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
# Answers to the queries for one exam: a thousand matches of a kilobyte are one megabyte.
MOST_BYTES = 32 * 1024 * 1024


@contextlib.contextmanager
def association_with(source: Source, *, most_bytes: int = MOST_BYTES) -> Iterator[Association]:
    """Open an association with a source for C-FIND and C-MOVE, and leave it at the end of the block.

    Parameters
    ----------
    most_bytes
        A peer that sends more over it is cut off.

    Raises
    ------
    Trouble
        None came about, within about three times `source.timeout_seconds`; or the peer does not offer both services.
    """
    counted: list[evt.EventHandlerType] = [(evt.EVT_PDU_RECV, _count, [[most_bytes]])]
    try:
        association = request_association(source, [build_context(FIND), build_context(MOVE)], also=counted)
    except NotAssociated as error:
        raise trouble_of(source, error) from error
    try:
        accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
        if not accepted >= {FIND, MOVE}:
            raise Trouble(f"{source} does not offer query and retrieve (Study Root FIND and MOVE)", permanent=True)
        yield association
    finally:
        leave(association)


def _count(event: evt.Event, left: list[int]) -> None:
    """Take what has come from what may still come, and cut the connection when nothing is left."""
    if isinstance(event.pdu, P_DATA_TF):
        left[0] -= len(event.pdu)
        if left[0] < 0:
            with contextlib.suppress(OSError):
                socket_of(event.assoc).shutdown(socket.SHUT_RDWR)
