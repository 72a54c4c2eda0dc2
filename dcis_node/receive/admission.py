"""Who may connect and associate: pure rules, with answers that an administrator understands."""

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dcis_node.config import Peer, ReceiveSettings
from dcis_node.receive.places import Taken

# Result, source and reason of A-ASSOCIATE-RJ: PS3.8 Table 9-21.
PERMANENT, TRANSIENT = 1, 2
SERVICE_USER, PRESENTATION = 1, 3
NO_REASON, CALLING_AE_UNKNOWN, CALLED_AE_UNKNOWN = 1, 3, 7
TEMPORARY_CONGESTION, LOCAL_LIMIT_EXCEEDED = 1, 2


@dataclass(frozen=True)
class Refusal:
    """An A-ASSOCIATE-RJ, and the reason for the log.

    Parameters
    ----------
    rule
        Stable name of the rule: `called_aet`, `calling_aet`, `address`, `certificate`, `limit`, `leaving`, or `fault`
        (ours).
    text
        Why, in an administrator's words.
    """

    rule: str
    result: int
    source: int
    diagnostic: int
    text: str


# When judging itself failed: nobody is let in unjudged.
NOT_JUDGED = Refusal(
    "fault", TRANSIENT, PRESENTATION, TEMPORARY_CONGESTION, "this node could not judge the request: see the line before"
)


def may_connect(settings: ReceiveSettings, address: str) -> bool:
    """Tell whether any allowed peer can have this address; asked before a thread is spent on the connection.

    Without peers, or with one that may come from anywhere, every address may connect.
    """
    if not settings.peers:
        return True
    return any(is_within(address, peer.addresses) for peer in settings.peers)


def to_displace(pending: Sequence[str]) -> int:
    """Say which connection has to go to make room for a newcomer: the oldest of the address that has the most.

    So an address that opens hundreds displaces its own.

    Parameters
    ----------
    pending
        Addresses of the connections that have not asked for an association yet, the oldest first; at least one.

    Returns
    -------
    int
        Position in `pending`.
    """
    counts = Counter(pending)
    most = max(counts.values())
    return next(position for position, address in enumerate(pending) if counts[address] == most)


def judge_association(
    settings: ReceiveSettings,
    aet: str,
    *,
    called: str,
    calling: str,
    address: str,
    certificate: tuple[str, ...] | None,
    leaving: bool,
) -> Refusal | None:
    """Judge who asks for an association; `judge_limits` has to be asked as well.

    Parameters
    ----------
    aet
        This node's AE title.
    called, calling, address
        As the peer gave them.
    certificate
        None on a plain connection. With TLS the names of the peer's certificate, which was checked against
        receive.tls.peer_ca: SHA-256 fingerprint, "CN=...", "DNS:..."; empty if it showed none.
    leaving
        True if this process is about to end.

    Returns
    -------
    Refusal | None
        None if this peer may associate.
    """
    if leaving:
        text = "this node is about to stop; try again soon"
        return Refusal("leaving", TRANSIENT, PRESENTATION, TEMPORARY_CONGESTION, text)
    if settings.require_called_aet and called.strip() != aet:
        text = f"called AE title was {called.strip()!r}, this node is {aet!r}"
        return Refusal("called_aet", PERMANENT, SERVICE_USER, CALLED_AE_UNKNOWN, text)
    if not settings.peers:
        return None
    return _judge_peer(settings, calling.strip(), address, certificate)


def judge_limits(settings: ReceiveSettings, *, calling: str, address: str, taken: Taken) -> Refusal | None:
    """Judge whether one association more may be open, over all receiver processes.

    Parameters
    ----------
    taken
        How many are open already.

    Returns
    -------
    Refusal | None
        None if one more may be open. Senders take the refusal as "try again later".
    """
    for count, most, key, whose in (
        (taken.of_aet, settings.max_associations_per_aet, "max_associations_per_aet", f"with {calling.strip()!r} "),
        (taken.of_address, settings.max_associations_per_address, "max_associations_per_address", f"from {address} "),
        (taken.total, settings.max_associations, "max_associations", ""),
    ):
        if count >= most:
            text = f"{count} associations {whose}are open, receive.{key} is {most}"
            return Refusal("limit", TRANSIENT, PRESENTATION, LOCAL_LIMIT_EXCEEDED, text)
    return None


def _judge_peer(
    settings: ReceiveSettings, calling: str, address: str, certificate: tuple[str, ...] | None
) -> Refusal | None:
    named = [peer for peer in settings.peers if peer.aet == calling]
    if not named:
        text = f"calling AE title {calling!r} is not in [[receive.peers]]"
        return Refusal("calling_aet", PERMANENT, SERVICE_USER, CALLING_AE_UNKNOWN, text)
    here = [peer for peer in named if is_within(address, peer.addresses)]
    if not here:
        text = f"calling AE title {calling!r} may not come from {address}: see its addresses in [[receive.peers]]"
        return Refusal("address", PERMANENT, SERVICE_USER, NO_REASON, text)
    if any(_shows(peer, certificate) for peer in here):
        return None
    text = f"calling AE title {calling!r} {_what_it_showed(here, certificate)}"
    return Refusal("certificate", PERMANENT, SERVICE_USER, NO_REASON, text)


def _shows(peer: Peer, certificate: tuple[str, ...] | None) -> bool:
    """Tell whether the certificate is one of the peer's; a peer without any may not come with one."""
    if not peer.certificates:
        return not certificate
    shown = {_comparable(name) for name in certificate or ()}
    return any(_comparable(name) in shown for name in peer.certificates)


def _comparable(name: str) -> str:
    # RFC 4343: host names do not tell capital from small letters.
    return name.lower() if name.startswith("DNS:") else name


def _what_it_showed(here: Sequence[Peer], certificate: tuple[str, ...] | None) -> str:
    names = ", ".join(certificate or ())
    if not any(peer.certificates for peer in here):
        return f"came by mutual TLS, but has no certificates in [[receive.peers]]; it showed {names}"
    if certificate is None:
        return "came without TLS, but has certificates in [[receive.peers]]"
    if not certificate:
        return "showed no certificate, but has certificates in [[receive.peers]]"
    return f"showed a certificate that is not one of its own in [[receive.peers]]: {names}"


def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an address is in one of the networks; no networks means any address."""
    if not networks:
        return True
    found = ipaddress.ip_address(address.partition("%")[0])
    # A listener on :: sees IPv4 peers as ::ffff:a.b.c.d.
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in ipaddress.ip_network(network) for network in networks)
