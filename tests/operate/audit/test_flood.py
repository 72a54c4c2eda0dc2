"""A scanner fills neither the disk nor the repository, and its first attempt is never lost."""

from hypothesis import given
from hypothesis import strategies as st

from dcis_node.operate.audit.flood import MINUTE, MOST_PLACES, Flood
from dcis_node.receive.events import PeerRefused


def refused(address="10.0.0.1", rule="address", text="no"):
    return PeerRefused(rule, address, "", "", text)


def test_the_first_of_each_rule_and_address_is_told_at_once():
    flood = Flood()
    told = [flood.is_first(refused(a, r), now=0.0) for a, r in (("1", "x"), ("1", "x"), ("2", "x"), ("1", "y"))]
    assert told == [True, False, True, True]


def test_the_others_of_a_minute_are_counted_with_the_last_reason():
    flood = Flood()
    for second, text in enumerate(("first", "second", "third")):
        flood.is_first(refused(text=text), now=float(second))
    assert flood.due(now=MINUTE - 1) == []
    (again,) = flood.due(now=MINUTE)
    assert (again.times, again.seconds, again.refused.text, again.addresses) == (2, MINUTE, "third", 1)
    assert flood.due(now=2 * MINUTE) == []
    assert flood.is_first(refused(), now=2 * MINUTE)


def test_one_alone_is_not_counted_again():
    flood = Flood()
    flood.is_first(refused(), now=0.0)
    assert flood.due(now=MINUTE) == []


def test_at_the_end_everything_is_told():
    flood = Flood()
    flood.is_first(refused(), now=0.0)
    flood.is_first(refused(), now=1.0)
    assert [again.times for again in flood.due(now=2.0, everything=True)] == [1]


def test_very_many_addresses_share_one_place():
    flood = Flood()
    told = sum(flood.is_first(refused(str(number)), now=0.0) for number in range(10_000))
    assert told == MOST_PLACES + 1
    (again,) = flood.due(now=MINUTE)
    assert again.times == 10_000 - told
    assert again.addresses == MOST_PLACES


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3), st.floats(0, 30)), max_size=300))
def test_every_refusal_is_told_or_counted(attempts):
    flood, now, told, counted = Flood(), 0.0, 0, 0
    for address, rule, pause in attempts:
        now += pause
        counted += sum(again.times for again in flood.due(now=now))
        told += flood.is_first(refused(str(address), str(rule)), now=now)
    counted += sum(again.times for again in flood.due(now=now, everything=True))
    assert told + counted == len(attempts)
