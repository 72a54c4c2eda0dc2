"""What the courier tells the audit trail: values without patient data, handed to a function that it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class ResultsSending:
    """Results of one study are about to go to a destination.

    Parameters
    ----------
    destination
        Its name in the configuration.
    host
        Where it is.
    called_aet, calling_aet
        Its AE title and ours; "" for a DICOMweb service, which has none.
    sop_classes
        SOP Class UID and number of objects, sorted by UID.
    """

    destination: str
    host: str
    called_aet: str
    calling_aet: str
    study_instance_uid: str
    sop_classes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ResultsSent:
    """What came of it; what was not tried is in neither list, and is announced again.

    Parameters
    ----------
    taken
        What the destination has answered that it has: SOP Class UID and number of objects.
    not_taken
        What it has not.
    text
        Why not, in an administrator's words; "" if there is none.
    """

    sending: ResultsSending
    taken: tuple[tuple[str, int], ...]
    not_taken: tuple[tuple[str, int], ...] = ()
    text: str = ""


Event: TypeAlias = ResultsSending | ResultsSent
Notify: TypeAlias = Callable[[Event], None]


def nobody(_: Event) -> None:
    """Tell nobody: a `Notify` for those who keep no audit trail."""
