"""What errors and fields of an answer mean."""

import ssl
from datetime import UTC, datetime

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.web.trouble import (
    LONGEST_RETRY_AFTER_SECONDS,
    failure_of_error,
    failure_of_status,
    retry_after_seconds,
)
from tests.deliver.web.peer import web_at

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
WEB = web_at(1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("999999999", LONGEST_RETRY_AFTER_SECONDS),
        ("Mon, 23 Nov 2026 12:01:40 GMT", 100.0),
        ("Mon, 23 Nov 2026 12:01:40 -0000", 100.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 12:00:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_a_wish_for_a_later_try_is_read_and_bounded(value, seconds):
    assert retry_after_seconds(value, now=NOW) == seconds


@given(st.text(max_size=60))
def test_no_wish_breaks_it_or_waits_for_longer_than_an_hour(value):
    seconds = retry_after_seconds(value, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


@given(st.integers(-1, 100_000))
def test_every_status_has_a_failure_and_is_named(status):
    failure, detail = failure_of_status(status, WEB)
    assert isinstance(failure, Failure)
    assert detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (requests.exceptions.SSLError("text"), Failure.TLS),
        (ssl.SSLEOFError("text"), Failure.CUT_OFF),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("x", ConnectionResetError())), Failure.CUT_OFF),
        (requests.exceptions.ConnectTimeout(), Failure.CONNECT_TIMEOUT),
        (requests.exceptions.ReadTimeout(), Failure.NO_ANSWER),
        (TimeoutError(), Failure.NO_ANSWER),
        (OSError(5, "text"), Failure.CUT_OFF),
        (requests.exceptions.InvalidURL("text"), Failure.INTERNAL),
        (urllib3.exceptions.LocationParseError("text"), Failure.INTERNAL),
    ],
)
def test_every_kind_of_error_has_its_failure_and_its_text_is_not_told(error, failure):
    found, detail = failure_of_error(error, WEB)
    assert found is failure
    assert "text" not in detail


def test_errors_that_name_each_other_are_looked_through_once():
    first, second = OSError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    assert failure_of_error(first, WEB) == (Failure.CUT_OFF, "")
