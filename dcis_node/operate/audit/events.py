"""What the node tells of itself, beside what reception and delivery tell."""

from dataclasses import dataclass
from typing import TypeAlias

from dcis_node.deliver.events import ResultsSending, ResultsSent
from dcis_node.receive.events import PeerRefused, StudyReceived
from dcis_node.retrieve.events import SourceQueried


@dataclass(frozen=True)
class NodeStarted:
    """The node, or one of its processes that runs alone, has started."""


@dataclass(frozen=True)
class NodeStopped:
    """It ends as it was told to; after a kill there is none of these, and the next start tells."""


@dataclass(frozen=True)
class RefusedAgain:
    """How often a peer was refused by one rule after `refused` was told, until now.

    Parameters
    ----------
    times
        Without the one that was told.
    seconds
        In which they came.
    addresses
        How many different ones, where one message stands for many peers.
    """

    refused: PeerRefused
    times: int
    seconds: float
    addresses: int = 1


@dataclass(frozen=True)
class RecordingGap:
    """Messages could not be written (the disk was full, say), and so many of them did not fit into memory either.

    Parameters
    ----------
    lost
        How many are lost; 0 if all were written late.
    since
        Unix seconds of the first failure.
    """

    lost: int
    since: float
    why: str


@dataclass(frozen=True)
class StudyRemoved:
    """Something of a study has left this node by the rule of retention.

    Parameters
    ----------
    what
        `images`, `results` or `rows`.
    sop_classes
        SOP Class UID and number of instances that left.
    whole
        True if no instance of its exam is here any more.
    """

    what: str
    exam: int
    study_instance_uid: str
    sop_classes: tuple[tuple[str, int], ...] = ()
    whole: bool = False


Event: TypeAlias = (
    NodeStarted
    | NodeStopped
    | PeerRefused
    | RefusedAgain
    | RecordingGap
    | StudyReceived
    | StudyRemoved
    | ResultsSending
    | ResultsSent
    | SourceQueried
)
