"""Ask a peer which objects it would take, without sending any."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context

from dcis_node.deliver.outcome import Failure, PeerAddress
from dcis_node.deliver.policy import judge_failure, judge_rejection
from dcis_node.deliver.transport import Refused, associate, leave


@dataclass(frozen=True)
class Acceptance:
    """What a peer said to a set of SOP classes.

    Parameters
    ----------
    refused
        UIDs of the SOP classes that it does not take in a syntax in which they may be sent to it.
    failure
        Why it could not be asked, in an administrator's words; "" if it answered.
    """

    refused: frozenset[str]
    failure: str = ""


def ask_acceptance(peer: PeerAddress, sop_class_uids: Iterable[str]) -> Acceptance:
    """Negotiate an association for some SOP classes and leave it again.

    Parameters
    ----------
    sop_class_uids
        At least one, at most 128 (PS3.8 9.3.2.2).
    """
    asked = frozenset(map(str, sop_class_uids))
    syntaxes: list[str | UID] = [ExplicitVRLittleEndian, *([ImplicitVRLittleEndian] if peer.implicit else [])]
    contexts = [build_context(uid, syntaxes) for uid in sorted(asked)]
    try:
        association = associate(peer, contexts)
    except Refused as refused:
        if refused.failure is Failure.CLASS_NOT_ACCEPTED:
            return Acceptance(asked)
        if refused.rejection is not None:
            return Acceptance(frozenset(), judge_rejection(refused.rejection, peer).text)
        return Acceptance(frozenset(), judge_failure(refused.failure, peer, detail=refused.detail).text)
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    leave(association)
    return Acceptance(asked - accepted)
