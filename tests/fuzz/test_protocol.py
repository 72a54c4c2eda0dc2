"""Mutated protocol sequences, the short run; the whole one is `python -m benchmarks.fuzz_protocol`."""

from tests.fuzz import pdus
from tests.fuzz.campaign import campaign
from tests.fuzz.protocol import EVENTS, MUTATIONS, STATES, sequence
from tests.fuzz.receivers import Receivers

PAIRS = len(STATES) * len(EVENTS)


def test_a_receiver_takes_each_event_in_each_state_and_mutated_sequences_without_harm(receivers: Receivers) -> None:
    verdict = campaign(receivers, (sequence(5, n) for n in range(PAIRS + 700)), at_once=8, warm=200)
    assert verdict.sequences == PAIRS + 700
    assert verdict.objections == [], (verdict.unfinished, verdict.echoes_failed, verdict.log_faults)


def test_a_sequence_is_repeated_by_its_seed_and_number() -> None:
    assert sequence(1, 4321) == sequence(1, 4321)
    assert sequence(1, 4321) != sequence(2, 4321)


def test_the_first_sequences_go_through_every_state_and_event() -> None:
    firsts = [sequence(1, n) for n in range(PAIRS)]
    assert {(one.state, *one.ways) for one in firsts} == {(state, event) for state in STATES for event in EVENTS}


def test_every_mutation_and_ending_comes_up() -> None:
    some = [sequence(1, n) for n in range(PAIRS, PAIRS + 600)]
    assert {way for one in some for way in one.ways} == set(MUTATIONS)
    assert {one.ending for one in some} == {"half_close", "close", "reset", "silence"}


def test_lengths_are_found_in_requests_and_in_commands() -> None:
    request = pdus.association()
    values = pdus.pdu(pdus.P_DATA, pdus.pdv(3, pdus.COMMAND, pdus.command(pdus.echo_elements())))
    # PDU, application context, three contexts with two sub-items each, user information with two.
    assert len(pdus.length_fields(request)) == 1 + 1 + 3 * 3 + 3
    assert len(pdus.length_fields(values)) == 1 + 1 + 5
