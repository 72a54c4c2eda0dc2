"""Where the courier's questions meet the receiver's answers, and how proof is shown."""

import io

import pytest
from rich.console import Console

from dcis_node.commitment import Report
from dcis_node.config import Configuration, DestinationSettings, configuration_from
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.doctor import _destinations
from dcis_node.operate.findings import Verdict
from dcis_node.operate.proofs import check_offers, check_reports, take_report
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import proof_lines, status_view
from storage import commitments, outbox, proofs
from storage.database import open_database, upgrade
from tests.commitment_peer import CommitmentPeer
from tests.peers import free_port
from tests.storage.outbox.rows import add_results, claim, make_report


@pytest.fixture
def db(tmp_path):
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


def test_a_report_to_our_listener_proves_what_the_courier_has_asked_after(db):
    add_results(db, make_report(db), 2)
    parcels = claim(db)
    for parcel in parcels:
        outbox.mark_sent(db, parcel, now=1.0, status=0, proof_due_at=2.0)
    rows = proofs.claim(db, "pacs", now=2.0, lease_seconds=60)
    commitments.open_request(db, rows, destination="pacs", transaction_uid="2.25.1", now=2.0, due_at=9.0)
    uids = [parcel.sop_instance_uid for parcel in parcels]
    assert not take_report(db, Report("2.25.2", frozenset(uids), {}))
    assert take_report(db, Report("2.25.1", frozenset(uids[:1]), {uids[1]: 0x0119}))
    assert take_report(db, Report("2.25.1", frozenset(uids), {})), "the same request again: answered, and passed over"
    assert outbox.counts(db) == {"pacs": {"proven": 1, "dead": 1}}


def warned(tmp_path, peers, **keys):
    destination = {"name": "pacs", "host": "127.0.0.1", "port": 104, "aet": "PACS"} | keys
    values = {"destinations": [destination], "receive": {"peers": [{"aet": aet} for aet in peers]}}
    configuration = configuration_from(values, tmp_path / "config.toml")
    return [finding.detail for finding in check_reports(configuration, configuration.destinations[0])]


def test_an_archive_that_may_not_report_to_us_is_named(tmp_path):
    (detail,) = warned(tmp_path, ["MODALITY"])
    assert detail.startswith("PACS is not in [[receive.peers]]")
    assert warned(tmp_path, ["MODALITY"], proof="commitment") == [detail]


@pytest.mark.parametrize(
    ("peers", "keys"),
    [([], {}), (["PACS", "MODALITY"], {}), (["MODALITY"], {"proof": "query"}), (["MODALITY"], {"proof": "none"})],
)
def test_who_may_report_or_will_not_is_not(tmp_path, peers, keys):
    assert warned(tmp_path, peers, **keys) == []


def offered(tmp_path, *, offers, proof):
    with CommitmentPeer(offers=offers) as peer:
        destination = {"name": "pacs", "host": "127.0.0.1", "port": peer.port, "aet": "PACS", "proof": proof}
        configuration = configuration_from({"destinations": [destination]}, tmp_path / "config.toml")
        return [
            (finding.verdict, finding.detail)
            for finding in _destinations(configuration)
            if finding.check == "proof of pacs"
        ]


@pytest.mark.parametrize(
    ("proof", "offers", "said"),
    [
        ("auto", ("commitment", "query"), "offers storage commitment and query (C-FIND, Study Root)"),
        ("auto", ("query",), "offers query (C-FIND, Study Root)"),
        ("commitment", ("commitment", "query"), "offers storage commitment"),
    ],
)
def test_check_says_by_what_a_destination_lets_deliveries_be_proven(tmp_path, proof, offers, said):
    assert offered(tmp_path, offers=offers, proof=proof) == [(Verdict.OK, said)]


@pytest.mark.parametrize(
    ("proof", "offers", "said"),
    [
        ("auto", (), "offers neither storage commitment nor query (C-FIND, Study Root): "),
        ("commitment", ("query",), "offers no storage commitment: "),
        ("query", ("commitment",), "offers no query (C-FIND, Study Root): "),
    ],
)
def test_check_warns_of_a_destination_at_which_nothing_can_be_proven(tmp_path, proof, offers, said):
    ((verdict, detail),) = offered(tmp_path, offers=offers, proof=proof)
    assert verdict is Verdict.WARN
    assert detail.startswith(said)
    assert 'set proof = "none"' in detail


def test_a_destination_that_is_not_asked_for_proof_or_not_there_is_not_asked_what_it_offers(tmp_path):
    assert offered(tmp_path, offers=(), proof="none") == []
    destination = DestinationSettings(name="pacs", host="127.0.0.1", port=free_port(), aet="PACS")
    peer = PeerAddress("127.0.0.1", destination.port, "PACS", "NODE", 2.0)
    assert list(check_offers(destination, peer)) == []


def delivery(**values):
    return {
        "state": "sent", "proven_at": None, "proven_by": "", "proof_due_at": None, "proof_error": "", "commitments": [],
    } | values  # fmt: skip


def request(**values):
    return {"asked_at": 0.0, "state": "asked", "outcome": "", "reason": None} | values


def test_a_trace_says_how_it_was_proven_or_why_not():
    assert proof_lines(delivery()) == []
    (line,) = proof_lines(delivery(state="proven", proven_by="query", proven_at=0.0))
    assert line.startswith("        proven by query ")
    asked = [request(state="expired"), request(state="reported", outcome="failed", reason=0x0110), request()]
    lines = proof_lines(delivery(commitments=asked, proof_error="no commitment: 0x0110", proof_due_at=9.0))
    ends = ["no report in time", "failed 0x0110", "no report yet", "not proven: no commitment: 0x0110"]
    assert all(line.endswith(end) for line, end in zip(lines, ends, strict=False))
    assert lines[-1].startswith("        asked after again ")


def test_status_counts_the_open_requests_of_a_destination(db):
    add_results(db, make_report(db), 1)
    commitments.open_request(db, [], destination="pacs", transaction_uid="2.25.1", now=2.0, due_at=9.0)
    status = node_status(Configuration(), db)
    assert status["queues"]["proofs"] == {"pacs": {"unproven": 0, "open_requests": 1}}
    console = Console(width=200, file=io.StringIO())
    console.print(status_view(status))
    assert "1 due; 1 open requests for commitment" in console.file.getvalue()
