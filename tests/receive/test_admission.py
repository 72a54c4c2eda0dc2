import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.config import Peer, ReceiveSettings
from dcis_node.receive.admission import judge_association, may_connect

PEERS = (
    Peer(aet="PACS", addresses=("10.1.0.0/16", "fd00::/8")),
    Peer(aet="GATE", addresses=("10.2.0.7/32",)),
)
CLOSED = ReceiveSettings(peers=PEERS)


def judge(settings: ReceiveSettings = CLOSED, **changes: object):
    asked = {
        "called": "NODE",
        "calling": "PACS",
        "address": "10.1.2.3",
        "open_associations": 0,
        "leaving": False,
        **changes,
    }
    return judge_association(settings, "NODE", **asked)


def test_a_known_peer_from_its_network_is_let_in() -> None:
    assert judge() is None
    assert judge(called=" NODE ", calling=" PACS ") is None


@pytest.mark.parametrize(
    ("changes", "answer", "text"),
    [
        ({"called": "OTHER"}, (1, 1, 7), "called AE title was 'OTHER', this node is 'NODE'"),
        ({"calling": "STRANGER"}, (1, 1, 3), "calling AE title 'STRANGER' is not in [[receive.peers]]"),
        ({"address": "10.2.0.7"}, (1, 1, 1), "'PACS' may not come from 10.2.0.7"),
        ({"open_associations": 50}, (2, 3, 2), "receive.max_associations is 50"),
        ({"leaving": True}, (2, 3, 1), "about to stop"),
    ],
)
def test_each_refusal_has_its_answer_and_says_why(changes, answer, text: str) -> None:
    refusal = judge(**changes)
    assert (refusal.result, refusal.source, refusal.diagnostic) == answer
    assert text in refusal.text


def test_the_called_title_can_be_left_unchecked() -> None:
    assert judge(ReceiveSettings(require_called_aet=False), called="OTHER") is None


def test_one_title_may_stand_twice_with_other_networks() -> None:
    settings = ReceiveSettings(peers=(*PEERS, Peer(aet="PACS", addresses=("192.168.0.0/24",))))
    assert judge(settings, address="192.168.0.9") is None


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("10.2.0.7", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1%eth0", True),
        ("10.2.0.8", False),
        ("::1", False),
    ],
)
def test_only_addresses_of_some_peer_may_connect(address: str, allowed: bool) -> None:
    assert may_connect(CLOSED, address) is allowed


@given(st.ip_addresses().map(str))
def test_without_a_list_or_with_a_peer_from_anywhere_every_address_may_connect(address: str) -> None:
    assert may_connect(ReceiveSettings(), address)
    assert may_connect(ReceiveSettings(peers=(*PEERS, Peer(aet="ANY"))), address)


@given(st.ip_addresses(v=4).map(str))
def test_who_may_not_connect_is_never_associated(address: str) -> None:
    for calling in ("PACS", "GATE"):
        assert may_connect(CLOSED, address) or judge(address=address, calling=calling) is not None
