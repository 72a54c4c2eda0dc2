"""What our own certificate and key files say, and what is wrong with them in words."""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from dcis_node.config import TlsSettings
from dcis_node.errors import ConfigurationError

LEAST_RSA_BITS = 2048  # RFC 9325 4.5
DAY_SECONDS = 86400.0

Read = TypeVar("Read")


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate states.

    Parameters
    ----------
    subject
        Its common name, or its first DNS name, or "".
    not_before, not_after
        From when to when it holds, Unix seconds.
    sha256
        Fingerprint: SHA-256 of the DER, hexadecimal.
    """

    subject: str
    not_before: float
    not_after: float
    sha256: str

    def days_left(self, now: float) -> float:
        """Give the days until it expires; negative once it has."""
        return (self.not_after - now) / DAY_SECONDS

    def fault(self, now: float) -> str:
        """Say why it does not hold at this moment, or ""."""
        if now > self.not_after:
            return f"our certificate expired {-self.days_left(now):.0f} days ago"
        if now < self.not_before:
            return "our certificate is not valid yet; or this machine's clock is wrong"
        return ""


def check_files(settings: TlsSettings) -> CertificateFacts:
    """Read certificate, key and the authorities of the peers, and see whether they can be used together.

    An expired certificate can be used: the peers that check it refuse us, the others do not.

    Returns
    -------
    CertificateFacts
        What our certificate states.

    Raises
    ------
    ConfigurationError
        One of the files is missing, is no PEM, is encrypted or too weak, or the key does not fit; names key and file.
    """
    certificate = _certificate(settings)
    key = _read("key", settings.key, lambda data: load_pem_private_key(data, None), "no private key in PEM")
    public = certificate.public_key()
    if _spki(key.public_key()) != _spki(public):
        raise _fault("key", settings.key, f"does not fit the certificate in {settings.certificate}")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
        text = f"its RSA key has {public.key_size} bits, at least {LEAST_RSA_BITS} are needed"
        raise _fault("certificate", settings.certificate, text)
    if settings.peer_ca:
        _read("peer_ca", settings.peer_ca, x509.load_pem_x509_certificates, "no certificate in PEM")
    return _facts(certificate)


def is_key_exposed(settings: TlsSettings) -> bool:
    """Tell whether every user of this machine may read our key.

    Raises
    ------
    ConfigurationError
        The file cannot be looked at.
    """
    try:
        return bool(Path(settings.key).stat().st_mode & stat.S_IROTH)
    except OSError as error:
        raise _fault("key", settings.key, _reason(error)) from None


def _certificate(settings: TlsSettings) -> x509.Certificate:
    text = "no certificate in PEM"
    return _read("certificate", settings.certificate, x509.load_pem_x509_certificates, text)[0]


def _read(key: str, path: str, parse: Callable[[bytes], Read], otherwise: str) -> Read:
    try:
        return parse(Path(path).read_bytes())
    except OSError as error:
        raise _fault(key, path, _reason(error)) from None
    except TypeError:
        raise _fault(key, path, "is encrypted; the node needs it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _fault(key, path, otherwise) from None


def _reason(error: OSError) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"


def _fault(key: str, path: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"receive.tls.{key} = {path!r}: {text}")


def _spki(public: object) -> bytes:
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))  # type: ignore[attr-defined]


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    return CertificateFacts(
        subject=_subject(certificate),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _subject(certificate: x509.Certificate) -> str:
    named = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if named:
        return str(named[0].value)
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(other.get_values_for_type(x509.DNSName)), "")
