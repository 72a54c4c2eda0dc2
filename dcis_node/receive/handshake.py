"""The TLS handshake of one peer: a total deadline, what went wrong in words, and who the peer is."""

import hashlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

# OpenSSL's reasons, and what they mean to an administrator. Names of <openssl/sslerr.h>.
REASONS = MappingProxyType(
    {
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate",
        "UNSUPPORTED_PROTOCOL": "the peer offers no TLS version that is allowed: 1.2 or 1.3",
        "VERSION_TOO_LOW": "the peer offers no TLS version that is allowed: 1.2 or 1.3",
        "NO_SHARED_CIPHER": "the peer offers no cipher that is allowed: ECDHE with AES-GCM or ChaCha20-Poly1305",
        "NO_SUITABLE_SIGNATURE_ALGORITHM": "the peer takes no signature that our key can make",
        "NO_SHARED_SIGNATURE_ALGORITHMS": "the peer takes no signature that our key can make",
        "INAPPROPRIATE_FALLBACK": "the peer went back to an older TLS version though both know a newer one",
        "WRONG_VERSION_NUMBER": "the peer does not speak TLS: plain DICOM belongs on receive.port",
        "WRONG_SSL_VERSION": "the peer does not speak TLS: plain DICOM belongs on receive.port",
        "UNKNOWN_PROTOCOL": "the peer does not speak TLS: plain DICOM belongs on receive.port",
        "HTTP_REQUEST": "the peer does not speak TLS but HTTP",
        "HTTPS_PROXY_REQUEST": "the peer does not speak TLS but HTTP",
        "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know who signed our certificate",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not accept our certificate",
        "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not accept our certificate",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "to the peer our certificate has expired",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer does not accept our certificate",
        "TLSV1_ALERT_PROTOCOL_VERSION": "the peer refused the TLS versions that are allowed: 1.2 or 1.3",
        "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer refused every TLS version and cipher that is allowed",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY": "the peer refused every TLS version and cipher that is allowed",
        "NO_RENEGOTIATION": "the peer asked to negotiate again, which is not done",
        "UNEXPECTED_EOF_WHILE_READING": "the peer closed the connection in the handshake",
    }
)

# X509_V_ERR_* of <openssl/x509_vfy.h>
VERIFY_REASONS = MappingProxyType(
    {
        3: "receive.tls.peer_ca holds revocation lists, but none of the authority that signed the peer's certificate",
        9: "the peer's certificate is not valid yet; or a clock is wrong",
        10: "the peer's certificate has expired",
        12: "a revocation list in receive.tls.peer_ca has expired",
        18: "the peer's certificate is signed by itself and not in receive.tls.peer_ca",
        19: "the peer's certificate is signed by none of receive.tls.peer_ca",
        20: "the peer's certificate is signed by none of receive.tls.peer_ca",
        21: "the peer's certificate is signed by none of receive.tls.peer_ca",
        23: "the peer's certificate is revoked",
        26: "the peer's certificate is not meant for a client (extended key usage)",
        66: "the key of the peer's certificate is too short",
        67: "the key of the authority that signed the peer's certificate is too short",
        68: "the peer's certificate is signed with a digest that is too weak",
    }
)

# How long a refused peer has to read the alert that tells it why, and how much it may send meanwhile.
FAREWELL_SECONDS = 1.0
FAREWELL_BYTES = 64 * 1024
NO_TLS = "this connection has no TLS any more"


class HandshakeFault(Exception):  # noqa: N818 -- the peer's fault, not the program's
    """The peer did not come through the handshake; the text says why."""


