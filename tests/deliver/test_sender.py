import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom import AllStoragePresentationContexts

from dcis_node.deliver import sender
from dcis_node.deliver.outcome import Failure, Outgoing
from dcis_node.deliver.sender import echo, outgoing_from_file, send_files, split
from dcis_node.errors import DeliveryError
from tests.deliver.helpers import CANARY, SECONDARY_CAPTURE, address, dicom_file, encoded_dataset
from tests.peers import StoragePeer, free_port, raw_peer, rejecting_peer

OTHER_CLASS = "1.2.840.10008.5.1.4.1.1.88.22"
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEG2000Lossless)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("size_bytes", [2, 300_000])
def test_the_peer_gets_the_stored_bytes_of_the_data_set_in_their_own_syntax(outgoing, syntax, size_bytes):
    (item,) = outgoing(syntax=syntax, size_bytes=size_bytes)
    with StoragePeer() as peer:
        (sent,) = send_files([item], address(peer.port))
    assert (sent.status, sent.failure, sent.item) == (0x0000, None, item)
    (received,) = peer.received
    assert received.dataset == encoded_dataset(item.path)
    assert received.transfer_syntax_uid == syntax
    assert (received.sop_class_uid, received.sop_instance_uid) == (item.sop_class_uid, item.sop_instance_uid)
    assert received.calling_aet == "NODE"


def test_all_objects_go_over_one_association_in_their_order(outgoing):
    items = [item for syntax in SYNTAXES for item in outgoing(2, syntax=syntax)]
    with StoragePeer() as peer:
        outcomes = list(send_files(items, address(peer.port)))
    assert [sent.item for sent in outcomes] == items
    assert peer.uids() == [item.sop_instance_uid for item in items]
    assert peer.associations == 1


def test_nothing_to_send_calls_nobody():
    assert list(send_files([], address(1))) == []


def test_the_status_of_each_object_is_reported(outgoing):
    statuses = [0xB000, 0xA700, 0xC211, 0x0111, 0x0000]
    with StoragePeer(statuses=statuses) as peer:
        outcomes = list(send_files(outgoing(5), address(peer.port)))
    assert [sent.status for sent in outcomes] == statuses
    assert peer.associations == 1


def test_the_outcome_comes_before_the_next_object_is_sent_and_an_early_end_releases(outgoing):
    items = outgoing(3)
    with StoragePeer() as peer:
        sending = send_files(items, address(peer.port))
        assert next(sending).item == items[0]
        assert len(peer.received) == 1
        sending.close()
        assert len(peer.received) == 1


def test_an_object_that_makes_the_peer_abort_does_not_stop_the_others(outgoing):
    items = outgoing(4)
    with StoragePeer(statuses=[0, None, None, 0]) as peer:
        outcomes = list(send_files(items, address(peer.port)))
    assert [(sent.status, sent.failure) for sent in outcomes] == [
        (0, None), (None, Failure.CUT_OFF), (None, Failure.CUT_OFF), (0, None),
    ]  # fmt: skip
    assert peer.associations == 3


def test_silence_after_an_object_is_unknown_and_ends_in_time(outgoing):
    items = outgoing(2)
    release = threading.Event()

    def stay_silent(_):
        release.wait(20)
        return 0x0000

    with StoragePeer(statuses=[stay_silent]) as peer:
        outcomes = []
        for sent in send_files(items, address(peer.port, timeout_seconds=1.6)):
            release.set()
            outcomes.append(sent)
    assert outcomes[0].failure is Failure.NO_ANSWER
    assert outcomes[0].detail == "2 s"
    assert outcomes[1].status == 0


def test_an_association_that_ends_between_two_objects_is_replaced(outgoing):
    items = outgoing(2)
    with StoragePeer() as peer:
        sending = send_files(items, address(peer.port))
        assert next(sending).status == 0
        peer.stop()
        peer.start()
        rest = list(sending)
    # The loss is noticed before the object is sent, or with it; it is never a success.
    assert [sent.failure for sent in rest] in ([None], [Failure.CUT_OFF])


def test_an_association_that_ends_while_an_object_is_prepared_cuts_it_off(outgoing, monkeypatch):
    items = outgoing(2)
    monkeypatch.setattr(sender, "_check", lambda item: 1000)
    with StoragePeer() as peer:

        def gone(*_, **__):
            raise RuntimeError

        monkeypatch.setattr("pynetdicom.association.Association.send_c_store", gone)
        outcomes = list(send_files(items, address(peer.port)))
    assert [sent.failure for sent in outcomes] == [Failure.CUT_OFF] * 2


def test_a_peer_that_stops_reading_in_the_middle_of_an_object_is_left_in_time(outgoing):
    (item,) = outgoing(size_bytes=20_000_000)
    with StoragePeer() as peer, _Forwarder(peer.port, stop_after=100_000) as port:
        (sent,) = send_files([item], address(port, timeout_seconds=1.5))
    assert sent.failure in {Failure.CUT_OFF, Failure.NO_ANSWER}
    assert peer.received == []


