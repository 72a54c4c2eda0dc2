"""Peers with TLS: a context for each kind of client, and an association over it."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dcis_node.config import TlsSettings
from tests.certificates import Issued
from tests.receive.helpers import VERIFICATION
from tests.receive.wire import ACCEPTED, COMMAND, LAST, P_DATA, echo_command, fragment, read_pdu, request_pdu

# Everything that OpenSSL still has, for clients that ask for what is refused.
ANYTHING = "ALL:@SECLEVEL=0"


def tls_settings(node: Issued, authority: Path, **changes: object) -> TlsSettings:
    """Settings of a listener with this certificate, which lets in whom the authority has signed."""
    names = {"certificate": str(node.certificate), "key": str(node.key), "peer_ca": str(authority)}
    return TlsSettings(**{**names, **changes})


def client_context(
    authority: Path | None,
    shown: Issued | None,
    *,
    version: ssl.TLSVersion | None = None,
    ciphers: str = ANYTHING,
) -> ssl.SSLContext:
    """A client that checks the node against `authority`, and shows a certificate.

    Parameters
    ----------
    version
        The only TLS version it offers; None: what is usual.
    ciphers
        Of TLS 1.2 and older.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if authority is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority)
    context.set_ciphers(ciphers)
    if version is not None:
        with warnings.catch_warnings(action="ignore"):  # the older ones are there to be refused
            context.minimum_version = context.maximum_version = version
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


@contextmanager
def secure_connection(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Connect and shake hands; with TLS 1.3 a refusal of our certificate comes with the first read only."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secure,
    ):
        yield secure


def is_answered(port: int, context: ssl.SSLContext, *, calling: str = "PACS") -> bool:
    """Associate and echo over TLS."""
    try:
        with secure_connection(port, context) as connection:
            return echoes(connection, calling=calling)
    except OSError:
        return False


def echoes(connection: ssl.SSLSocket, *, calling: str = "PACS") -> bool:
    """Associate and echo on an open connection; False if the association is rejected."""
    connection.sendall(request_pdu(calling=calling, sop_class=VERIFICATION))
    if read_pdu(connection)[0] != ACCEPTED:
        return False
    return echoes_again(connection)


def echoes_again(connection: ssl.SSLSocket) -> bool:
    """Echo in an association that is open."""
    connection.sendall(fragment(COMMAND | LAST, echo_command()))
    return read_pdu(connection)[0] == P_DATA
