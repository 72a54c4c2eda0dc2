"""Values of asking: whom, and what went wrong."""

from dataclasses import dataclass

from dcis_node.bcp195 import ClientTls
from dcis_node.requestor import Cause, NotAssociated

UNKNOWN_DESTINATION = 0xA801  # PS3.4 Table C.4-2: Refused: Move Destination unknown
UNABLE = range(0xC000, 0xD000)  # the same table: Failed: Unable to process


@dataclass(frozen=True)
class Source:
    """A query/retrieve SCP that is asked.

    Parameters
    ----------
    calling_aet, move_to
        Our AE titles: towards it, and as it knows us when it sends images.
    timeout_seconds
        Longest wait for each of: the connection, the answer to the association request, progress on the network, and
        the next answer to a query.
    move_timeout_seconds
        Longest silence while it moves images.
    tls
        None if it is asked without.
    """

    name: str
    host: str
    port: int
    aet: str
    calling_aet: str = "DCIS_NODE"
    move_to: str = "DCIS_NODE"
    timeout_seconds: float = 20.0
    move_timeout_seconds: float = 60.0
    max_pdu_bytes: int = 131072
    tls: ClientTls | None = None

    def __str__(self) -> str:
        return f"{self.aet} at {self.host}:{self.port}"


class Trouble(Exception):  # noqa: N818 -- an outcome within this room, not an error of the tree
    """A source did not do what it was asked for.

    Parameters
    ----------
    text
        What happened, in an administrator's words. Never holds the peer's text, nor a value of a patient.
    permanent
        True if it will say the same again in a minute.
    """

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


_REJECTIONS = {
    (1, 3): "it does not know our AE title {calling!r}: enter it there, or change calling_aet here",
    (1, 7): "its AE title is not {called!r}: correct aet of the source",
    (3, 1): "temporary congestion",
    (3, 2): "its limit of associations is reached",
}
_STATUSES = {
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0xA701: "out of resources, cannot count the images",
    0xA702: "out of resources, cannot send the images",
    0xA700: "out of resources",
    0xA900: "it does not understand what was asked for",
    0xFE00: "it cancelled",
}
_PERMANENT = frozenset({0x0122, 0x0124, UNKNOWN_DESTINATION, 0xA900})


_CAUSES = {
    Cause.NO_CONNECTION: "no connection to {source}{detail}",
    Cause.CONNECT_TIMEOUT: "no connection to {source} within {source.timeout_seconds:g} s",
    Cause.TLS: "no TLS with {source}{detail}",
    Cause.NO_ASSOCIATION: "{source} did not answer the association request{detail}",
    Cause.NO_CONTEXT: "{source} does not offer query and retrieve (Study Root FIND and MOVE)",
}


def trouble_of(source: Source, error: NotAssociated) -> Trouble:
    """Put in words why no association came about (rejections: PS3.8 Table 9-21; result 1 is permanent)."""
    if error.rejection is not None:
        origin, reason = error.rejection.source, error.rejection.reason
        words = _REJECTIONS.get((origin, reason), f"source {origin}, reason {reason}")
        words = words.format(calling=source.calling_aet, called=source.aet)
        return Trouble(f"{source} rejected the association: {words}", permanent=error.rejection.result == 1)
    detail = f" ({error.detail})" if error.detail else ""
    text = _CAUSES[error.cause].format(source=source, detail=detail)
    return Trouble(text, permanent=error.cause in {Cause.TLS, Cause.NO_CONTEXT})


def refusal_of(source: Source, service: str, status: int) -> Trouble:
    """Put the status that ended a query or a move in words (PS3.4 Tables C.4-1 and C.4-2)."""
    if status == UNKNOWN_DESTINATION:
        words = (
            f"it does not know {source.move_to!r} as a destination of images: enter us there, with our host and port, "
            "or change move_to here"
        )
    elif service == "C-MOVE" and status in UNABLE:
        words = (
            f"unable to process. Some sources say so (Orthanc: 0xC000) when they do not know {source.move_to!r} as a "
            "destination of images: look whether we are entered there"
        )
    else:
        words = _STATUSES.get(status, "it failed")
    return Trouble(f"{source} answered {service} with 0x{status:04X}: {words}", permanent=status in _PERMANENT)