class _Forwarder:
    """Pass bytes on to a port in both directions, and stop reading from the sender after some."""

    def __init__(self, port, *, stop_after):
        self.target, self.stop_after = port, stop_after
        self._peer = raw_peer(self._serve)

    def __enter__(self):
        self._done = threading.Event()
        return self._peer.__enter__()

    def __exit__(self, *details):
        self._done.set()
        return self._peer.__exit__(*details)

    def _serve(self, connection):
        with socket.create_connection(("127.0.0.1", self.target)) as onward:
            back = threading.Thread(target=self._back, args=(onward, connection))
            back.start()
            passed = 0
            while passed < self.stop_after:
                data = connection.recv(16384)
                onward.sendall(data)
                passed += len(data)
            self._done.wait(20)
            onward.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _back(onward, connection):
        try:
            while data := onward.recv(16384):
                connection.sendall(data)
        except OSError:
            return


def test_a_class_that_the_peer_does_not_take_stops_only_its_own_objects(outgoing):
    items = [*outgoing(sop_class=OTHER_CLASS), *outgoing()]
    with StoragePeer(contexts=[(SECONDARY_CAPTURE, ExplicitVRLittleEndian)]) as peer:
        refused, taken = send_files(items, address(peer.port))
    assert (refused.failure, taken.status) == (Failure.CLASS_NOT_ACCEPTED, 0)


def test_a_peer_that_takes_no_class_at_all_is_told_as_such(outgoing):
    with StoragePeer(contexts=[(OTHER_CLASS, ExplicitVRLittleEndian)]) as peer:
        outcomes = list(send_files(outgoing(2), address(peer.port)))
    assert [sent.failure for sent in outcomes] == [Failure.CLASS_NOT_ACCEPTED] * 2


def test_an_object_is_never_re_encoded_for_a_peer_that_takes_another_uncompressed_syntax(outgoing):
    (item,) = outgoing(syntax=ExplicitVRLittleEndian)
    with StoragePeer(contexts=[(SECONDARY_CAPTURE, ImplicitVRLittleEndian)]) as peer:
        (sent,) = send_files([item], address(peer.port))
    assert (sent.failure, sent.detail) == (Failure.SYNTAX_NOT_ACCEPTED, "accepted: Implicit VR Little Endian")
    assert peer.received == []


def test_a_class_taken_in_no_syntax_that_was_offered_is_a_matter_of_syntax(outgoing):
    (item,) = outgoing(syntax=ImplicitVRLittleEndian)
    with StoragePeer(contexts=[(SECONDARY_CAPTURE, JPEG2000Lossless)]) as peer:
        (alone,) = send_files([item], address(peer.port))
    with StoragePeer(contexts=[(SECONDARY_CAPTURE, JPEG2000Lossless), (OTHER_CLASS, ExplicitVRLittleEndian)]) as peer:
        beside, taken = send_files([item, *outgoing(sop_class=OTHER_CLASS)], address(peer.port))
    assert [sent.failure for sent in (alone, beside, taken)] == [Failure.SYNTAX_NOT_ACCEPTED] * 2 + [None]


def test_more_than_128_contexts_take_a_second_association(tmp_path):
    # Each object has a class of its own, and needs two contexts: its syntax and the default one.
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:65]]
    paths = [dicom_file(tmp_path / f"{name}.dcm", sop_class=name) for name in classes]
    items = [outgoing_from_file(path) for path in paths]
    accepted = [(name, ExplicitVRLittleEndian) for name in classes]
    with StoragePeer(contexts=accepted) as peer:
        outcomes = list(send_files([*items, items[0]], address(peer.port)))
    assert {sent.status for sent in outcomes} == {0}
    assert len(outcomes) == 66
    assert peer.associations == 2
    assert [received.association for received in peer.received].count(2) == 1


@given(st.lists(st.tuples(st.integers(0, 150), st.sampled_from(SYNTAXES)), max_size=400))
def test_groups_keep_every_object_once_and_fit_into_an_association(choices):
    items = [
        Outgoing(f"1.2.{number}", f"1.3.{place}", syntax, __file__) for place, (number, syntax) in enumerate(choices)
    ]
    groups = split(items)
    assert sorted(item.sop_instance_uid for group in groups for item in group) == sorted(
        item.sop_instance_uid for item in items
    )
    for group in groups:
        assert len(sender._contexts(group)) <= 128
        offered = {(c.abstract_syntax, c.transfer_syntax[0]) for c in sender._contexts(group)}
        assert all((item.sop_class_uid, item.transfer_syntax_uid) in offered for item in group)
        # PS3.5 10.1
        assert all((item.sop_class_uid, ImplicitVRLittleEndian) in offered for item in group)


