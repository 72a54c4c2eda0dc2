import os
import threading
import time

import pytest

from dcis_node.receive import upper_layer
from dcis_node.receive.upper_layer import Bell, Turnstile
from tests.receive.helpers import Receiver, image, send
from tests.receive.wire import ACCEPTED, P_DATA, fragment, raw_association, read_pdu, request_pdu, store_command

COMMAND_LAST, DATA, DATA_LAST = 3, 0, 2


def test_a_bell_wakes_who_waits_or_will_wait() -> None:
    with Bell() as bell:
        bell.ring()
        bell.wait(20.0)
        bell.silence()
        started = time.monotonic()
        bell.wait(0.01)
        assert time.monotonic() - started >= 0.01
        bell.silence()  # again: nothing to do


def test_a_bell_that_is_put_away_is_silent_and_takes_no_other_descriptor_for_its_own() -> None:
    bell = Bell()
    bell.ring()
    with bell:
        number = bell.descriptor
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    read, write = os.pipe()
    bell.ring()
    assert bell.descriptor == -1
    os.close(read)
    os.close(write)


def test_a_turnstile_opens_for_work_that_was_announced_before_or_while_it_waits(monkeypatch) -> None:
    monkeypatch.setattr(upper_layer, "IDLE_SECONDS", 20.0)
    work: list[str] = []
    turnstile = Turnstile(lambda: bool(work))
    work.append("before")
    assert turnstile.wait()
    work.clear()
    waiting = threading.Thread(target=turnstile.wait)
    waiting.start()
    while waiting.is_alive():
        turnstile.set()
        waiting.join(0.01)


def test_a_turnstile_lets_through_now_and_then() -> None:
    assert Turnstile(lambda: False).wait(0.01)


def test_nobody_waits_for_a_clock_while_messages_come(receiver: Receiver, monkeypatch) -> None:
    """Forty messages, each of them there and back; with a wait of the loops in each they would take long."""
    monkeypatch.setattr(upper_layer, "IDLE_SECONDS", 20.0)
    started = time.monotonic()
    assert send(receiver.port, *(image() for _ in range(40))) == [0x0000] * 40
    assert time.monotonic() - started < 20.0


def test_a_request_sent_before_the_association_is_accepted_waits_for_it(receiver: Receiver, connected) -> None:
    connected.sendall(request_pdu() + fragment(COMMAND_LAST, store_command()) + fragment(DATA_LAST, b"garbage"))
    assert [read_pdu(connected)[0], read_pdu(connected)[0]] == [ACCEPTED, P_DATA]


def test_two_requests_at_once_are_answered_one_after_the_other(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(upper_layer, "IDLE_SECONDS", 20.0)
    message = fragment(COMMAND_LAST, store_command()) + fragment(DATA_LAST, b"garbage")
    with raw_association(receiver.port) as connection:
        connection.sendall(message * 2)
        assert [read_pdu(connection)[0], read_pdu(connection)[0]] == [P_DATA, P_DATA]


def test_a_message_longer_than_the_silence_allowed_in_it_goes_on_while_data_come(start) -> None:
    receiver = start(dimse_timeout_seconds=0.4, network_timeout_seconds=0.4)
    pause = threading.Event()
    with raw_association(receiver.port) as connection:
        connection.sendall(fragment(COMMAND_LAST, store_command()))
        for _ in range(6):
            connection.sendall(fragment(DATA, bytes(100)))
            pause.wait(0.15)
        connection.sendall(fragment(DATA_LAST, b"garbage"))
        assert read_pdu(connection)[0] == P_DATA
