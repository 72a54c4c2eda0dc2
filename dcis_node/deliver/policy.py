"""What to do about each outcome of sending. Pure: the same outcome gives the same verdict, randomness is passed in.

The statuses are those of PS3.4 Table B.2-1 and PS3.7 Annex C; the rejections those of PS3.8 Table 9-21.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from dcis_node.deliver.outcome import Failure, Sent
from dcis_node.deliver.route import Address
from dcis_node.requestor import Rejection
from storage.losses import LONGEST_PUT_OFF_SECONDS, LOST_OFTEN

SUCCESS = 0x0000
DUPLICATE = 0x0111  # PS3.7 C.5.7: the peer has this SOP Instance UID already
NOT_UNDERSTOOD = range(0xC000, 0xD000)  # PS3.4 B.2.3: cannot understand

SLOW_SECONDS = 3600.0  # a fault of configuration: a person may repair it at any time
NOT_UNDERSTOOD_RETRIES = 3  # some peers answer Cxxx for faults of their own (pynetdicom: 0xC211)
NOT_UNDERSTOOD_SECONDS = SLOW_SECONDS / NOT_UNDERSTOOD_RETRIES

_TRANSIENT = {0x0110: "processing failure", 0x0213: "resource limitation"}
_CONFIGURATION = {0x0122: "SOP class not supported", 0x0124: "not authorized"}
_WARNINGS = {0x0107: "attribute list error", 0x0116: "attribute value out of range"}


class Action(StrEnum):
    """What becomes of an object."""

    DONE = "done"
    RETRY = "retry"
    RETRY_SLOW = "retry_slow"
    DEAD = "dead"


@dataclass(frozen=True)
class Verdict:
    """What to do about an outcome, and why.

    Parameters
    ----------
    action
        What to do.
    text
        Why, in an administrator's words; "" for a plain success. Never holds the peer's or the object's text.
    wait_seconds
        Fixed wait before the next attempt; None means `backoff`.
    """

    action: Action
    text: str = ""
    wait_seconds: float | None = None


def judge(sent: Sent, peer: Address, *, refusals: int = 0) -> Verdict:
    """Judge what came of an object.

    Parameters
    ----------
    sent
        The outcome.
    peer
        Whom it was sent to; for the words.
    refusals
        How often this object got a status in `counted_range` before.
    """
    if sent.failure is None:
        return judge_status(sent.status, refusals=refusals)
    if sent.rejection is not None:
        return judge_rejection(sent.rejection, peer)
    verdict = judge_failure(sent.failure, peer, detail=sent.detail)
    if sent.retry_after_seconds is None or verdict.action is not Action.RETRY:
        return verdict
    return replace(verdict, wait_seconds=sent.retry_after_seconds)


def judge_status(status: int | None, *, refusals: int = 0) -> Verdict:
    """Judge the status of a C-STORE response.

    None (no valid answer) is "unknown": the object may be there, and the same bytes are sent again. A status that no
    clause knows is treated like Cxxx.
    """
    if status is None:
        return Verdict(Action.RETRY, "no valid answer; the object may or may not be there")
    code = f"0x{status:04X}"
    if status == SUCCESS:
        return Verdict(Action.DONE)
    if status == DUPLICATE:
        return Verdict(Action.DONE, f"{code} duplicate SOP instance: the peer has it already")
    if status in _WARNINGS or 0xB000 <= status <= 0xBFFF:
        return Verdict(Action.DONE, f"{code} {_WARNINGS.get(status, 'stored with a warning')}")
    if status in _TRANSIENT or 0xA700 <= status <= 0xA7FF:
        return Verdict(Action.RETRY, f"{code} {_TRANSIENT.get(status, 'out of resources')}")
    if status in _CONFIGURATION:
        text = f"{code} {_CONFIGURATION[status]}: check the configuration of the peer"
        return Verdict(Action.RETRY_SLOW, text, SLOW_SECONDS)
    if 0xA900 <= status <= 0xA9FF:
        return Verdict(Action.DEAD, f"{code} data set does not match SOP class: the same bytes will be refused again")
    name = "cannot understand" if status in NOT_UNDERSTOOD else "a status that no standard clause lists here"
    if refusals < NOT_UNDERSTOOD_RETRIES:
        return Verdict(Action.RETRY, f"{code} {name}", NOT_UNDERSTOOD_SECONDS)
    return Verdict(Action.DEAD, f"{code} {name}, {refusals + 1} times")


def counted_range(status: int | None) -> range | None:
    """Give the range of statuses whose earlier answers count against an object; None where none do."""
    if status is None or judge_status(status).wait_seconds != NOT_UNDERSTOOD_SECONDS:
        return None
    return NOT_UNDERSTOOD if status in NOT_UNDERSTOOD else range(status, status + 1)


# (source, reason) of permanent rejections that a person has to repair; others may pass by themselves.
_REPAIR = {
    (1, 2): "it does not support the DICOM application context",
    (1, 3): "it does not know our AE title {calling!r}: enter it there, or change calling_aet here",
    (1, 7): "its AE title is not {called!r}: correct aet of the destination",
    (2, 2): "it does not support the DICOM protocol version",
}
_PASSING = {(3, 1): "temporary congestion", (3, 2): "its limit of associations is reached"}


def judge_rejection(rejection: Rejection, peer: Address) -> Verdict:
    """Judge a rejected association.

    A permanent rejection with a reason that a person can repair is tried again slowly; every other one with backoff,
    since peers also reject "permanently, no reason given" while they start.
    """
    key = (rejection.source, rejection.reason)
    start = f"{peer} rejected the association"
    if rejection.result == 1 and key in _REPAIR:
        words = _REPAIR[key].format(calling=peer.calling_aet, called=peer.aet)
        return Verdict(Action.RETRY_SLOW, f"{start}: {words}", SLOW_SECONDS)
    words = _PASSING.get(key, "no reason given" if key in {(1, 1), (2, 1)} else "an unlisted reason")
    kind = "permanent" if rejection.result == 1 else "transient"
    return Verdict(Action.RETRY, f"{start}: {words} ({kind}, source {key[0]}, reason {key[1]})")


_FAILURES = {
    Failure.UNREADABLE: (Action.RETRY_SLOW, "the stored file cannot be sent{detail}"),
    Failure.NO_CONNECTION: (Action.RETRY, "no connection to {peer}{detail}"),
    Failure.CONNECT_TIMEOUT: (
        Action.RETRY,
        "no connection to {peer} within {timeout:g} s: the host is down, or a firewall drops packets",
    ),
    Failure.TLS: (Action.RETRY_SLOW, "no secure connection (TLS) to {peer}{detail}"),
    Failure.REJECTED: (Action.RETRY, "{peer} rejected the association"),
    Failure.NO_ASSOCIATION: (Action.RETRY, "{peer} did not answer the association request{detail}"),
    Failure.CLASS_NOT_ACCEPTED: (Action.RETRY_SLOW, "{peer} does not accept objects of this SOP class{detail}"),
    Failure.SYNTAX_NOT_ACCEPTED: (
        Action.RETRY_SLOW,
        "{peer} accepts the SOP class but not the object's transfer syntax{detail}: see its transfer_syntaxes",
    ),
    Failure.CUT_OFF: (Action.RETRY, "{peer} ended the connection before it answered{detail}; the object may be there"),
    Failure.NO_ANSWER: (Action.RETRY, "{peer} did not answer in time{detail}; the object may be there"),
    Failure.INTERNAL: (Action.RETRY_SLOW, "an error of this program{detail}"),
    # Files of secrets are read anew for each attempt: a renewed one heals these two without a person.
    Failure.CREDENTIALS: (Action.RETRY, "our credentials for {peer} cannot be read{detail}"),
    Failure.UNAUTHORIZED: (Action.RETRY, "{peer} refused our credentials{detail}"),
    Failure.FORBIDDEN: (Action.RETRY_SLOW, "{peer} does not let us store{detail}: give our account the right to"),
    Failure.NO_SERVICE: (Action.RETRY_SLOW, "{peer} is not the URL of a DICOMweb service{detail}: correct url"),
    Failure.BUSY: (Action.RETRY, "{peer} cannot take it now{detail}"),
    Failure.TOO_LARGE: (Action.RETRY_SLOW, "{peer} takes no request as large as the object{detail}: raise its limit"),
    Failure.MEDIA_TYPE: (Action.RETRY_SLOW, "{peer} does not take objects of this kind or transfer syntax{detail}"),
    Failure.BAD_REQUEST: (Action.RETRY_SLOW, "{peer} did not understand the request{detail}"),
    Failure.CONFLICT: (Action.RETRY, "{peer} did not store the object, and has none of its UID{detail}"),
    Failure.SERVER_ERROR: (Action.RETRY, "an error of {peer}{detail}; the object may be there"),
    Failure.NO_VALID_ANSWER: (Action.RETRY, "{peer} did not answer for the object{detail}; it may be there"),
}


def judge_failure(failure: Failure, peer: Address, *, detail: str = "") -> Verdict:
    """Judge an object for which no status came back."""
    action, template = _FAILURES[failure]
    more = f" ({detail})" if detail else ""
    text = template.format(peer=peer, detail=more, timeout=peer.timeout_seconds)
    return Verdict(action, text, SLOW_SECONDS if action is Action.RETRY_SLOW else None)


# Nothing could be sent at all, whatever the object: the destination as a whole has failed.
_OF_DESTINATION = {
    Failure.NO_CONNECTION,
    Failure.CONNECT_TIMEOUT,
    Failure.TLS,
    Failure.REJECTED,
    Failure.NO_ASSOCIATION,
    Failure.CREDENTIALS,
    Failure.UNAUTHORIZED,
    Failure.FORBIDDEN,
    Failure.NO_SERVICE,
    Failure.BUSY,
}
_LOST = {Failure.CUT_OFF, Failure.NO_ANSWER}


def is_of_destination(sent: Sent) -> bool:
    """Tell whether an outcome is that of the destination as a whole."""
    return sent.failure in _OF_DESTINATION


def is_lost(sent: Sent) -> bool:
    """Tell whether the answer for an object did not come, for whichever reason."""
    return sent.failure in _LOST


def put_off(losses: int) -> float | None:
    """Give the wait of an object for which no answer came so often in a row, seconds; None if it is that of others.

    It may be what ends the peer each time. So the wait doubles from an hour to a day, and an object that only met bad
    luck waits no longer than that lasted.
    """
    if losses < LOST_OFTEN:
        return None
    return min(LONGEST_PUT_OFF_SECONDS, SLOW_SECONDS * 2.0 ** min(losses - LOST_OFTEN, 32))


def limited(verdict: Verdict, *, tried_for: float, give_up: float) -> Verdict:
    """Set an object aside that has met nothing but passing failures for too long.

    Parameters
    ----------
    tried_for
        Seconds since it was tried first.
    give_up
        After how many seconds it is given up.
    """
    if verdict.action in {Action.DONE, Action.DEAD} or tried_for < give_up:
        return verdict
    return Verdict(Action.DEAD, given_up_text(give_up, verdict.text))


def given_up_text(seconds: float, text: str) -> str:
    """Say that an object was given up, and why."""
    days = seconds / 86400.0
    return f"given up after {days:g} {'day' if days == 1 else 'days'}: {text}"


def backoff(attempt: int, *, first: float, most: float, rng: Random) -> float:
    """Draw the wait before the next attempt: exponential, capped, with full jitter.

    Parameters
    ----------
    attempt
        Number of the attempt that failed; the first is 1.
    first, most
        Longest wait in seconds after the first attempt, and after any.
    rng
        Source of randomness.

    Returns
    -------
    float
        Uniform in [0, min(most, first * 2 ** (attempt - 1))] seconds.
    """
    ceiling = min(most, first * 2.0 ** min(max(attempt - 1, 0), 32))  # 32: no overflow after years
    return rng.uniform(0.0, ceiling)
