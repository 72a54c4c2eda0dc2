"""TLS by BCP 195 (RFC 8996, RFC 9325; PS3.15 B.12), as both sides of the node speak it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

# Of TLS 1.2, forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has nothing else. Level 2:
# no certificate with less than 112 bits, that is no RSA below 2048 bits and no SHA-1, whoever shows it.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
REVOCATION_LIST = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True)
class ClientTls:
    """How we call a server by TLS.

    Parameters
    ----------
    ca
        File of the certificates that count, PEM: of those who sign the server's, or its own. Revocation lists in it are
        heeded.
    certificate, key
        Ours, PEM, the key without a passphrase; "" if the server asks for none.
    check_host_name
        True if its certificate must name the host that we call.
    """

    ca: str
    certificate: str = ""
    key: str = ""
    check_host_name: bool = True


class UnusableFileError(Exception):
    """A file of a `ClientTls` cannot be used; the text names the setting and the reason, not the file's content."""


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Make the context of a new connection from the files as they are now.

    Raises
    ------
    UnusableFileError
        One of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.check_hostname = tls.check_host_name
    try:
        context.load_verify_locations(tls.ca)
        if REVOCATION_LIST in Path(tls.ca).read_bytes():
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except OSError as error:
        raise UnusableFileError(f"tls.ca cannot be used: {words_of(error)}") from None
    # Also a certificate in the middle of a chain, or that of one server, may be what counts.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.certificate:
        try:
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
        except OSError as error:
            raise UnusableFileError(f"tls.certificate or tls.key cannot be used: {words_of(error)}") from None
    return context


# What OpenSSL calls what went wrong, and what an administrator has to look at.
_WORDS = {
    "CERTIFICATE_REQUIRED": "it asks for our certificate: set tls.certificate and tls.key",
    "UNKNOWN_CA": "it does not know who signed our certificate",
    "BAD_CERTIFICATE": "it refuses our certificate",
    "CERTIFICATE_EXPIRED": "it says that our certificate has expired",
    "CERTIFICATE_REVOKED": "it says that our certificate is revoked",
    "CERTIFICATE_UNKNOWN": "it refuses our certificate",
    "ACCESS_DENIED": "it refuses our certificate",
    "PROTOCOL_VERSION": "it speaks neither TLS 1.2 nor 1.3",
    "UNSUPPORTED_PROTOCOL": "it speaks neither TLS 1.2 nor 1.3",
    "HANDSHAKE_FAILURE": "it has no cipher in common with us, or wants a certificate: see tls.certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS on this port",
    "RECORD_LAYER_FAILURE": "it does not speak TLS on this port",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up in the handshake",
}


def words_of(error: OSError) -> str:
    """Say what went wrong with TLS or a file of it; nothing of what the peer has sent but its alert."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not count: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or type(error).__name__
        known = next((words for key, words in _WORDS.items() if reason.endswith(key)), "")
        return known or reason.lower().replace("_", " ")
    return error.strerror or type(error).__name__
