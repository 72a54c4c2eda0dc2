"""Our certificate in status and check: whose, until when, and what is wrong with it."""

import io
import json
import shutil
import socket
import threading
import time

import pytest
from rich.console import Console

from dcis_node.config import Configuration, Peer, ReceiveSettings, StorageSettings
from dcis_node.operate.certificate import keeper_of, told
from dcis_node.operate.findings import Verdict
from dcis_node.operate.listener import bind_listeners, place_of
from dcis_node.operate.listener_check import check_certificate, check_listeners, own_address
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import status_view
from dcis_node.receive.server import serve
from storage.database import open_database
from storage.files import FileStore
from storage.heartbeat import record_beat
from tests.certificates import Authority
from tests.receive.tls_peers import tls_settings

DAY = 86400.0


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def node(authority):
    return authority.issue("node", days=100)


@pytest.fixture
def configured(tmp_path, authority):
    """Settings with this certificate."""

    def make(issued, **receive):
        tls = tls_settings(issued, authority.certificate, port=0)
        settings = ReceiveSettings(port=0, tls=tls, **receive)
        return Configuration(receive=settings, storage=StorageSettings(folder="data"), base=tmp_path)

    return make


@pytest.fixture
def db(tmp_path, empty_index):
    path = tmp_path / "data" / "index.sqlite"
    path.parent.mkdir()
    shutil.copy(empty_index, path)
    database = open_database(f"sqlite:///{path}")
    yield database
    database.close()


def beat(db, process, detail):
    with db.write() as session:
        record_beat(session, process, pid=7, started_at=1.0, now=time.time(), detail=json.dumps(detail))


def view(status):
    console = Console(file=io.StringIO(), width=200)
    console.print(status_view(status))
    return console.file.getvalue()


def test_without_tls_there_is_nothing_to_say(db):
    assert keeper_of(Configuration()) is None
    assert told(None) == {}
    status = node_status(Configuration(), db)
    assert not status["tls"]["configured"]
    assert "certificate" not in view(status)
    assert list(check_certificate(Configuration())) == []


def test_a_node_that_does_not_run_is_judged_by_its_files(db, configured, node):
    tls = node_status(configured(node), db)["tls"]
    assert (tls["subject"], tls["sha256"], tls["fault"]) == ("node", node.fingerprint, "")
    assert tls["days_left"] == pytest.approx(100, abs=0.1)
    node.key.unlink()
    assert node_status(configured(node), db)["tls"]["fault"].endswith("no such file")


@pytest.mark.parametrize(("in_days", "soon", "fault"), [(60, False, ""), (75, True, ""), (101, True, "expired 1 days")])
def test_a_certificate_that_expires_soon_or_has_expired_is_told(db, configured, node, in_days, soon, fault):
    status = node_status(configured(node), db, now=time.time() + in_days * DAY)
    assert status["tls"]["expires_soon"] is soon
    assert fault in status["tls"]["fault"]
    assert bool(fault) == bool(status["tls"]["fault"])
    assert "certificate: node, holds until 20" in view(status)
    assert ("CERTIFICATE: our certificate expired" in view(status)) == bool(fault)


def test_a_node_that_runs_tells_which_certificate_is_in_use_and_why_a_newer_one_is_not(db, configured, node, authority):
    configuration = configured(node)
    keeper = keeper_of(configuration)
    keeper.load()
    in_use = node.fingerprint
    beat(db, "supervisor", {"listening": "127.0.0.1:104", "listening_tls": "127.0.0.1:2762"})
    beat(db, "receive-0", told(keeper))
    node.certificate.write_bytes(authority.issue("next").certificate.read_bytes())
    keeper._looked = float("-inf")
    keeper.refresh()
    beat(db, "receive-1", told(keeper))
    tls = node_status(configuration, db)["tls"]
    assert (tls["sha256"], tls["listening"]) == (in_use, "127.0.0.1:2762")
    assert "does not fit" in tls["fault"]


def test_receivers_without_any_certificate_are_a_fault(db, configured, node):
    beat(db, "receive-0", told(keeper_of(configured(node))))
    tls = node_status(configured(node), db)["tls"]
    assert tls["fault"] == "no certificate is loaded"
    assert tls["not_after"] is None


def test_check_warns_in_time_and_fails_afterwards(configured, authority, node):
    def verdicts(issued):
        return [(f.check, f.verdict) for f in check_certificate(configured(issued))]

    assert verdicts(node) == [("certificate", Verdict.OK)]
    assert verdicts(authority.issue("node", days=10)) == [("certificate", Verdict.WARN)]
    assert verdicts(authority.issue("node", starts_in_days=-9, days=-1)) == [("certificate", Verdict.FAIL)]
    node.key.chmod(0o644)
    assert verdicts(node) == [("certificate", Verdict.OK), ("key", Verdict.WARN)]


