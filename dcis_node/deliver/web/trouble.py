"""What a failed exchange means: from the kind of an error or the status of an answer to a `Failure`."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3

from dcis_node.bcp195 import UnusableFileError, words_of
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.session import LONGEST_ANSWER_BYTES, AnswerTooLongError

LONGEST_RETRY_AFTER_SECONDS = 3600.0

_BY_STATUS = {
    401: Failure.UNAUTHORIZED,
    403: Failure.FORBIDDEN,
    404: Failure.NO_SERVICE,
    405: Failure.NO_SERVICE,
    406: Failure.MEDIA_TYPE,
    407: Failure.UNAUTHORIZED,
    408: Failure.BUSY,
    409: Failure.CONFLICT,
    410: Failure.NO_SERVICE,
    413: Failure.TOO_LARGE,
    415: Failure.MEDIA_TYPE,
    429: Failure.BUSY,
    501: Failure.NO_SERVICE,
    502: Failure.BUSY,
    503: Failure.BUSY,
    504: Failure.BUSY,
    507: Failure.BUSY,
}
_BY_CLASS = {2: Failure.NO_VALID_ANSWER, 4: Failure.BAD_REQUEST, 5: Failure.SERVER_ERROR}


def failure_of_status(status: int, web: WebAddress) -> tuple[Failure, str]:
    """Say what an HTTP status means for an object of which the answer says nothing (PS3.18 8.5, RFC 9110 15).

    Returns
    -------
    tuple
        The failure, and more words for an administrator.
    """
    failure = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, Failure.NO_VALID_ANSWER)
    detail = f"HTTP {status}"
    if failure is Failure.UNAUTHORIZED:
        detail += f": {web.credentials_named}"
    return failure, detail


def failure_of_error(error: Exception, web: WebAddress) -> tuple[Failure, str]:
    """Say what an error of requests or of the network means; its text is not used: it quotes URLs with UIDs."""
    of_tls = _failure_of_tls(error, web)
    if of_tls is not None:
        return of_tls
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Failure.CONNECT_TIMEOUT, ""
    if isinstance(error, requests.TooManyRedirects) and error.response is not None:
        return Failure.NO_SERVICE, f"HTTP {error.response.status_code}: it redirects, which is not followed"
    if isinstance(error, AnswerTooLongError):
        return Failure.NO_VALID_ANSWER, f"more than {LONGEST_ANSWER_BYTES} bytes"
    if isinstance(error, requests.Timeout) or _first(error, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return Failure.NO_ANSWER, ""
    if _first(error, urllib3.exceptions.NewConnectionError) is not None:
        return Failure.NO_CONNECTION, _strerror(error)
    if isinstance(error, requests.exceptions.ContentDecodingError | requests.exceptions.JSONDecodeError):
        return Failure.NO_VALID_ANSWER, ""
    broken = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
    # All of requests' errors are OSErrors: what is none of them comes from the network itself.
    if broken or (isinstance(error, OSError) and not isinstance(error, requests.RequestException)):
        return Failure.CUT_OFF, ""
    return Failure.INTERNAL, type(error).__name__


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a Retry-After field (RFC 9110 10.2.3): seconds or a date; None where there is none that makes sense.

    Returns
    -------
    float
        At most an hour: a service's wish does not set a result aside.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _failure_of_tls(error: Exception, web: WebAddress) -> tuple[Failure, str] | None:
    if isinstance(error, UnusableFileError):
        return Failure.TLS, str(error)
    found = _first(error, ssl.SSLError)
    if isinstance(found, ssl.SSLEOFError):
        # By TLS 1.3 a service refuses our certificate after the handshake, when we are sending already.
        return Failure.CUT_OFF, "" if web.tls is not None and web.tls.certificate else "it may want tls.certificate"
    if isinstance(found, ssl.SSLError):
        return Failure.TLS, words_of(found)
    return (Failure.TLS, "") if isinstance(error, requests.exceptions.SSLError) else None


def _strerror(error: Exception) -> str:
    found = next((one for one in _chain(error) if isinstance(one, OSError) and one.strerror), None)
    return found.strerror or "" if found is not None else ""


def _first(error: BaseException, *kinds: type[BaseException]) -> BaseException | None:
    return next((one for one in _chain(error) if isinstance(one, kinds)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and those that led to it; requests and urllib3 hand them on as cause, argument or reason."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        others = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [other for other in others if isinstance(other, BaseException)]
