"""One alert a minute for each rule and address: a scanner fills neither the disk nor the audit repository."""

from dataclasses import dataclass

from dcis_node.operate.audit.events import RefusedAgain
from dcis_node.receive.events import PeerRefused

MINUTE = 60.0
# Different rules and addresses that are told one by one in a minute; beyond them each rule has one place for all.
MOST_PLACES = 32
MANY = "many"


@dataclass
class _Place:
    since: float
    last: PeerRefused
    times: int = 0
    addresses: frozenset[str] = frozenset()


class Flood:
    """Decides which refusals are told at once, and counts the others; not for several threads at once."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}

    def is_first(self, refused: PeerRefused, *, now: float) -> bool:
        """Take a refusal; True if it has to be told now, False if it was counted and `due` will tell.

        Parameters
        ----------
        now
            Monotonic seconds.
        """
        crowded = len(self._places) >= MOST_PLACES
        known = (refused.rule, refused.address)
        key = (refused.rule, MANY) if crowded and known not in self._places else known
        place = self._places.get(key)
        if place is None:
            self._places[key] = _Place(now, refused)
            return True
        place.times += 1
        place.last = refused
        if len(place.addresses) < MOST_PLACES:
            place.addresses |= {refused.address}
        return False

    def due(self, *, now: float, everything: bool = False) -> list[RefusedAgain]:
        """Give the counts whose minute is over, and begin anew; with `everything` also the others."""
        over = [key for key, place in self._places.items() if everything or now - place.since >= MINUTE]
        places = [self._places.pop(key) for key in over]
        return [
            RefusedAgain(place.last, place.times, now - place.since, addresses=max(1, len(place.addresses)))
            for place in places
            if place.times
        ]