def test_check_says_of_a_node_that_does_not_run_whether_its_ports_are_free(configured, node):
    found = [(f.check, f.verdict) for f in check_listeners(configured(node))]
    assert found == [("listener", Verdict.OK), ("listener with TLS", Verdict.OK)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configuration = configured(node)
        tls = configuration.receive.tls.model_copy(update={"port": taken.getsockname()[1]})
        receive = configuration.receive.model_copy(update={"tls": tls})
        found = list(check_listeners(configuration.model_copy(update={"receive": receive})))
    assert [f.verdict for f in found] == [Verdict.OK, Verdict.FAIL]
    assert "receive.tls.port" in found[1].detail


def test_check_does_not_call_a_port_taken_that_the_node_may_be_at_itself(configured, node):
    """Only the index says whether it runs, and that is away."""
    storage = StorageSettings(folder="data", index_url="postgresql+pg8000://nobody@127.0.0.1:1/none")
    (finding,) = check_listeners(configured(node).model_copy(update={"storage": storage}))
    assert (finding.check, finding.verdict) == ("listener", Verdict.WARN)
    assert "not tried" in finding.detail


@pytest.fixture
def running(db, configured, tmp_path):
    """Receivers of these settings, as a node that runs."""
    ends = []

    def start(configuration):
        listeners = bind_listeners(configuration.receive)
        keeper = keeper_of(configuration)
        keeper.load()
        stop = threading.Event()
        named = {"settings": configuration.receive, "aet": configuration.node.aet, "db": db, "owner": "receive-0"}
        thread = threading.Thread(
            target=serve,
            args=(listeners.plain,),
            kwargs={
                **named,
                "tls_listener": listeners.tls,
                "tls": keeper,
                "files": FileStore(tmp_path / "store"),
                "merge_same_day": True,
                "stop": stop,
                "grace_seconds": 1.0,
            },
        )
        thread.start()
        ends.append((stop, thread, listeners))
        beat(db, "supervisor", {"listening": place_of(listeners.plain), "listening_tls": place_of(listeners.tls)})
        port = int(place_of(listeners.plain).rpartition(":")[2] or 0)
        return configuration.model_copy(update={"receive": configuration.receive.model_copy(update={"port": port})})

    yield start
    for stop, thread, listeners in ends:
        stop.set()
        thread.join(30)
        listeners.close()


def test_check_asks_both_listeners_of_a_node_that_runs(running, configured, node):
    found = list(check_listeners(running(configured(node))))
    assert [(f.check, f.verdict) for f in found] == [("listener", Verdict.OK), ("listener with TLS", Verdict.OK)]
    assert "shows our certificate by TLSv1.3" in found[1].detail
    assert "not be let in" not in found[1].detail


def test_check_of_a_node_with_tls_only_asks_that_one(running, configured, node):
    found = list(check_listeners(running(configured(node, plain=False))))
    assert [(f.check, f.verdict) for f in found] == [("listener with TLS", Verdict.OK)]


def test_check_says_that_it_is_no_peer_where_another_authority_signs_them(running, configured, tmp_path):
    own = Authority(tmp_path, "Own CA").issue("node")
    (finding,) = check_listeners(running(configured(own, plain=False)))
    assert finding.verdict is Verdict.OK
    assert "as a peer's it would not be let in" in finding.detail


def test_check_sees_that_another_certificate_is_shown_than_the_file_holds(running, configured, node, authority):
    configuration = running(configured(node, plain=False))
    new = authority.issue("next")
    other = configured(new, plain=False)
    (finding,) = check_listeners(other.model_copy(update={"receive": other.receive}))
    assert finding.verdict is Verdict.FAIL
    assert "shows another certificate" in finding.detail
    assert configuration.receive.tls.certificate == str(node.certificate)


def test_check_does_not_echo_where_every_peer_needs_its_certificate(running, configured, node):
    peers = (Peer(aet="PACS", certificates=("CN=pacs",)),)
    found = list(check_listeners(running(configured(node, peers=peers))))
    assert [f.verdict for f in found] == [Verdict.WARN, Verdict.OK]
    assert "no C-ECHO tried" in found[0].detail


def test_check_calls_as_no_peer_that_may_not_come_from_this_host(running, configured, node, caplog):
    """With the networks of a hospital in [[receive.peers]] a node in good health is no failure."""
    peers = (Peer(aet="PACS", addresses=("10.1.2.0/24",)),)
    found = list(check_listeners(running(configured(node, peers=peers))))
    assert [f.verdict for f in found] == [Verdict.WARN, Verdict.WARN]
    assert all("may come from 127.0.0.1" in f.detail for f in found)
    assert "refused" not in caplog.text


def test_check_echoes_as_a_peer_that_may_come_from_this_host(running, configured, node):
    peers = (Peer(aet="PACS", addresses=("10.1.2.0/24",)), Peer(aet="OWN", addresses=("127.0.0.0/8",)))
    found = list(check_listeners(running(configured(node, peers=peers))))
    assert [f.verdict for f in found] == [Verdict.OK, Verdict.OK]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 -- nothing is bound
def test_check_knows_from_where_it_would_call(host):
    assert own_address(host) == "127.0.0.1"


def test_check_echoes_as_a_peer_that_may_come_plain(running, configured, node):
    peers = (Peer(aet="PACS", certificates=("CN=pacs",)), Peer(aet="OLD"))
    found = list(check_listeners(running(configured(node, peers=peers))))
    assert [f.verdict for f in found] == [Verdict.OK, Verdict.OK]


def test_check_fails_where_nobody_answers(db, configured, node):
    beat(db, "supervisor", {"listening": "", "listening_tls": ""})
    (finding,) = check_listeners(configured(node, plain=False))
    assert "started without TLS" in finding.detail
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    beat(db, "supervisor", {"listening": "", "listening_tls": f"127.0.0.1:{port}"})
    (finding,) = check_listeners(configured(node, plain=False))
    assert (finding.verdict, finding.detail) == (
        Verdict.FAIL,
        f"the node runs; 127.0.0.1:{port} did not answer: Connection refused",
    )
