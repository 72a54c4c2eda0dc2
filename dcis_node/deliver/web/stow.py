"""Send DICOM files by STOW-RS (PS3.18 10.5) as they are: the bytes of the store, never a data set encoded anew.

dicomweb-client's own `store_instances` writes the data sets that pydicom has read, so that other bytes could go out
under the same UID, and holds all of them in memory. So the request is made here, and the answer is read here.
"""

from collections.abc import Iterator, Sequence

import requests
import urllib3

from dcis_node.bcp195 import UnusableFileError
from dcis_node.deliver.outcome import Failure, Outgoing, Sent
from dcis_node.deliver.query import QueryAnswer
from dcis_node.deliver.sender import SLOWEST_BYTES_PER_SECOND, outgoing_from_file
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.answer import NO_ANSWER, StoreAnswer, read_answer
from dcis_node.deliver.web.credentials import Unusable
from dcis_node.deliver.web.multipart import Multipart, multipart_of
from dcis_node.deliver.web.qido import present
from dcis_node.deliver.web.session import WebSession
from dcis_node.deliver.web.trouble import failure_of_error, failure_of_status, retry_after_seconds
from dcis_node.errors import DeliveryError

# One request: on the slowest line (1 Mbit/s) it takes 134 s, well within a lease.
MOST_BYTES = 16 * 1024 * 1024
MOST_OBJECTS = 64

PROCESSING_FAILURE = 0x0110
DUPLICATE = 0x0111  # PS3.7 C.5.7
STORED_WITH_WARNING = 0xB000
WARNINGS = range(0xB000, 0xC000)  # PS3.18 Table I.2-1
SYNTAX_NOT_SUPPORTED = 0xC122  # PS3.18 Table I.2-2
# Answers that may tell of each object, if they have a body.
TELLING = frozenset({200, 202, 400, 409, 500})
# One object of several may be the cause of these, so the others are sent without it.
ONE_MAY_BE_THE_CAUSE = frozenset(
    {
        Failure.BAD_REQUEST,
        Failure.CONFLICT,
        Failure.CUT_OFF,
        Failure.MEDIA_TYPE,
        Failure.NO_VALID_ANSWER,
        Failure.SERVER_ERROR,
        Failure.TOO_LARGE,
        Failure.UNREADABLE,
    }
)


def stow_files(items: Sequence[Outgoing], web: WebAddress) -> Iterator[Sent]:
    """Send files, as many in one request as its bound allows.

    If a request comes to nothing for a reason that may lie in one of its objects, each of them gets a request of its
    own; if for one that lies in the service or on the way there, all that is left gets that outcome. Whether it has
    what it refused is asked of the refusals that stand, so that never more than two requests and one such round of
    questions lie between two outcomes.

    Yields
    ------
    Sent
        One for each item as soon as it is known. Nothing is raised for a failure of service or network.
    """
    sound: list[Outgoing] = []
    for item in items:
        failed = _check(item)
        if failed is not None:
            yield failed
        else:
            sound.append(item)
    groups = split(sound)
    while groups:
        group, *groups = groups
        outcomes = _one_request(group, web)
        whole = _failure_of_all(outcomes)
        if whole is None:
            yield from _without_those_present(outcomes, web)
        elif whole.failure not in ONE_MAY_BE_THE_CAUSE:
            yield from outcomes
            yield from (_same(whole, item) for rest in groups for item in rest)
            return
        elif len(group) > 1:
            groups = [*((item,) for item in group), *groups]
        else:
            yield from _without_those_present(outcomes, web)


def split(items: Sequence[Outgoing]) -> list[tuple[Outgoing, ...]]:
    """Group items, in their order, so that no group of several is larger than a request may be."""
    groups: list[tuple[Outgoing, ...]] = []
    size = 0
    for item in items:
        more = item.path.stat().st_size
        if groups and size + more <= MOST_BYTES and len(groups[-1]) < MOST_OBJECTS:
            groups[-1] = (*groups[-1], item)
            size += more
        else:
            groups.append((item,))
            size = more
    return groups


