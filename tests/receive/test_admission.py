import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.config import Peer, ReceiveSettings
from dcis_node.receive.admission import Refusal, judge_association, judge_limits, may_connect, to_displace
from dcis_node.receive.places import Taken

PINNED = "ab" * 32
PEERS = (
    Peer(aet="PACS", addresses=("10.1.0.0/16", "fd00::/8")),
    Peer(aet="GATE", addresses=("10.2.0.7/32",), certificates=("CN=gate.example", "DNS:gate.example", PINNED)),
)
CLOSED = ReceiveSettings(peers=PEERS)
GATE = {"calling": "GATE", "address": "10.2.0.7"}


def judge(settings: ReceiveSettings = CLOSED, **changes: object) -> Refusal | None:
    asked = {
        "called": "NODE",
        "calling": "PACS",
        "address": "10.1.2.3",
        "certificate": None,
        "leaving": False,
        **changes,
    }
    return judge_association(settings, "NODE", **asked)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"called": " NODE ", "calling": " PACS "},
        {"certificate": ()},
        {**GATE, "certificate": ("00" * 32, "CN=gate.example")},
        {**GATE, "certificate": ("00" * 32, "CN=other", "DNS:Gate.Example")},
        {**GATE, "certificate": (PINNED, "CN=other")},
    ],
)
def test_a_known_peer_from_its_network_with_its_certificate_is_let_in(changes: dict) -> None:
    assert judge(**changes) is None


@pytest.mark.parametrize(
    ("changes", "rule", "answer", "text"),
    [
        ({"called": "OTHER"}, "called_aet", (1, 1, 7), "called AE title was 'OTHER', this node is 'NODE'"),
        ({"calling": "X"}, "calling_aet", (1, 1, 3), "calling AE title 'X' is not in [[receive.peers]]"),
        ({"address": "10.2.0.7"}, "address", (1, 1, 1), "'PACS' may not come from 10.2.0.7"),
        ({"certificate": ("00" * 32, "CN=pacs")}, "certificate", (1, 1, 1), "'PACS' came by mutual TLS, but has no"),
        (GATE, "certificate", (1, 1, 1), "'GATE' came without TLS, but has certificates"),
        ({**GATE, "certificate": ()}, "certificate", (1, 1, 1), "'GATE' showed no certificate, but has"),
        (
            {**GATE, "certificate": ("00" * 32, "CN=pacs", "CN=GATE.example")},
            "certificate",
            (1, 1, 1),
            f"not one of its own in [[receive.peers]]: {'00' * 32}, CN=pacs, CN=GATE.example",
        ),
        ({"leaving": True}, "leaving", (2, 3, 1), "about to stop"),
    ],
)
def test_each_refusal_has_its_answer_and_says_why(changes: dict, rule: str, answer, text: str) -> None:
    refusal = judge(**changes)
    assert refusal.rule == rule
    assert (refusal.result, refusal.source, refusal.diagnostic) == answer
    assert text in refusal.text


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        (Taken(50, 1, 1), "50 associations are open, receive.max_associations is 50"),
        (Taken(30, 25, 1), "25 associations with 'PACS' are open, receive.max_associations_per_aet is 25"),
        (Taken(30, 1, 26), "26 associations from 10.1.2.3 are open, receive.max_associations_per_address is 25"),
    ],
)
def test_each_limit_names_its_key_and_figures_and_asks_to_come_again(taken: Taken, text: str) -> None:
    refusal = judge_limits(ReceiveSettings(), calling="PACS ", address="10.1.2.3", taken=taken)
    assert refusal == Refusal("limit", 2, 3, 2, text)


def test_below_every_limit_one_more_may_be_open() -> None:
    taken = Taken(total=49, of_aet=24, of_address=24)
    assert judge_limits(ReceiveSettings(), calling="PACS", address="10.1.2.3", taken=taken) is None


def test_an_entry_with_and_one_without_certificates_allow_either_way() -> None:
    settings = ReceiveSettings(peers=(Peer(aet="PACS"), Peer(aet="PACS", certificates=("CN=pacs",))))
    assert judge(settings) is None
    assert judge(settings, certificate=("CN=pacs",)) is None
    assert judge(settings, certificate=("CN=other",)).rule == "certificate"


def test_without_a_list_any_certificate_does() -> None:
    assert judge(ReceiveSettings(), certificate=("CN=any",)) is None


@given(pending=st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), min_size=1))
def test_the_oldest_of_the_address_with_the_most_goes(pending: list[str]) -> None:
    out = to_displace(pending)
    assert all(pending.count(pending[out]) >= pending.count(address) for address in pending)
    assert pending[out] not in pending[:out]


def test_one_address_cannot_displace_another() -> None:
    assert to_displace(["10.0.0.2", *["10.0.0.9"] * 63]) == 1


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
