"""One study's results on their way to one destination, as the audit trail sees it: announced, then told."""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from dcis_node.deliver.events import Notify, ResultsSending, ResultsSent
from dcis_node.deliver.policy import Action, Verdict
from dcis_node.deliver.route import Address
from storage.outbox import Parcel


class Transfer:
    """Announces the parcels of one claim at the beginning of a block, and tells at its end what came of them.

    Parameters
    ----------
    parcels
        Not empty; of one study.
    """

    def __init__(self, parcels: Sequence[Parcel], peer: Address, notify: Notify) -> None:
        self._notify = notify
        self._taken: Counter[str] = Counter()
        self._not_taken: Counter[str] = Counter()
        self._text = ""
        self._sending = ResultsSending(
            parcels[0].destination,
            peer.host,
            peer.aet,
            peer.calling_aet,
            parcels[0].study_instance_uid,
            _sorted(Counter(parcel.sop_class_uid for parcel in parcels)),
        )

    def note(self, parcel: Parcel, verdict: Verdict) -> None:
        """Count what came of one parcel."""
        if verdict.action is Action.DONE:
            self._taken[parcel.sop_class_uid] += 1
        else:
            self._not_taken[parcel.sop_class_uid] += 1
            self._text = verdict.text

    def __enter__(self) -> "Transfer":
        self._notify(self._sending)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._notify(ResultsSent(self._sending, _sorted(self._taken), _sorted(self._not_taken), self._text))


def _sorted(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counted.items()))
