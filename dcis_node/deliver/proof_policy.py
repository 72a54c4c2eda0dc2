"""What to do about results whose arrival is not proven. Pure: moments are passed in.

The Failure Reasons are those of PS3.3 C.14.1.1 and PS3.4 J.3.3.1.1. What each of them leads to:

- 0112 no such object instance, and "not found" by query: the peer does not have the object. The same bytes are sent
  again, later each time; after `MOST_RESENDS` of them the row is `dead`.
- 0119 class / instance conflict: it has another object under this UID. `dead`: sending again would change nothing.
- 0122 SOP class not supported: it commits itself to no objects of this class. They are asked after by query if that may
  be (`auto`), else again daily.
- 0131 duplicate Transaction UID: it has another request under that UID. Asked again soon, under a new one.
- 0110 processing failure, 0213 resource limitation, no reason, an unlisted one, an object that the report leaves out: a
  fault of this moment. Asked again, later each time.
- No report in time: not known. Asked again under a new Transaction UID; by query if that may be (`auto`).

What was not proven `give_up_seconds` after it was sent stays `sent`, and is not asked after any more until the courier
starts again or the wall clock steps (it may have been ahead): the peer did answer that it has the object. It is
counted, and `trace` says why.
"""

from dataclasses import dataclass
from enum import StrEnum

from storage.proofs import Next, Unproven

# The objects of an exam go within seconds; asked later, they make one request.
PROOF_DELAY_SECONDS = 5.0
# A peer may need this long until it lists what it has taken.
UNLISTED_SECONDS = 600.0
MOST_RESENDS = 3
RESEND_SECONDS, RESEND_FACTOR = 60.0, 5.0  # 1, 5, 25 minutes
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30.0, 3600.0
DAY_SECONDS = 86400.0

NO_SUCH_OBJECT, CONFLICT, CLASS_NOT_SUPPORTED, DUPLICATE_TRANSACTION = 0x0112, 0x0119, 0x0122, 0x0131
_REASONS = {
    0x0110: "processing failure",
    NO_SUCH_OBJECT: "no such object instance",
    CONFLICT: "class / instance conflict: it has another object under this UID",
    CLASS_NOT_SUPPORTED: "it gives no commitment for objects of this SOP class",
    DUPLICATE_TRANSACTION: "duplicate Transaction UID",
    0x0213: "resource limitation",
}
NO_ANSWER = "the request for commitment got no answer"
# Statuses of an N-ACTION that a person has to repair (PS3.7 10.1.4.1.10).
_NOT_OFFERED = {
    0x0112: "no such SOP instance",
    0x0117: "invalid object instance",
    0x0118: "no such SOP class",
    0x0119: "class / instance conflict",
    0x0122: "SOP class not supported",
    0x0123: "no such action",
    0x0124: "not authorized",
    0x0211: "unrecognized operation",
}


class Way(StrEnum):
    """How an object is asked after."""

    COMMITMENT = "commitment"
    QUERY = "query"
    NONE = "none"


@dataclass(frozen=True)
class Offers:
    """What a peer has accepted to be asked."""

    commitment: bool = False
    query: bool = False


def way(mode: str, offers: Offers, row: Unproven) -> Way:
    """Choose how to ask after one object.

    Parameters
    ----------
    mode
        `auto`, `commitment` or `query`: the setting `proof` of its destination.
    """
    fell_through = row.last_request in {"expired", "refused"} or row.last_reason == CLASS_NOT_SUPPORTED
    by_query = mode in {"auto", "query"} and offers.query
    by_commitment = mode in {"auto", "commitment"} and offers.commitment
    if by_query and (fell_through or not by_commitment):
        return Way.QUERY
    return Way.COMMITMENT if by_commitment else Way.NONE


def judge_report(row: Unproven, reason: int | None, named: bool, now: float) -> Next:  # noqa: FBT001 -- a `Judge`
    """Judge an object that a report does not confirm.

    Parameters
    ----------
    reason
        Failure Reason; None where there is none.
    named
        False if the report does not speak of the object at all.
    """
    if not named:
        return Next("sent", now + wait(row, now), "the report on the request for commitment leaves it out")
    text = _words(reason)
    if reason == NO_SUCH_OBJECT:
        return _resend(row, text, now)
    if reason == CONFLICT:
        return Next("dead", None, text)
    if reason == CLASS_NOT_SUPPORTED:
        # The first time soon: there may be another way to ask.
        seconds = DAY_SECONDS if row.last_reason == CLASS_NOT_SUPPORTED else FIRST_WAIT_SECONDS
        return Next("sent", now + seconds, text)
    if reason == DUPLICATE_TRANSACTION:
        return Next("sent", now + FIRST_WAIT_SECONDS, text)
    return Next("sent", now + wait(row, now), text)


def judge_missing(row: Unproven, now: float) -> Next:
    """Judge an object that a query did not find, though the peer has answered it."""
    text = "it was asked by query, and does not list the object"
    if now - row.sent_at < UNLISTED_SECONDS:
        return Next("sent", now + wait(row, now), f"{text} yet")
    return _resend(row, text, now)


def judge_refusal(row: Unproven, status: int, now: float) -> Next:
    """Judge an object whose request for commitment was refused."""
    text = (
        f"the request for commitment was refused: 0x{status:04X} {_NOT_OFFERED.get(status, _REASONS.get(status, ''))}"
    )
    seconds = LONGEST_WAIT_SECONDS if status in _NOT_OFFERED else wait(row, now)
    return Next("sent", now + seconds, text.rstrip())


def judge_unasked(row: Unproven, text: str, now: float) -> Next:
    """Judge an object that could not be asked after."""
    return Next("sent", now + wait(row, now), text)


def too_old(row: Unproven, now: float, *, give_up_seconds: float) -> Next | None:
    """Say that an object is asked after no more; None while it is.

    One that was not asked after yet is not too old, and neither is one of which nobody knows when it was sent, as the
    index was made again.
    """
    if not (row.error and row.sent_at) or now - row.sent_at <= give_up_seconds:
        return None
    days = give_up_seconds / DAY_SECONDS
    return Next("sent", None, f"not proven within {days:g} days: it is not asked after any more")


def wait(row: Unproven, now: float) -> float:
    """Give the seconds until the next question: as long as it has waited by now, within limits; so they double."""
    return min(LONGEST_WAIT_SECONDS, max(FIRST_WAIT_SECONDS, now - row.sent_at))


def _resend(row: Unproven, text: str, now: float) -> Next:
    if row.denials >= MOST_RESENDS:
        return Next("dead", None, f"{text}, though it has taken it {row.denials + 1} times")
    return Next("due", now + RESEND_SECONDS * RESEND_FACTOR**row.denials, f"{text}: it is sent again")


def _words(reason: int | None) -> str:
    if reason is None:
        return "no commitment, without a reason"
    return f"no commitment: 0x{reason:04X} {_REASONS.get(reason, '')}".rstrip()
