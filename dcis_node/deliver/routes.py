"""Make the route to a destination from its settings."""

from functools import partial
from pathlib import Path

from dcis_node.bcp195 import ClientTls
from dcis_node.config import DeliverSettings, DestinationSettings, DestinationTls
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.deliver.route import Route
from dcis_node.deliver.sender import echo, send_files
from dcis_node.errors import ConfigurationError


def route_of(destination: DestinationSettings, settings: DeliverSettings, *, aet: str, base: Path) -> Route:
    """Make the route to a destination.

    Parameters
    ----------
    settings
        For what the destination leaves open.
    aet
        Our AE title, for a destination that sets no `calling_aet`.
    base
        The folder to which paths in the settings are relative.

    Raises
    ------
    ConfigurationError
        There is no way of sending of its kind.
    """
    if destination.kind == "dicom":
        return dicom_route(peer_of(destination, settings, aet=aet, base=base))
    raise ConfigurationError(f"destination {destination.name}: kind {destination.kind} is not supported")


def dicom_route(peer: PeerAddress) -> Route:
    """Make the route to a storage SCP: C-STORE, and C-ECHO as the probe."""
    return Route(peer, partial(send_files, peer=peer), partial(echo, peer))


def peer_of(destination: DestinationSettings, settings: DeliverSettings, *, aet: str, base: Path) -> PeerAddress:
    """Give the address of a destination of kind dicom, as every association with it has to use it."""
    return PeerAddress(
        host=destination.host,
        port=destination.port,
        aet=destination.aet,
        calling_aet=destination.calling_aet or aet,
        timeout_seconds=destination.timeout_seconds or settings.timeout_seconds,
        max_pdu_bytes=destination.max_pdu_bytes,
        implicit="implicit" in destination.transfer_syntaxes,
        tls=tls_of(destination.tls, base),
    )


def tls_of(settings: DestinationTls, base: Path) -> ClientTls | None:
    """Give the TLS of a destination with absolute paths; None if it has none."""
    if not settings.ca:
        return None
    names = ("ca", "certificate", "key")
    paths = {name: str(base / value) for name in names if (value := getattr(settings, name))}
    return ClientTls(**paths, check_host_name=settings.check_host_name)
