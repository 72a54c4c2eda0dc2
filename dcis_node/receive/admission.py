"""Who may connect and associate: pure rules, with answers that an administrator understands."""

import ipaddress
from dataclasses import dataclass

from dcis_node.config import ReceiveSettings

# Result, source and reason of A-ASSOCIATE-RJ: PS3.8 Table 9-21.
PERMANENT, TRANSIENT = 1, 2
SERVICE_USER, PRESENTATION = 1, 3
NO_REASON, CALLING_AE_UNKNOWN, CALLED_AE_UNKNOWN = 1, 3, 7
TEMPORARY_CONGESTION, LOCAL_LIMIT_EXCEEDED = 1, 2


@dataclass(frozen=True)
class Refusal:
    """An A-ASSOCIATE-RJ, and the reason for the log."""

    result: int
    source: int
    diagnostic: int
    text: str


def may_connect(settings: ReceiveSettings, address: str) -> bool:
    """Tell whether any allowed peer can have this address; asked before a thread is spent on the connection.

    Without peers, or with one that may come from anywhere, every address may connect.
    """
    if not settings.peers:
        return True
    return any(_within(address, peer.addresses) for peer in settings.peers)


def judge_association(
    settings: ReceiveSettings,
    aet: str,
    *,
    called: str,
    calling: str,
    address: str,
    open_associations: int,
    leaving: bool,
) -> Refusal | None:
    """Judge one A-ASSOCIATE-RQ.

    Parameters
    ----------
    aet
        This node's AE title.
    called, calling, address
        As the peer gave them.
    open_associations
        How many this process serves already.
    leaving
        True if this process is about to end.

    Returns
    -------
    Refusal | None
        None if the association may be accepted.
    """
    if leaving:
        return Refusal(TRANSIENT, PRESENTATION, TEMPORARY_CONGESTION, "this node is about to stop; try again soon")
    if settings.require_called_aet and called.strip() != aet:
        text = f"called AE title was {called.strip()!r}, this node is {aet!r}"
        return Refusal(PERMANENT, SERVICE_USER, CALLED_AE_UNKNOWN, text)
    if settings.peers:
        refusal = _judge_peer(settings, calling.strip(), address)
        if refusal is not None:
            return refusal
    if open_associations >= settings.max_associations:
        text = f"{open_associations} associations are open, receive.max_associations is {settings.max_associations}"
        return Refusal(TRANSIENT, PRESENTATION, LOCAL_LIMIT_EXCEEDED, text)
    return None


def _judge_peer(settings: ReceiveSettings, calling: str, address: str) -> Refusal | None:
    named = [peer for peer in settings.peers if peer.aet == calling]
    if not named:
        text = f"calling AE title {calling!r} is not in [[receive.peers]]"
        return Refusal(PERMANENT, SERVICE_USER, CALLING_AE_UNKNOWN, text)
    if not any(_within(address, peer.addresses) for peer in named):
        text = f"calling AE title {calling!r} may not come from {address}: see its addresses in [[receive.peers]]"
        return Refusal(PERMANENT, SERVICE_USER, NO_REASON, text)
    return None


def _within(address: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an address is in one of the networks; no networks means any address."""
    if not networks:
        return True
    found = ipaddress.ip_address(address.partition("%")[0])
    # A listener on :: sees IPv4 peers as ::ffff:a.b.c.d.
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in ipaddress.ip_network(network) for network in networks)
