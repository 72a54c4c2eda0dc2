"""Proving by QIDO-RS: the right state each time, and the way from the settings to it."""

import json

import pytest

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver import proof_policy
from dcis_node.deliver.prover import Prover, prove_next
from dcis_node.deliver.provers import prover_of
from dcis_node.deliver.routes import route_of, web_address_of
from dcis_node.deliver.web.proof import WebProof
from storage import outbox
from tests.deliver.helpers import NOW
from tests.deliver.web.peer import Reply, WebPeer, cut, web_at
from tests.peers import free_port

SENT = NOW + 1
DUE = SENT + proof_policy.PROOF_DELAY_SECONDS
LATER = SENT + proof_policy.UNLISTED_SECONDS + 1


@pytest.fixture
def sent(node, result_file):
    """Results that the service has taken, and whose proof is due at `DUE`; gives their UIDs."""
    uids = [node.add(result_file()) for _ in range(3)]
    for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
        outbox.mark_sent(node.db, parcel, now=SENT, status=0, proof_due_at=DUE)
    return uids


def listing(uids):
    """List an object if it is one of these."""

    def answer(asked):
        uid = asked.path.partition("SOPInstanceUID=")[2]
        return Reply(200, json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}] if uid in uids else []).encode())

    return answer


def asking(node, web):
    return Prover(node.db, "pacs", "auto", 604800.0, 300.0, WebProof(web).ask)


def test_what_is_listed_is_proven(node, sent):
    with WebPeer(listing(sent)) as peer:
        assert prove_next(asking(node, peer.address()), now=DUE)
        assert not prove_next(asking(node, peer.address()), now=DUE + 1000)
    assert node.states() == {"proven": 3}
    assert node.row(sent[0]).proven_by == "query"
    assert {asked.path.partition("?")[0] for asked in peer.asked} == {"/dicom-web/studies/1.2/series/1.2.3/instances"}


def test_what_is_not_listed_is_sent_again_and_the_rest_is_proven(node, sent):
    with WebPeer(listing(sent[:2])) as peer:
        prove_next(asking(node, peer.address()), now=DUE)
        assert node.states() == {"proven": 2, "sent": 1}  # it may take time until it lists what it has
        prove_next(asking(node, peer.address()), now=LATER)
    assert node.states() == {"proven": 2, "due": 1}
    assert "does not list the object" in node.row(sent[2]).proof_error


def test_a_service_that_cannot_be_asked_changes_nothing_but_the_time(node, sent):
    web = web_at(free_port())
    assert prove_next(asking(node, web), now=DUE)
    assert node.states() == {"sent": 3}
    row = node.row(sent[0])
    assert row.proof_due_at > DUE
    assert row.proof_error == f"no connection to {web} (Connection refused)"
    assert not prove_next(asking(node, web), now=DUE + 1)
    with WebPeer(listing(sent)) as peer:
        assert prove_next(asking(node, peer.address()), now=row.proof_due_at + 1)
    assert node.states() == {"proven": 3}


def test_a_service_without_queries_is_never_taken_for_one_that_lost_the_objects(node, sent):
    with WebPeer(lambda _: Reply(404)) as peer:
        prove_next(asking(node, peer.address()), now=LATER)
    assert node.states() == {"sent": 3}
    assert "HTTP 404" in node.row(sent[0]).proof_error


@pytest.fixture
def studies(node, result_file):
    """Results of five studies, due for their proof at `DUE`; gives their UIDs by study, in the order of the outbox."""
    uids = {f"1.2.{number}": node.add(result_file(), study=f"1.2.{number}") for number in range(5)}
    while parcels := outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
        for parcel in parcels:
            outbox.mark_sent(node.db, parcel, now=SENT, status=0, proof_due_at=DUE)
    return uids


def drain(prover, *, now, most=50):
    """Ask until nothing is due; gives how many questions that were."""
    for number in range(most):
        if not prove_next(prover, now=now):
            return number
    raise AssertionError("it is asked without end")


def failing_for(study, reply, uids):
    """List everything, but for one study."""
    lists = listing(uids)
    return lambda asked: reply if f"/studies/{study}/" in asked.path else lists(asked)


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(403), Reply(503), Reply(504), Reply(200, b"<html/>"), Reply(act=cut)]
)
def test_one_study_that_the_service_cannot_bear_keeps_no_other_from_its_proof(node, studies, reply):
    (bad, *good) = studies
    with WebPeer(failing_for(bad, reply, studies.values())) as peer:
        assert drain(asking(node, peer.address()), now=DUE) == 5
    assert node.states() == {"proven": 4, "sent": 1}
    row = node.row(studies[bad])
    assert row.state == "sent"
    assert row.proof_error
    assert row.proof_due_at == pytest.approx(DUE + proof_policy.FIRST_WAIT_SECONDS, abs=10)
    assert {node.row(studies[study]).proof_due_at for study in good} == {None}