class TlsConnection(ssl.SSLSocket):
    """A connection on which no byte ever goes in or out plain, and OpenSSL is never entered by two threads at once.

    `ssl.SSLSocket.shutdown` takes TLS away and leaves the socket; what the peer has sent would then be read as it came,
    encrypted, in the place of DICOM. Here it shuts the connection below TLS, and may be called from any thread.
    """

    _one: threading.Lock

    def __new__(cls, *args: Any, **named: Any) -> "TlsConnection":  # noqa: ANN401 -- socket's own
        """Make it; `ssl` leaves `__init__` out."""
        made = super().__new__(cls, *args, **named)
        made._one = threading.Lock()
        return made

    def shutdown(self, how: int) -> None:
        """Shut the TCP connection; without a closing alert, which could block."""
        socket.socket.shutdown(self, how)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:  # noqa: ANN401, ARG002
        """Read decrypted bytes; raises OSError if TLS is gone or another thread is at it."""
        with self._alone():
            return int(self.read(len(buffer) if nbytes is None else nbytes, buffer))

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:  # noqa: ARG002 -- socket's
        """Read decrypted bytes; raises OSError as `recv_into` does."""
        with self._alone():
            return self.read(buflen)

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401, ARG002 -- socket's
        """Encrypt and send; raises OSError as `recv_into` does."""
        with self._alone():
            return self.write(data)

    def part(self) -> None:
        """End the sending side and read on for a moment: closing with bytes unread would take our alert away.

        TLS is over by then; what is read is dropped.
        """
        deadline, left = time.monotonic() + FAREWELL_SECONDS, FAREWELL_BYTES
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while left > 0 and _is_ready(self, select.POLLIN, deadline - time.monotonic()):
                dropped = socket.socket.recv(self, left)
                left = left - len(dropped) if dropped else 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one.acquire(blocking=False):
            msg = "another thread reads or writes"
            raise BlockingIOError(msg)
        try:
            yield
        except ValueError:
            raise ConnectionAbortedError(NO_TLS) from None
        finally:
            self._one.release()


def shake_hands(connection: TlsConnection, *, seconds: float) -> None:
    """Do the handshake; the time is a total, so that a trickling peer gains nothing.

    Raises
    ------
    HandshakeFault
        The peer is silent, does not speak TLS, or is not let in.
    """
    deadline = time.monotonic() + seconds
    connection.settimeout(0.0)
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            awaited = select.POLLIN
        except ssl.SSLWantWriteError:
            awaited = select.POLLOUT
        except OSError as error:
            connection.part()
            raise HandshakeFault(reason_of(error)) from None
        else:
            return
        _wait(connection, awaited, deadline, seconds)


def reason_of(error: OSError) -> str:
    """Say in an administrator's words why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = int(error.verify_code)
        return VERIFY_REASONS.get(code, f"the peer's certificate is not accepted: {error.verify_message}")
    if isinstance(error, ssl.SSLError) and error.reason:
        return REASONS.get(error.reason, f"the TLS handshake failed: {error.reason.lower().replace('_', ' ')}")
    return "the peer closed the connection in the handshake"


def identity_of(connection: ssl.SSLSocket) -> tuple[str, ...]:
    """Name the peer as [[receive.peers]] does.

    Returns
    -------
    tuple[str, ...]
        SHA-256 of its certificate (DER, hexadecimal), then "CN=..." of its subject and "DNS:..." of its other names.
        Empty if it showed none. A certificate that was shown has been verified.
    """
    der = connection.getpeercert(binary_form=True)
    if der is None:
        return ()
    stated: Any = connection.getpeercert() or {}
    subject = [f"CN={value}" for part in stated.get("subject", ()) for key, value in part if key == "commonName"]
    others = [f"DNS:{value}" for kind, value in stated.get("subjectAltName", ()) if kind == "DNS"]
    return (hashlib.sha256(der).hexdigest(), *subject, *others)


def _wait(connection: socket.socket, awaited: int, deadline: float, seconds: float) -> None:
    if not _is_ready(connection, awaited, deadline - time.monotonic()):
        raise HandshakeFault(f"no TLS handshake within receive.acse_timeout_seconds = {seconds:g}")


def _is_ready(connection: socket.socket, awaited: int, seconds: float) -> bool:
    """Wait for a connection; by poll(2), which has room for descriptors above 1023."""
    poll = select.poll()
    poll.register(connection, awaited)
    return seconds > 0 and bool(poll.poll(seconds * 1000))