def _check(item: Outgoing) -> Sent | None:
    try:
        if outgoing_from_file(item.path) == item:
            return None
    except DeliveryError as error:
        return Sent(item, failure=Failure.UNREADABLE, detail=str(error))
    detail = "its file meta information does not name the object that was to be sent"
    return Sent(item, failure=Failure.UNREADABLE, detail=detail)


def _failure_of_all(outcomes: Sequence[Sent]) -> Sent | None:
    """Give the one failure that met all objects of a request, or None."""
    failures = {outcome.failure for outcome in outcomes}
    return outcomes[0] if len(failures) == 1 and None not in failures else None


def _same(sent: Sent, item: Outgoing) -> Sent:
    return Sent(item, failure=sent.failure, detail=sent.detail, retry_after_seconds=sent.retry_after_seconds)


def _one_request(items: Sequence[Outgoing], web: WebAddress) -> list[Sent]:
    try:
        body = multipart_of([item.path for item in items])
        with WebSession(web, transfer_seconds=len(body) / SLOWEST_BYTES_PER_SECOND) as session:
            response = _post(session, body, web)
    except Unusable as error:
        return [Sent(item, failure=Failure.CREDENTIALS, detail=str(error)) for item in items]
    except DeliveryError as error:
        return [Sent(item, failure=Failure.UNREADABLE, detail=str(error)) for item in items]
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnusableFileError, OSError) as error:
        failure, detail = failure_of_error(error, web)
        return [Sent(item, failure=failure, detail=detail) for item in items]
    answer = read_answer(response.content) if response.status_code in TELLING else NO_ANSWER
    failure, detail = failure_of_status(response.status_code, web)
    wait = retry_after_seconds(response.headers.get("Retry-After")) if failure is Failure.BUSY else None
    return [
        _told(item, answer) or Sent(item, failure=failure, detail=detail, retry_after_seconds=wait) for item in items
    ]


def _post(session: WebSession, body: Multipart, web: WebAddress) -> requests.Response:
    return session.post(
        f"{web.url}/studies",
        data=body,
        headers={"Content-Type": body.content_type, "Accept": "application/dicom+json"},
        timeout=session.timeout,
    )


def _told(item: Outgoing, answer: StoreAnswer) -> Sent | None:
    """Give what an answer says of an object; None if it says nothing of it."""
    warning = answer.stored.get(item.sop_instance_uid)
    if warning is not None:
        return Sent(item, status=warning if warning == 0 or warning in WARNINGS else STORED_WITH_WARNING)
    if item.sop_instance_uid not in answer.failed:
        return None
    reason = answer.failed[item.sop_instance_uid]
    if reason == SYNTAX_NOT_SUPPORTED:
        return Sent(item, failure=Failure.MEDIA_TYPE, detail=f"0x{reason:04X} transfer syntax not supported")
    # Not stored, so no reason may be read as the success or the warning that the same number is elsewhere.
    if reason is None or reason == 0 or reason in WARNINGS or reason in {0x0107, 0x0116}:
        named = "no Failure Reason" if reason is None else f"Failure Reason 0x{reason:04X}"
        return Sent(item, failure=Failure.CONFLICT, detail=named)
    return Sent(item, status=reason)


def _without_those_present(outcomes: Sequence[Sent], web: WebAddress) -> Sequence[Sent]:
    """Ask for objects that were refused in a way that is also a service's way to say: I have it already.

    The standard has no Failure Reason for a duplicate, so services use 409 alone, 0110, or numbers of their own.
    """
    unclear = [sent.item for sent in outcomes if sent.failure is Failure.CONFLICT or sent.status == PROCESSING_FAILURE]
    if not unclear:
        return outcomes
    listed = present(unclear, web)
    return [_cleared(sent, listed) for sent in outcomes]


def _cleared(sent: Sent, listed: QueryAnswer) -> Sent:
    if sent.item.sop_instance_uid in listed.found:
        return Sent(sent.item, status=DUPLICATE)
    if sent.failure is not Failure.CONFLICT or sent.item.sop_instance_uid in listed.missing:
        return sent
    # A conflict says "and has none of its UID", which nobody knows here.
    detail = f"{sent.detail}; whether it has it could not be asked: {listed.failure}"
    return Sent(sent.item, failure=Failure.NO_VALID_ANSWER, detail=detail)