def test_several_such_studies_in_a_row_are_not_the_service_either(node, studies):
    *bad, good = studies
    lists = listing(studies.values())
    with WebPeer(
        lambda asked: Reply(500) if any(f"/studies/{one}/" in asked.path for one in bad) else lists(asked)
    ) as peer:
        assert drain(asking(node, peer.address()), now=DUE) == 5
    assert node.states() == {"proven": 1, "sent": 4}
    assert node.row(studies[good]).state == "proven"


@pytest.mark.parametrize("reply", [Reply(500), Reply(401), Reply(403), Reply(503), Reply(404), Reply(act=cut)])
def test_a_service_that_fails_for_all_is_asked_after_one_study_and_no_more(node, studies, reply):
    with WebPeer(lambda _: reply) as peer:
        assert drain(asking(node, peer.address()), now=DUE) == 1
    assert sum("instances" in asked.path for asked in peer.asked) == 1
    rows = [node.row(uid) for uid in studies.values()]
    assert all(row.state == "sent" and row.proof_due_at > DUE + 20 for row in rows)
    assert len({row.proof_error for row in rows}) == 1


def test_who_was_asked_of_a_service_that_failed_is_asked_last_of_all_the_next_time(node, studies):
    """A service that says 404 in place of an empty list cannot be told from one without queries."""
    first, *others = studies
    listed = [studies[study] for study in others]

    def answer(asked):
        uid = asked.path.partition("SOPInstanceUID=")[2]
        return listing(listed)(asked) if uid in listed else Reply(404)

    with WebPeer(answer) as peer:
        prover = asking(node, peer.address())
        assert drain(prover, now=DUE) == 1
        later = max(node.row(uid).proof_due_at for uid in studies.values()) + 1
        drain(prover, now=later)
    assert node.states() == {"proven": 4, "sent": 1}
    assert node.row(studies[first]).state == "sent"


def test_what_a_service_has_told_before_it_went_counts_and_the_others_wait(node, sent, result_file):
    other = node.add(result_file(), study="1.9")
    for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
        outbox.mark_sent(node.db, parcel, now=SENT, status=0, proof_due_at=DUE)
    lists = listing(sent)
    with WebPeer(lambda asked: lists(asked) if asked.path.endswith(sent[0]) else Reply(503)) as peer:
        assert drain(asking(node, peer.address()), now=DUE) == 1
    assert node.states() == {"proven": 1, "sent": 3}
    assert "HTTP 503" in node.row(other).proof_error


def destination(**keys):
    return DestinationSettings(name="pacs", kind="dicomweb", url="https://pacs.example/dicom-web/", **keys)


@pytest.mark.parametrize(("proof", "proven"), [("auto", True), ("query", True), ("none", False)])
def test_proof_is_asked_for_as_configured(node, proof, proven, tmp_path):
    prover = prover_of(destination(proof=proof), DeliverSettings(), db=node.db, aet="N", base=tmp_path)
    assert (prover is not None) is proven


def test_the_settings_of_a_destination_become_its_address(tmp_path):
    tls = {"ca": "tls/ca.crt", "certificate": "tls/node.crt", "key": "/etc/node.key", "check_host_name": False}
    settings = destination(username="me", password_file="secrets/p", timeout_seconds=7.0, tls=tls)  # noqa: S106
    web = web_address_of(settings, DeliverSettings(), base=tmp_path)
    assert route_of(settings, DeliverSettings(), aet="N", base=tmp_path).address == web
    assert (web.url, str(web), web.host) == ("https://pacs.example/dicom-web",) * 2 + ("pacs.example",)
    assert (web.timeout_seconds, web.username, web.password_file) == (7.0, "me", tmp_path / "secrets/p")
    assert (web.aet, web.calling_aet) == ("", "")
    assert web.tls is not None
    assert (web.tls.ca, web.tls.key, web.tls.check_host_name) == (str(tmp_path / "tls/ca.crt"), "/etc/node.key", False)
    assert set(web.secret_files) == {"password_file", "tls.key"}
    plain = web_address_of(destination(token_file="t"), DeliverSettings(timeout_seconds=9.0), base=tmp_path)  # noqa: S106
    assert (plain.timeout_seconds, plain.token_file, plain.tls) == (9.0, tmp_path / "t", None)
    assert plain.has_credentials
