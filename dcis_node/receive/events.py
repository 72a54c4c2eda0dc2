"""What the receiver tells the audit trail: values without patient data, handed to a function that it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class PeerRefused:
    """A connection or an association was refused, or ended because of what the peer did.

    Parameters
    ----------
    rule
        Stable name of the rule, such as `called_aet`, `calling_aet`, `address`, `certificate`, `tls_handshake`,
        `limit`, `protocol`.
    address
        Of the peer.
    calling_aet, called_aet
        As the peer gave them; "" where it did not get so far.
    text
        Why, in an administrator's words.
    """

    rule: str
    address: str
    calling_aet: str
    called_aet: str
    text: str


@dataclass(frozen=True)
class StudyReceived:
    """What one association has brought of one study, told when the association has ended.

    Parameters
    ----------
    association
        Its number in the logs of this process; 0 where a killed predecessor had it.
    sop_classes
        SOP Class UID and number of instances, sorted by UID.
    outcome
        What became of them: `new`, `duplicate` or `conflict` (`storage.index.Recorded`).
    exam
        The exam that they belong to: one patient's, without naming her.
    """

    association: int
    address: str
    calling_aet: str
    study_instance_uid: str
    sop_classes: tuple[tuple[str, int], ...]
    outcome: str = "new"
    exam: int = 0


Event: TypeAlias = PeerRefused | StudyReceived
Notify: TypeAlias = Callable[[Event], None]


def nobody(_: Event) -> None:
    """Tell nobody: a `Notify` for those who keep no audit trail."""
