"""How one destination is reached: the seam between the courier and the ways of sending."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dcis_node.deliver.outcome import EchoResult, Outgoing, Sent
from dcis_node.requestor import Address

__all__ = ["Address", "Route"]


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
