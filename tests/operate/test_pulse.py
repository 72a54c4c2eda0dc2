"""The pulse: what a process says to its supervisor, whatever becomes of either."""

import os

from dcis_node.operate.pulse import VARIABLE, LastWords, Listener, Pulse


def pair():
    listener = Listener()
    return listener, Pulse.of({VARIABLE: str(listener.handed)})


def test_signs_of_life_are_counted_and_last_words_kept():
    listener, pulse = pair()
    assert listener.heard() == 0
    pulse.beat()
    pulse.beat()
    assert listener.heard() == 2
    assert listener.words is None
    pulse.leave(LastWords("StorageError", "the index was\nbusy"))
    assert listener.heard() == 1
    assert listener.words == LastWords("StorageError", "the index was\nbusy")
    listener.close_handed()
    assert listener.heard() == 0
    listener.close()


def test_a_line_that_came_in_two_parts_is_one():
    listener, _ = pair()
    os.write(listener.handed, b'["A", ')
    assert listener.heard() == 0
    os.write(listener.handed, b'"b"]\n')
    assert listener.heard() == 1
    assert listener.words == LastWords("A", "b")


def test_what_is_no_message_is_passed_over():
    listener, _ = pair()
    os.write(listener.handed, b"{nonsense\n[1, 2, 3]\n")
    assert listener.heard() == 2
    assert listener.words is None


def test_a_supervisor_that_stands_still_holds_nobody_up():
    listener, pulse = pair()
    for _ in range(100_000):  # more than a pipe holds
        pulse.beat()
    assert listener.heard() > 0
    listener.close()
    pulse.beat()
    pulse.leave(LastWords("", "nobody listens"))


def test_one_that_runs_alone_tells_nobody():
    Pulse.of({}).beat()
    Pulse.of({VARIABLE: "none"}).leave(LastWords("A", "b"))
