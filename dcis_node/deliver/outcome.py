"""Values of sending: where to, what, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dcis_node.bcp195 import ClientTls
from dcis_node.requestor import Rejection


@dataclass(frozen=True)
class PeerAddress:
    """A peer that stores objects.

    Parameters
    ----------
    host, port
        Where it listens; IPv4, IPv6 or a host name.
    aet
        Called AE title: its own.
    calling_aet
        Calling AE title: ours.
    timeout_seconds
        Longest wait for each of: the connection, the answer to the association request, progress on the network, and
        (beside the time of the transfer) the answer to a request.
    max_pdu_bytes
        Largest PDU that we announce to it.
    implicit
        True if objects in Explicit VR Little Endian may go as Implicit VR Little Endian where it takes nothing else.
    tls
        None without TLS.
    """

    host: str
    port: int
    aet: str
    calling_aet: str = "DCIS_NODE"
    timeout_seconds: float = 30.0
    max_pdu_bytes: int = 131072
    implicit: bool = False
    tls: ClientTls | None = None

    def __str__(self) -> str:
        return f"{self.aet} at {self.host}:{self.port}"


@dataclass(frozen=True)
class Outgoing:
    """One DICOM file to send; the UIDs are those of its file meta information (PS3.10 7.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    path: Path


class Failure(StrEnum):
    """Why no status came back for an object."""

    UNREADABLE = "unreadable"  # our own file; nothing was sent
    NO_CONNECTION = "no_connection"  # refused, no route, unknown host
    CONNECT_TIMEOUT = "connect_timeout"
    REJECTED = "rejected"  # A-ASSOCIATE-RJ
    TLS = "tls"  # no secure connection: a certificate that does not count, or no TLS there
    NO_ASSOCIATION = "no_association"  # A-ABORT, a closed connection or silence in place of A-ASSOCIATE-AC
    CLASS_NOT_ACCEPTED = "class_not_accepted"
    SYNTAX_NOT_ACCEPTED = "syntax_not_accepted"
    CUT_OFF = "cut_off"  # the association ended before the answer: unknown whether the object is there
    NO_ANSWER = "no_answer"  # silence after the object: unknown, too
    INTERNAL = "internal"  # a defect of ours
    # Of DICOMweb (deliver/web).
    CREDENTIALS = "credentials"  # our own files of secrets; nothing was sent
    UNAUTHORIZED = "unauthorized"  # HTTP 401: it does not take our credentials
    FORBIDDEN = "forbidden"  # HTTP 403: it knows who we are, and does not let us
    NO_SERVICE = "no_service"  # HTTP 404 and its like, or a redirect: not the URL of a DICOMweb service
    BUSY = "busy"  # HTTP 429, 503, 507 and those of a gateway: later, perhaps
    TOO_LARGE = "too_large"  # HTTP 413
    MEDIA_TYPE = "media_type"  # HTTP 415, 406
    BAD_REQUEST = "bad_request"  # HTTP 400 and other 4xx, with no word on the object
    CONFLICT = "conflict"  # HTTP 409, or a refused object, without a reason that the standard knows
    SERVER_ERROR = "server_error"  # HTTP 500 and other 5xx
    NO_VALID_ANSWER = "no_valid_answer"  # an answer that does not speak of the object: unknown, too


@dataclass(frozen=True)
class Sent:
    """What came of one object.

    Parameters
    ----------
    item
        The object.
    status
        Status of the C-STORE response; None exactly if `failure` is set.
    failure
        Why there is no status.
    detail
        More about the failure, in words; never from the object or from the peer's text.
    rejection
        Set for `Failure.REJECTED`.
    retry_after_seconds
        When the peer wants to be asked again; None if it did not say.
    """

    item: Outgoing
    status: int | None = None
    failure: Failure | None = None
    detail: str = ""
    rejection: Rejection | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class EchoResult:
    """What came of a C-ECHO, or of another question that asks only whether a destination is there.

    Parameters
    ----------
    ok
        True if the peer answered with success.
    text
        What happened, in an administrator's words.
    seconds
        How long it took, association included.
    reached
        True if the peer talked to us, whatever it said: one without the verification service may take objects.
    """

    ok: bool
    text: str
    seconds: float
    reached: bool = False

    @property
    def is_there(self) -> bool:
        """True if it is worth trying to send."""
        return self.ok or self.reached
