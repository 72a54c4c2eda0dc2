"""A destination that is whatever a test says, without a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dcis_node.deliver.outcome import EchoResult, Failure, Outgoing, PeerAddress, Sent
from dcis_node.deliver.route import Route
from dcis_node.requestor import Rejection

DOWN = Failure.NO_CONNECTION
ADDRESS = PeerAddress("pacs.example", 104, aet="PACS", calling_aet="NODE", timeout_seconds=1.0)


@dataclass
class Destination:
    """Answers every object with `answer`: a status, or a failure; and every probe as told.

    `got` are the UIDs of the objects in the order in which they came, `probes` counts the probes.
    """

    answer: int | Failure = 0x0000
    there: bool = True
    got: list[str] = field(default_factory=list)
    probes: int = 0

    @property
    def route(self) -> Route:
        return Route(ADDRESS, self._send, self._probe)

    def _send(self, items: Sequence[Outgoing]) -> Iterator[Sent]:
        for item in items:
            if isinstance(self.answer, Failure):
                rejection = Rejection(2, 3, 1) if self.answer is Failure.REJECTED else None
                yield Sent(item, failure=self.answer, rejection=rejection)
            else:
                self.got.append(item.sop_instance_uid)
                yield Sent(item, status=self.answer)

    def _probe(self) -> EchoResult:
        self.probes += 1
        return EchoResult(ok=self.there, text="" if self.there else "nobody there", seconds=0.0)
