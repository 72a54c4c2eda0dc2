"""The storage SCP: where it listens, who may send, and every limit."""

import ipaddress
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from dcis_node.config.base import AETitle, AsTuple, Port, Settings

# A SHA-256 fingerprint, or a name that the certificate states: "CN=..." of its subject, "DNS:..." of its other names.
CertificateName = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64}|(CN=|DNS:)[^\x00-\x1f\x7f]{1,253})$")]
Associations = Annotated[int, Field(ge=1, le=1000)]


class Peer(Settings):
    """One calling AE that may send.

    `addresses` are networks in CIDR form, empty = any. With `certificates` it may come by TLS only, and with one of
    them; without, it may not come by mutual TLS.
    """

    aet: AETitle
    addresses: Annotated[tuple[str, ...], AsTuple] = ()
    certificates: Annotated[tuple[CertificateName, ...], AsTuple] = ()

    @field_validator("addresses")
    @classmethod
    def _addresses_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text)
        return value


class TlsSettings(Settings):
    """The listener with TLS, beside the plain one; without a certificate there is none."""

    port: Port = 2762
    certificate: str = ""
    key: str = ""
    peer_ca: str = ""
    require_peer_certificate: bool = True
    warn_days: Annotated[int, Field(ge=0, le=3650)] = 30

    @model_validator(mode="after")
    def _what_goes_together(self) -> "TlsSettings":
        if self.certificate and not self.key:
            msg = "receive.tls.certificate needs receive.tls.key"
            raise ValueError(msg)
        if self.certificate and self.require_peer_certificate and not self.peer_ca:
            msg = "receive.tls.require_peer_certificate needs receive.tls.peer_ca, which says whose certificates count"
            raise ValueError(msg)
        return self


class ReceiveSettings(Settings):
    """The storage SCP."""

    host: str = "127.0.0.1"
    port: Port = 11112
    plain: bool = True
    processes: Annotated[int, Field(ge=1, le=64)] = 2
    require_called_aet: bool = True
    peers: Annotated[tuple[Peer, ...], AsTuple] = ()
    tls: TlsSettings = TlsSettings()
    max_associations: Associations = 50
    max_associations_per_aet: Associations = 25
    max_associations_per_address: Associations = 25
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1048576)] = 131072
    max_dataset_bytes: Annotated[int, Field(ge=1048576)] = 2147483648
    max_queued_requests: Annotated[int, Field(ge=1, le=1000)] = 16
    acse_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    dimse_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 20.0
    network_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    pdu_deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = 20.0

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the listener."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _open_listener_needs_an_allowlist(self) -> "ReceiveSettings":
        if not self.is_loopback and not self.peers:
            msg = "a listener that other machines reach needs at least one [[receive.peers]] entry"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _there_is_a_listener(self) -> "ReceiveSettings":
        if not self.plain and not self.tls.certificate:
            msg = "receive.plain = false needs receive.tls.certificate: nothing would listen"
            raise ValueError(msg)
        return self
