"""The life of a receiver process: start, stop, death, and company on one socket."""

import multiprocessing
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcis_node.config import ReceiveSettings
from dcis_node.receive import acceptor as acceptor_module
from dcis_node.receive.acceptor import Acceptor
from dcis_node.receive.places import Places
from dcis_node.receive.server import serve
from dcis_node.receive.store import InstanceStore
from storage.database import Database, open_database
from storage.files import FileStore
from storage.index import open_association
from storage.schema import Association
from tests.peers import wait_until
from tests.receive.helpers import AET, Image, Receiver, associated, echo, image, listen, send
from tests.receive.wire import COMMAND, DATA, LAST, fragment, raw_association, read_pdu, store_command

FORK = multiprocessing.get_context("fork")


def receive(listener: socket.socket, url: str, root: Path, owner: str) -> None:
    """Be a receiver process, as `dcis-node run receive` is one."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    serve(
        listener,
        settings=ReceiveSettings(),
        aet=AET,
        db=open_database(url),
        files=FileStore(root),
        owner=owner,
        merge_same_day=True,
        stop=stop,
    )
    os._exit(0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen() as listening:
        yield listening


def spawn(listener: socket.socket, db: Database, files: FileStore, owner: str) -> multiprocessing.Process:
    process = FORK.Process(target=receive, args=(listener, db.url, files.root, owner))
    process.start()
    return process


@contextmanager
def another(listener: socket.socket, db: Database, files: FileStore, owner: str) -> Iterator[None]:
    """Let a second receiver process run on the socket for a while."""
    process = spawn(listener, db, files, owner)
    try:
        yield
    finally:
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(30)


def open_rows(db: Database) -> list[str]:
    with db.read() as session:
        return [row.owner for row in session.query(Association).where(Association.closed_at.is_(None))]


def test_what_a_dead_predecessor_left_is_cleared_at_the_start(db: Database, files: FileStore, start) -> None:
    with db.write() as session:
        for owner in ("receive-1", "receive-2"):
            open_association(session, owner=owner, calling_aet="PACS", address="", now=1.0)
    (files.incoming / f"{'0' * 32}.part").write_bytes(b"half")

    receiver = start(owner="receive-1")

    assert echo(receiver.port)
    assert open_rows(db) == ["receive-2"]
    assert list(files.incoming.iterdir()) == []


def test_a_stop_ends_idle_associations_and_closes_their_rows(receiver: Receiver, caplog) -> None:
    ds = image()
    with associated(receiver.port, ds) as idle, socket.create_connection(("127.0.0.1", receiver.port)) as silent:
        assert idle.send_c_store(ds).Status == 0x0000
        assert open_rows(receiver.db) == ["receive-1"]
        receiver.stop.set()
        receiver.thread.join(20)
        assert not receiver.thread.is_alive()
        assert silent.recv(1) == b""
        wait_until(lambda: idle.is_aborted, "the peer hears of it")
    assert open_rows(receiver.db) == []


def test_a_stop_lets_the_object_under_way_end_and_answers_it(start, monkeypatch) -> None:
    receiver = start(grace_seconds=20.0)
    under_way, go_on = threading.Event(), threading.Event()
    handle = InstanceStore.handle

    def slow(*args: object, **named: object) -> object:
        under_way.set()
        assert go_on.wait(20)
        return handle(*args, **named)

    monkeypatch.setattr(InstanceStore, "handle", slow)
    ds = image()
    with associated(receiver.port, ds) as association:
        answers: list[object] = []
        sending = threading.Thread(target=lambda: answers.append(association.send_c_store(ds).get("Status")))
        sending.start()
        assert under_way.wait(20)
        receiver.stop.set()
        receiver.thread.join(0.5)
        assert receiver.thread.is_alive()
        go_on.set()
        sending.join(20)
        assert answers == [0x0000]
        receiver.thread.join(20)
    assert not receiver.thread.is_alive()
    assert len(receiver.instances()) == 1


def test_a_stop_does_not_wait_longer_than_its_grace(start, no_part_stays) -> None:
    receiver = start(grace_seconds=0.3)
    with raw_association(receiver.port) as stalled:
        stalled.sendall(fragment(COMMAND | LAST, store_command()) + fragment(DATA, bytes(100)))
        wait_until(lambda: list(receiver.files.incoming.iterdir()), "the object has begun")
        receiver.stop.set()
        receiver.thread.join(20)
        assert not receiver.thread.is_alive()
        assert read_pdu(stalled)[0] == 0x07


def test_who_asks_while_the_node_leaves_is_told_to_come_again(listener, db: Database, files: FileStore) -> None:
    acceptor = Acceptor(
        listener,
        settings=ReceiveSettings(),
        aet=AET,
        store=InstanceStore(db=db, files=files, owner="receive-1"),
        places=Places(),
    )
    threading.Thread(target=acceptor.serve_forever, args=(0.05,), daemon=True).start()
    acceptor._leaving = True
    acceptor.verify_request = lambda *_: True  # it had connected just before
    with associated(listener.getsockname()[1]) as association:
        assert association.is_rejected
        answer = association.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 1)
    acceptor.leave()
    acceptor.finish(1.0)
    acceptor.server_close()


def test_a_receiver_that_accepts_no_more_ends_so_that_it_is_started_anew(
    listener, db: Database, files: FileStore, monkeypatch, caplog
) -> None:
    def broken(_: Acceptor) -> None:
        raise OSError("broken")

    monkeypatch.setattr(Acceptor, "service_actions", broken)
    named = {"settings": ReceiveSettings(), "aet": AET, "db": db, "files": files, "owner": "receive-1"}
    with pytest.raises(RuntimeError, match="ended by itself"):
        serve(listener, **named, merge_same_day=True, stop=threading.Event())
    assert "event=accepting_failed" in caplog.text


def test_who_connects_while_the_node_leaves_is_not_taken(listener, db: Database, files: FileStore) -> None:
    store = InstanceStore(db=db, files=files, owner="receive-1")
    acceptor = Acceptor(listener, settings=ReceiveSettings(), aet=AET, store=store, places=Places())
    assert acceptor.verify_request(None, ("127.0.0.1", 1))
    acceptor._leaving = True
    assert not acceptor.verify_request(None, ("127.0.0.1", 1))
    acceptor.server_close()


def test_a_connection_that_cannot_be_set_up_harms_no_other(receiver: Receiver, monkeypatch, caplog) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(acceptor_module, "DeadlineSocket", None)
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
            assert connection.recv(1) == b""
    assert "event=connection_failed" in caplog.text
    assert echo(receiver.port)


def test_a_machine_without_a_thread_left_refuses_one_connection_and_goes_on(receiver: Receiver, monkeypatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(acceptor_module.NodeAssociation, "start", none_left)
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
            assert connection.recv(1) == b""
    assert echo(receiver.port)
    receiver.stop.set()
    receiver.thread.join(20)
    assert not receiver.thread.is_alive()


def test_the_listening_socket_outlives_one_of_its_receivers(listener, db: Database, files: FileStore) -> None:
    first, second = (spawn(listener, db, files, f"receive-{number}") for number in (1, 2))
    port = listener.getsockname()[1]
    assert echo(port)
    first.terminate()
    first.join(30)
    assert first.exitcode == 0
    assert all(echo(port) for _ in range(5))
    second.terminate()
    second.join(30)
    assert second.exitcode == 0


def test_two_processes_on_one_socket_share_the_work(listener, db: Database, files: FileStore) -> None:
    port = listener.getsockname()[1]
    processes = [spawn(listener, db, files, f"receive-{number}") for number in (1, 2)]
    statuses: list[int | None] = []
    senders = [threading.Thread(target=lambda: statuses.extend(send(port, image(), image()))) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for process in processes:
        process.terminate()
        process.join(30)

    assert statuses == [0x0000] * 16
    assert [process.exitcode for process in processes] == [0, 0]
    assert open_rows(db) == []


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_a_kill_at_any_moment(
    listener, db: Database, files: FileStore, seed: int
) -> None:
    port = listener.getsockname()[1]
    process = spawn(listener, db, files, "receive-1")
    acknowledged: dict[str, bytes] = {}
    enough = random.Random(seed).randint(1, 12)  # noqa: S311 -- a moment, not a secret
    reached = threading.Event()

    def send_until_cut() -> None:
        datasets = [Image(rows=64 * (1 + number % 3)).dataset() for number in range(15)]
        with associated(port, *datasets) as association:
            for ds in datasets:
                if association.send_c_store(ds).get("Status") != 0x0000:
                    return  # no answer: unknown, and to be sent again
                acknowledged[ds.SOPInstanceUID] = ds.PixelData
                if len(acknowledged) >= enough:
                    reached.set()

    senders = [threading.Thread(target=send_until_cut) for _ in range(2)]
    for sender in senders:
        sender.start()
    assert reached.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    successor = spawn(listener, db, files, "receive-1")
    for sender in senders:
        sender.join(60)

    assert echo(port)
    receiver = Receiver(port, db, files, threading.Event(), threading.Thread())
    kept = {instance.sop_instance_uid: receiver.kept(instance).PixelData for instance in receiver.instances()}
    assert len(acknowledged) >= enough
    assert acknowledged.items() <= kept.items()
    assert list(files.incoming.iterdir()) == []
    assert open_rows(db) == []
    successor.terminate()
    successor.join(30)


def test_a_receiver_that_gives_way_finishes_its_associations_in_peace(db: Database, files: FileStore, listener) -> None:
    stop, drain = threading.Event(), threading.Event()
    old = threading.Thread(
        target=serve,
        args=(listener,),
        kwargs={
            "settings": ReceiveSettings(),
            "aet": AET,
            "db": db,
            "files": files,
            "owner": "receive-0",
            "merge_same_day": True,
            "stop": stop,
            "drain": drain,
        },
    )
    old.start()
    port = listener.getsockname()[1]
    images = [image(), image()]
    try:
        with associated(port, *images) as association:
            assert association.send_c_store(images[0]).Status == 0
            drain.set()
            # Nothing more is accepted by it: another on the same socket takes what comes next.
            with another(listener, db, files, "receive-0.1"):
                assert echo(port)
                assert old.is_alive()
                assert association.send_c_store(images[1]).Status == 0
                assert association.is_established
        old.join(30)
        assert not old.is_alive()
        assert open_rows(db) == []
    finally:
        stop.set()
        old.join(20)


def test_a_receiver_without_associations_gives_way_at_once(db: Database, files: FileStore, listener) -> None:
    drain = threading.Event()
    drain.set()
    serve(
        listener,
        settings=ReceiveSettings(),
        aet=AET,
        db=db,
        files=files,
        owner="receive-0",
        merge_same_day=True,
        stop=threading.Event(),
        drain=drain,
    )
    assert open_rows(db) == []


def test_a_stop_ends_the_wait_for_an_association_without_end(db: Database, files: FileStore, listener) -> None:
    stop, drain = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=serve,
        args=(listener,),
        kwargs={
            "settings": ReceiveSettings(),
            "aet": AET,
            "db": db,
            "files": files,
            "owner": "receive-0",
            "merge_same_day": True,
            "stop": stop,
            "drain": drain,
            "grace_seconds": 1.0,
        },
    )
    thread.start()
    with associated(listener.getsockname()[1], image()) as association:
        assert association.is_established
        drain.set()
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
