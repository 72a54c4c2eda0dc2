"""Ask a DICOMweb service by QIDO-RS (PS3.18 10.6) whether it is there, and whether objects are there."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import requests
import urllib3
from dicomweb_client.web import DICOMwebClient

from dcis_node.bcp195 import UnusableFileError
from dcis_node.deliver.outcome import EchoResult, Failure, Outgoing
from dcis_node.deliver.policy import judge_failure
from dcis_node.deliver.query import QueryAnswer
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.credentials import Unusable
from dcis_node.deliver.web.session import WebSession
from dcis_node.deliver.web.trouble import failure_of_error, failure_of_status

# The Verification SOP Class (PS3.6): no study has this UID, so the answer is short and names no patient.
NO_STUDY = "1.2.840.10008.1.1"
SOP_INSTANCE_UID = "00080018"
INSTANCE_AVAILABILITY = "00080056"  # PS3.3 C.4.23
_UID = re.compile(r"[0-9.]{1,64}")
# The service talked to us: it may take objects though it answers no query, be it that our account may only store, or
# that a gateway lets only STOW-RS through. Not `BUSY`: it asks for time (429), or nobody is behind the gateway (502 to
# 504).
REACHED = frozenset(
    {
        Failure.BAD_REQUEST,
        Failure.CONFLICT,
        Failure.FORBIDDEN,
        Failure.MEDIA_TYPE,
        Failure.NO_SERVICE,
        Failure.NO_VALID_ANSWER,
        Failure.SERVER_ERROR,
        Failure.TOO_LARGE,
        Failure.UNAUTHORIZED,
    }
)
# No question gets as far as to what it is about.
_OF_SERVICE = frozenset({Failure.NO_CONNECTION, Failure.CONNECT_TIMEOUT, Failure.TLS, Failure.UNAUTHORIZED})


class Located(Protocol):
    """An object of which is known where it belongs."""

    @property
    def study_instance_uid(self) -> str:
        """Of its study."""

    @property
    def series_instance_uid(self) -> str:
        """Of its series."""

    @property
    def sop_instance_uid(self) -> str:
        """Its own."""


@dataclass(frozen=True)
class WebAnswer(QueryAnswer):
    """What a service lists.

    Parameters
    ----------
    of_service
        True if `failure` is one of the service as a whole: questions about other objects would meet the same.
    """

    of_service: bool = False


class _NoAnswer(Exception):  # noqa: N818 -- an outcome within this module
    """A query came to nothing.

    Parameters
    ----------
    failure, detail
        How, and more words.
    status
        HTTP status of the answer, if there was one.
    """

    def __init__(self, failure: Failure, detail: str, status: int = 0) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.detail = detail
        self.status = status
        self.of_service = failure in _OF_SERVICE


WAITS_FOR_ALL = 4
# Of all questions whether refused objects are there. After two requests on the slowest line, and the waits for their
# answers, the courier's default lease, which is its limit of silence too, has this left.
PRESENT_SECONDS = 30.0
NOT_ASKED = (_NoAnswer, Unusable, UnusableFileError)
_Place = tuple[str, str | None, str | None]  # UIDs of an object, its study and its series


def find_stored(rows: Iterable[Located], web: WebAddress) -> WebAnswer:
    """Ask after objects, one by one within their series: a service may bound longer lists, or know no lists of UIDs.

    Nothing is raised for a failure of service or network; the first one ends the questions, and so does a service that
    is so slow that they take longer than `WAITS_FOR_ALL` times its `timeout_seconds`.
    """
    places = [(row.sop_instance_uid, row.study_instance_uid, row.series_instance_uid) for row in rows]
    answer, error = _look(places, web, seconds=WAITS_FOR_ALL * web.timeout_seconds)
    if error is None:
        return answer
    return WebAnswer(answer.found, answer.missing, answer.failure, of_service=_lies_in_service(error, web))


def present(items: Sequence[Outgoing], web: WebAddress) -> QueryAnswer:
    """Ask whether the service lists objects, wherever; not after all of them if that takes `PRESENT_SECONDS`."""
    return _look([(item.sop_instance_uid, None, None) for item in items], web, seconds=PRESENT_SECONDS)[0]


def probe(web: WebAddress) -> EchoResult:
    """Ask a service by a query that finds nothing whether it is there: what C-ECHO is to a DICOM peer."""
    started = time.monotonic()
    error = _error_of_probe(web)
    seconds = time.monotonic() - started
    if error is None:
        return EchoResult(ok=True, text=f"{web} answered a query", seconds=seconds, reached=True)
    return EchoResult(ok=False, text=_words(error, web), seconds=seconds, reached=_is_reached(error))


def _look(places: Sequence[_Place], web: WebAddress, *, seconds: float) -> tuple[WebAnswer, Exception | None]:
    """Ask after one object after the other for a limited time; gives the error, too, that ended it before."""
    found: set[str] = set()
    missing: set[str] = set()
    failure, fault = "", None
    try:
        with WebSession(web, total_seconds=seconds) as session:
            for uid, study, series in places:
                try:
                    there = _search(session, web, uid, study=study, series=series)
                except _NoAnswer:
                    if not session.is_over:
                        raise
                    failure = f"{web} answers queries too slowly"
                    break
                (found if there else missing).add(uid)
    except NOT_ASKED as error:
        failure, fault = _words(error, web), error
    return WebAnswer(frozenset(found), frozenset(missing), failure), fault


def _lies_in_service(error: Exception, web: WebAddress) -> bool:
    """Tell whether a question about anything else would meet the same as one that came to nothing.

    One study that a service cannot bear may well look like a service that is down: an error, a time-out, a gateway
    whose backend has died over it. So the service is asked after nothing, once more.
    """
    if not isinstance(error, _NoAnswer) or error.of_service:
        return True
    again = _error_of_probe(web)
    if again is None:
        return False
    return not _is_reached(again) or (isinstance(again, _NoAnswer) and again.failure is error.failure)


def _is_reached(error: Exception) -> bool:
    return isinstance(error, _NoAnswer) and error.failure in REACHED


def _error_of_probe(web: WebAddress) -> Exception | None:
    try:
        with WebSession(web) as session:
            _probe(session, web)
    except NOT_ASKED as error:
        return error
    return None


def _probe(session: WebSession, web: WebAddress) -> None:
    client = _client(session, web)
    _ask(lambda: client.search_for_studies(limit=1, search_filters={"StudyInstanceUID": NO_STUDY}), web)


def _client(session: WebSession, web: WebAddress) -> DICOMwebClient:
    client = DICOMwebClient(web.url, session=session, timeout=session.timeout, permissive_uid=True)
    client.set_http_retry_params(retry=False)  # the courier's policy is the only one that tries again
    return client


def _search(
    session: WebSession, web: WebAddress, uid: str, *, study: str | None = None, series: str | None = None
) -> bool:
    client = _client(session, web)
    # The study's UID is a stranger's: one that is no UID is not made part of a path.
    if not (study and series and _UID.fullmatch(study) and _UID.fullmatch(series)):
        study = series = None
    filters = {"SOPInstanceUID": uid}
    try:
        listed = _ask(lambda: client.search_for_instances(study, series, search_filters=filters), web)
    except _NoAnswer as error:
        if error.status != 404:
            raise
        # A service may say so of a study that it does not have, but also because it knows no queries at all.
        try:
            _probe(session, web)
        except _NoAnswer as again:
            again.of_service = True
            raise
        return False
    return any(
        _value(one, SOP_INSTANCE_UID) == uid and _value(one, INSTANCE_AVAILABILITY) != "UNAVAILABLE" for one in listed
    )


def _ask(query: Callable[[], list[Any]], web: WebAddress) -> list[Any]:
    try:
        listed = query()
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise _NoAnswer(*failure_of_status(status, web), status) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _NoAnswer(*failure_of_error(error, web)) from error
    except (ValueError, RecursionError) as error:  # not JSON
        raise _NoAnswer(Failure.NO_VALID_ANSWER, "") from error
    if not isinstance(listed, list):
        raise _NoAnswer(Failure.NO_VALID_ANSWER, "")
    return listed


def _value(listed: object, tag: str) -> str:
    element = listed.get(tag) if isinstance(listed, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]).strip("\0 ") if isinstance(values, list) and values else ""


def _words(error: Exception, web: WebAddress) -> str:
    if isinstance(error, _NoAnswer):
        return judge_failure(error.failure, web, detail=error.detail).text
    failure = Failure.CREDENTIALS if isinstance(error, Unusable) else Failure.TLS
    return judge_failure(failure, web, detail=str(error)).text
