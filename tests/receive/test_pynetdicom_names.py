"""The names of pynetdicom that receive uses without a promise; the version is pinned because of them.

When this fails after an update: read what moved, in the modules named here, and run all of tests/receive.
"""

import inspect
import threading

import pynetdicom
import pytest
from pynetdicom import AE, dimse, dimse_messages, dul, evt, fsm, service_class, transport
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from dcis_node.receive.association import NodeAssociation
from dcis_node.receive.dimse import StreamingDimse
from dcis_node.receive.transport import DeadlineSocket
from dcis_node.receive.upper_layer import Turnstile, UpperLayer


def source(thing: object) -> str:
    return inspect.getsource(thing)


def test_the_version_is_the_one_that_was_read() -> None:
    assert pynetdicom.__version__ == "3.0.4"


@pytest.mark.parametrize(
    ("ours", "theirs", "methods"),
    [
        (NodeAssociation, Association, ["run_reactor", "_serve_request", "_bind_defaults", "kill", "_abort_blocking"]),
        (StreamingDimse, dimse.DIMSEServiceProvider, ["receive_primitive"]),
        (
            UpperLayer,
            dul.DULServiceProvider,
            [
                *("run_reactor", "send_pdu", "kill_dul", "stop_dul", "_is_transport_event", "_read_pdu_data"),
                *("_process_recv_primitive", "_decode_pdu"),
            ],
        ),
        (Turnstile, threading.Event, ["wait"]),
        (DeadlineSocket, transport.AssociationSocket, ["recv", "send", "_shutdown_socket", "close"]),
    ],
)
def test_what_we_replace_is_there_and_takes_the_same(ours: type, theirs: type, methods: list[str]) -> None:
    for name in methods:
        assert list(inspect.signature(getattr(ours, name)).parameters) == list(
            inspect.signature(getattr(theirs, name)).parameters
        )
    assert issubclass(ours, theirs)


def test_an_association_has_the_attributes_we_touch() -> None:
    association = Association(AE(), "acceptor")
    for name in ("_accepted_cx", "_sent_abort", "dimse", "dul", "requestor", "rejected_contexts"):
        assert hasattr(association, name)
    assert isinstance(association._reactor_checkpoint, threading.Event)
    for name in (
        *("event_queue", "to_user_queue", "to_provider_queue", "socket", "state_machine"),
        *("_idle_timer", "_kill_thread", "_run_loop_delay"),
    ):
        assert hasattr(association.dul, name)
    assert hasattr(association.dimse, "msg_queue")
    assert association.requestor.primitive is None


def test_a_read_is_a_look_a_header_and_a_value() -> None:
    read = source(dul.DULServiceProvider._read_pdu_data)
    assert read.count("self.socket.recv(") == 2
    assert read.index("self.socket.recv(6)") < read.index("self.socket.recv(pdu_length)")
    assert source(dul.DULServiceProvider._is_transport_event).count("self.socket.ready") == 2


def test_a_fault_of_a_message_is_event_19_and_aborts_from_every_open_state() -> None:
    for state in ("Sta6", "Sta7", "Sta8"):
        assert fsm.TRANSITION_TABLE["Evt19", state] == "AA-8"


def test_each_round_of_the_upper_layer_sends_or_reads_and_then_takes_an_event() -> None:
    reactor = source(dul.DULServiceProvider.run_reactor)
    parts = (
        *("time.sleep(self._run_loop_delay)", "if self._kill_thread", "self._process_recv_primitive()"),
        *("self._is_transport_event()", "self._idle_timer.restart()", "self.event_queue.get(block=False)"),
    )
    order = [reactor.index(text) for text in parts]
    assert order == sorted(order)


def test_each_round_of_an_association_waits_at_the_turnstile_and_then_takes_a_message() -> None:
    reactor = source(Association._run_reactor)
    parts = ("self._reactor_checkpoint.wait()", "self.dimse.get_msg(block=False)", "is_release_requested", "is_aborted")
    order = [reactor.index(text) for text in parts]
    assert order == sorted(order)
    assert "self._reactor_checkpoint.set()" in source(Association.kill)


def test_the_timers_are_set_through_the_association() -> None:
    assert "self.dul._idle_timer.timeout = value" in source(Association.network_timeout.fset)
    assert "self.dul.artim_timer.timeout = value" in source(Association.acse_timeout.fset)


def test_the_states_have_the_meaning_we_give_them() -> None:
    assert fsm.TRANSITION_TABLE["Evt6", "Sta2"] == "AE-6"
    assert fsm.TRANSITION_TABLE["Evt7", "Sta3"] == "AE-7"
    assert fsm.TRANSITION_TABLE["Evt10", "Sta6"] == "DT-2"
    assert fsm.TRANSITION_TABLE["Evt17", "Sta6"] == "AA-4"


def test_messages_reach_our_provider() -> None:
    assert "dimse.receive_primitive(" in source(fsm.DT_2)
    assert dimse_messages._MESSAGE_TYPES[0x0001][1] is dimse_messages.C_STORE_RQ
    assert dimse_messages._MESSAGE_TYPES[0x0030][1] is dimse_messages.C_ECHO_RQ


def test_the_request_primitive_can_carry_our_sink_to_the_handler() -> None:
    request = C_STORE()
    request.sink = "ours"
    assert request.sink == "ours"
    assert '"request": req' in source(service_class.StorageServiceClass.SCP)
    assert not request._dataset_file  # else pynetdicom would unlink it after the handler


def test_a_rejection_from_the_handler_of_the_request_is_respected() -> None:
    reactor = source(Association.run_reactor)
    order = [reactor.index(text) for text in ("EVT_REQUESTED", "not self.is_rejected", "negotiate_association")]
    assert order == sorted(order)


def test_the_default_answers_can_be_listed() -> None:
    assert evt.EVT_C_ECHO in evt._INTERVENTION_EVENTS
    assert evt.EVT_C_STORE in evt._INTERVENTION_EVENTS


def test_the_end_of_a_connection_is_told() -> None:
    for action in (fsm.AA_4, fsm.AA_5):
        assert "EVT_CONN_CLOSE" in source(action)
