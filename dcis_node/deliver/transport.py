"""Associations with a destination: those of `dcis_node.requestor`, in the words of this room."""

from collections.abc import Sequence

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from dcis_node.deliver.outcome import Failure, PeerAddress
from dcis_node.requestor import Cause, NotAssociated, Rejection, leave, request_association

__all__ = ["Refused", "associate", "leave"]

_FAILURES = {
    Cause.NO_CONNECTION: Failure.NO_CONNECTION,
    Cause.CONNECT_TIMEOUT: Failure.CONNECT_TIMEOUT,
    Cause.TLS: Failure.TLS,
    Cause.REJECTED: Failure.REJECTED,
    Cause.NO_ASSOCIATION: Failure.NO_ASSOCIATION,
    Cause.NO_CONTEXT: Failure.CLASS_NOT_ACCEPTED,
}


class Refused(Exception):  # noqa: N818 -- an outcome between two modules of this room, not an error of the tree
    """No association came about.

    Parameters
    ----------
    failure
        Why.
    detail
        More words; "" if there are none.
    rejection
        The peer's reason, for `Failure.REJECTED`.
    contexts
        The refused contexts, for `Failure.CLASS_NOT_ACCEPTED`: the peer was willing, but accepted none.
    """

    def __init__(
        self,
        failure: Failure,
        detail: str = "",
        *,
        rejection: Rejection | None = None,
        contexts: Sequence[PresentationContext] = (),
    ) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.detail = detail
        self.rejection = rejection
        self.contexts = contexts


def associate(
    peer: PeerAddress, contexts: Sequence[PresentationContext], *, also: Sequence[evt.EventHandlerType] = ()
) -> Association:
    """Open an association (see `dcis_node.requestor.request_association`).

    Raises
    ------
    Refused
        Nothing came about; within three times `peer.timeout_seconds`.
    """
    try:
        return request_association(peer, contexts, also=also)
    except NotAssociated as error:
        raise Refused(
            _FAILURES[error.cause], error.detail, rejection=error.rejection, contexts=error.contexts
        ) from error