def test_a_file_that_changed_since_it_was_announced_is_not_sent(outgoing, tmp_path):
    first, second, third = outgoing(3)
    first.path.write_bytes(second.path.read_bytes())
    second.path.unlink()
    with StoragePeer() as peer:
        outcomes = list(send_files([first, second, third], address(peer.port)))
    assert [sent.failure for sent in outcomes] == [Failure.UNREADABLE, Failure.UNREADABLE, None]
    assert peer.uids() == [third.sop_instance_uid]
    assert "No such file" in outcomes[1].detail


def test_a_disk_that_fails_in_the_middle_of_an_object_costs_that_object_only(outgoing, monkeypatch):
    items = outgoing(2)
    with StoragePeer() as peer:
        original = sender.Association.send_c_store
        failures = iter([OSError(5, "Input/output error"), OSError()])

        def fail_first(self, *arguments, **named):
            failure = next(failures, None)
            if failure is not None:
                raise failure
            return original(self, *arguments, **named)

        monkeypatch.setattr(sender.Association, "send_c_store", fail_first)
        outcomes = list(send_files([*items, *outgoing()], address(peer.port)))
    assert [(sent.failure, sent.detail) for sent in outcomes] == [
        (Failure.UNREADABLE, "Input/output error"), (Failure.UNREADABLE, "OSError"), (None, ""),
    ]  # fmt: skip
    assert peer.associations == 3


def test_the_time_of_the_transfer_is_added_to_the_wait_for_the_answer():
    peer = address(1, timeout_seconds=30)
    assert sender.longest_seconds(0, peer) == 30
    assert sender.longest_seconds(125_000_000, peer) == 1030


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a DICOM file"),
        (b"hello", "not a DICOM file"),
        (bytes(128) + b"DICM", "not a DICOM file"),
        (bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff" + b"1.2", "not a DICOM file"),
    ],
)
def test_a_file_that_is_no_dicom_file_is_said_so(tmp_path, content, words):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DeliveryError, match=words) as caught:
        outgoing_from_file(path)
    assert caught.value.permanent


def test_a_uid_that_is_none_is_refused_before_anything_is_sent(tmp_path):
    path = dicom_file(tmp_path / "file.dcm", uid="1.2.3.4.5.6")
    path.write_bytes(path.read_bytes().replace(b"1.2.3.4.5.6", b"../../etc/x", 1))
    with pytest.raises(DeliveryError, match="valid UIDs"):
        outgoing_from_file(path)


def test_a_missing_file_is_said_with_the_reason_of_the_system(tmp_path):
    with pytest.raises(DeliveryError, match="No such file"):
        outgoing_from_file(tmp_path / "nothing")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_header_gives_three_uids_or_one_clear_error_without_any_of_its_text(tmp_path, data):
    path = tmp_path / "whole.dcm"
    whole = path.read_bytes() if path.exists() else dicom_file(path).read_bytes()
    damaged = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(128, 400), st.integers(0, 255)), max_size=8)):
        damaged[place] = value
    file = tmp_path / "damaged.dcm"
    file.write_bytes(damaged[: data.draw(st.integers(100, len(damaged)))])
    try:
        item = outgoing_from_file(file)
    except DeliveryError as error:
        assert CANARY not in str(error)  # noqa: PT017 -- both ends are allowed
    else:
        assert all(set(uid) <= set("0123456789.") for uid in (item.sop_class_uid, item.sop_instance_uid))


def test_echo_says_that_a_peer_is_there():
    with StoragePeer() as peer:
        answer = echo(address(peer.port))
    assert answer.ok
    assert answer.text == f"PACS at 127.0.0.1:{peer.port} answered"
    assert 0 < answer.seconds < 5


def test_echo_says_why_a_peer_is_not_there():
    with rejecting_peer(1, 1, 7) as port:
        rejected = echo(address(port))
    with StoragePeer(echo=False) as peer:
        without = echo(address(peer.port))
    refused = echo(address(free_port()))
    assert not any(answer.ok for answer in (rejected, without, refused))
    assert "AE title is not 'PACS'" in rejected.text
    assert "does not offer the verification service" in without.text
    assert "Connection refused" in refused.text


def test_echo_tells_an_odd_answer_and_none(monkeypatch):
    answers = [Dataset(), Dataset()]
    answers[0].Status = 0x0122
    with StoragePeer() as peer:
        monkeypatch.setattr(sender.Association, "send_c_echo", lambda self: answers.pop(0))
        texts = [echo(address(peer.port)).text for _ in range(2)]

        def gone(self):
            raise RuntimeError

        monkeypatch.setattr(sender.Association, "send_c_echo", gone)
        texts.append(echo(address(peer.port)).text)
    assert [text.split("C-ECHO with ")[1] for text in texts] == ["status 0x0122", "nothing", "nothing"]


def test_nothing_of_an_object_is_logged(outgoing, caplog):
    caplog.set_level("DEBUG")
    with StoragePeer(statuses=[0x0000, 0xC000, None]) as peer:
        list(send_files(outgoing(3), address(peer.port)))
    assert CANARY not in caplog.text
