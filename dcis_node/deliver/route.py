"""How one destination is reached: the seam between the courier and the ways of sending."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dcis_node.deliver.outcome import EchoResult, Outgoing, Sent


class Address(Protocol):
    """Whom a route leads to, for words and for the audit trail; `str` of it names the destination to a person.

    `timeout_seconds` is the longest single wait for it. Where the way of sending knows no AE titles, `aet` and
    `calling_aet` are "".
    """

    @property
    def host(self) -> str:
        """Where it is."""

    @property
    def aet(self) -> str:
        """Its AE title."""

    @property
    def calling_aet(self) -> str:
        """Our AE title towards it."""

    @property
    def timeout_seconds(self) -> float:
        """Longest wait of each step."""


@dataclass(frozen=True)
class Route:
    """A way to one destination.

    Parameters
    ----------
    address
        Whom it leads to.
    send
        Sends files and yields one outcome for each as soon as it is known, as `sender.send_files` does. It raises
        nothing for a failure of the destination or the network, and ends in order if it is closed early.
    probe
        Asks whether the destination is there, without sending anything; raises nothing either.
    """

    address: Address
    send: Callable[[Sequence[Outgoing]], Iterator[Sent]]
    probe: Callable[[], EchoResult]
