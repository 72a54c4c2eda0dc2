"""A small certificate authority for tests and benchmarks: who is trusted, who is not, who is too old or too weak."""

import datetime as dt
import ipaddress
import itertools
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key as files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, hexadecimal."""
        found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return sha256(found.public_bytes(Encoding.DER)).hexdigest()


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make an RSA key; slow, so only where the test is about RSA."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Authority:
    """Signs certificates into a folder.

    Parameters
    ----------
    folder
        Where the files go; `name.crt` and `name.key`.
    name
        Common name of the authority itself; its certificate is `certificate`.
    """

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        self._numbers = itertools.count(1)
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3650 * DAY)
            .not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self.certificate = folder / f"{name.replace(' ', '_').lower()}.crt"
        self.certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        key: Key | None = None,
        starts_in_days: float = -1.0,
        days: float = 365.0,
        dns: tuple[str, ...] = ("localhost",),
        ip: str = "127.0.0.1",
        usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
        passphrase: bytes = b"",
    ) -> Issued:
        """Sign a certificate for a new key.

        Parameters
        ----------
        name
            Common name ("" = none), and the stem of the file names.
        starts_in_days, days
            From when it holds, counted from now, and until when.
        passphrase
            Of the key file; "" = none.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = _now()
        others = [*(x509.DNSName(entry) for entry in dns), x509.IPAddress(ipaddress.ip_address(ip))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_common_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts_in_days * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(others), critical=False)
            .add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        signed = builder.sign(self._key, hashes.SHA256())
        return self._written(f"{name}-{next(self._numbers)}", signed, key, passphrase)

    def revocation_list(self, *issued: Issued) -> bytes:
        """Sign a list of revoked certificates; PEM."""
        now = _now()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(now - DAY)
        builder = builder.next_update(now + 30 * DAY)
        for one in issued:
            serial = x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _written(self, stem: str, signed: x509.Certificate, key: Key, passphrase: bytes) -> Issued:
        issued = Issued(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        issued.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        encryption: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return issued


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
