"""C-FIND with bounds: what comes back is foreign, so it is counted, checked, and never logged."""

import re
import time
from collections.abc import Callable, MutableSequence

from pydicom import Dataset
from pynetdicom.association import Association

from dcis_node.retrieve.association import FIND
from dcis_node.retrieve.source import Source, Trouble, refusal_of

# Matches read of one query. A study has a few series, a series a few hundred objects.
MOST_MATCHES = 1000
# Matches that may be under way when it is told to stop: as many as fit into the buffers of a connection.
MOST_ON_THE_WAY = 20_000
PENDING = frozenset({0xFF00, 0xFF01})  # PS3.4 Table C.4-1: FF01 if it did not support an optional key
SUCCESS = 0x0000
# PS3.5 9.1: components of digits without a leading zero, at most 64 characters.
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
LONGEST_UID = 64

Find = Callable[[Dataset], tuple[Dataset, ...]]


def find(
    association: Association, source: Source, keys: Dataset, *, until: float, message_id: int = 1
) -> tuple[Dataset, ...]:
    """Ask one query.

    A peer that has more matches than are read is told to stop (C-CANCEL), and what it sends then is dropped.

    Parameters
    ----------
    keys
        The identifier, with its Query/Retrieve Level.
    until
        Monotonic seconds at which the query is given up.

    Returns
    -------
    tuple[Dataset, ...]
        The matches as they came, at most `MOST_MATCHES`: nothing in them is checked.

    Raises
    ------
    Trouble
        It failed, was not answered in time, or the association ended. The association cannot be used further then.
    """
    matches: list[Dataset] = []
    seen = 0
    try:
        for status, match in association.send_c_find(keys, FIND, msg_id=message_id):
            if "Status" not in status:  # pynetdicom has aborted the association
                break
            code = int(status.Status)
            if code not in PENDING:
                if code == SUCCESS or seen > MOST_MATCHES:
                    return tuple(matches)
                raise refusal_of(source, "C-FIND", code)
            if time.monotonic() >= until:
                raise _cut_off(association, f"{source} did not end its answer to C-FIND in time")
            # None: an answer that cannot be decoded; it counts, so that there is an end to them, too.
            seen += 1
            if seen <= MOST_MATCHES:
                matches += [] if match is None else [match]
            elif seen == MOST_MATCHES + 1:
                association.send_c_cancel(message_id, query_model=FIND)
            elif seen > MOST_MATCHES + MOST_ON_THE_WAY:
                raise _cut_off(association, f"{source} did not stop to send matches")
    except RuntimeError:  # the peer ended the association since the last answer
        pass
    raise Trouble(f"{source} did not answer C-FIND in time, or not validly")


def _cut_off(association: Association, text: str) -> Trouble:
    """End an association whose peer still sends: it would not hear a request to release it."""
    association.abort()
    return Trouble(text)


def uid_of(match: Dataset, keyword: str) -> str:
    """Give a UID of a match; "" where there is none, or something that is no UID."""
    try:
        value = str(match.get(keyword, "") or "").rstrip(" \0")
    except Exception:  # noqa: BLE001 -- foreign bytes: pydicom decodes them when they are looked at, and may raise anything
        return ""
    return value if len(value) <= LONGEST_UID and _UID.fullmatch(value) else ""


def text_of(match: Dataset, keyword: str) -> str:
    """Give a text of a match, several values joined by backslashes; "" where there is none that can be read."""
    try:
        value = match.get(keyword, "")
        values = list(value) if isinstance(value, MutableSequence) else [value]
        return "\\".join(str(one).strip(" \0") for one in values if one is not None)
    except Exception:  # noqa: BLE001 -- foreign bytes: pydicom decodes them when they are looked at, and may raise anything
        return ""
