"""What certificate files say, and what is wrong with them in words."""

import datetime as dt
import time
from pathlib import Path

import pytest
from cryptography import x509

from dcis_node.config import Configuration, ReceiveSettings, TlsSettings
from dcis_node.errors import ConfigurationError
from dcis_node.receive.certificates import CertificateFacts, check_files, is_key_exposed
from dcis_node.receive.tls import server_context
from tests.certificates import Authority, Issued, rsa_key
from tests.receive.tls_peers import tls_settings


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def node(authority: Authority) -> Issued:
    return authority.issue("node")


def refusal(settings: TlsSettings) -> str:
    with pytest.raises(ConfigurationError) as error:
        server_context(settings)
    return str(error.value)


def test_facts_are_those_of_the_first_certificate(authority: Authority, node: Issued) -> None:
    chain = node.certificate.read_bytes() + authority.certificate.read_bytes()
    node.certificate.write_bytes(chain)
    facts = check_files(tls_settings(node, authority.certificate))
    stated = x509.load_pem_x509_certificates(chain)[0]
    assert facts.subject == "node"
    assert facts.sha256 == node.fingerprint
    assert dt.datetime.fromtimestamp(facts.not_after, dt.UTC) == stated.not_valid_after_utc


def test_a_certificate_without_a_common_name_goes_by_its_dns_name(authority: Authority) -> None:
    named = authority.issue("", dns=("node.example", "other.example"))
    assert check_files(tls_settings(named, authority.certificate)).subject == "node.example"


@pytest.mark.parametrize(
    ("now", "days", "fault"),
    [
        (0.0, 20.0, "our certificate is not valid yet; or this machine's clock is wrong"),
        (86400.0, 19.0, ""),
        (86400.0 * 20, 0.0, ""),
        (86400.0 * 23, -3.0, "our certificate expired 3 days ago"),
    ],
)
def test_days_are_counted_to_the_last_moment(now: float, days: float, fault: str) -> None:
    facts = CertificateFacts("node", not_before=86400.0, not_after=86400.0 * 20, sha256="")
    assert (facts.days_left(now), facts.fault(now)) == (days, fault)


@pytest.mark.parametrize("key", ["certificate", "key", "peer_ca"])
def test_a_file_that_is_missing_or_no_pem_is_named_with_its_key(
    authority: Authority, node: Issued, tmp_path: Path, key: str
) -> None:
    settings = tls_settings(node, authority.certificate, **{key: str(tmp_path / "wrong")})
    assert refusal(settings) == f"receive.tls.{key} = '{tmp_path}/wrong': no such file"
    (tmp_path / "wrong").write_text("hello")
    what = "private key" if key == "key" else "certificate"
    assert refusal(settings) == f"receive.tls.{key} = '{tmp_path}/wrong': no {what} in PEM"
    (tmp_path / "wrong").unlink()
    (tmp_path / "wrong").mkdir()
    assert refusal(settings) == f"receive.tls.{key} = '{tmp_path}/wrong': cannot be read: Is a directory"


def test_a_key_of_another_certificate_is_refused(authority: Authority, node: Issued) -> None:
    other = authority.issue("other")
    settings = tls_settings(node, authority.certificate, key=str(other.key))
    assert refusal(settings) == f"receive.tls.key = '{other.key}': does not fit the certificate in {node.certificate}"


def test_an_encrypted_key_is_refused_and_nobody_is_asked(authority: Authority) -> None:
    node = authority.issue("node", passphrase=b"secret")
    text = refusal(tls_settings(node, authority.certificate))
    assert text == f"receive.tls.key = '{node.key}': is encrypted; the node needs it without a passphrase"


def test_a_weak_key_is_refused(authority: Authority) -> None:
    node = authority.issue("node", key=rsa_key(1024))
    text = refusal(tls_settings(node, authority.certificate))
    assert text.endswith("its RSA key has 1024 bits, at least 2048 are needed")


def test_what_only_openssl_refuses_is_named_too(
    authority: Authority, node: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dcis_node.receive.tls.check_files", lambda _: None)
    other = authority.issue("other")
    text = refusal(tls_settings(node, authority.certificate, key=str(other.key)))
    assert text == f"receive.tls.certificate = '{node.certificate}': cannot be used: key values mismatch"
    text = refusal(tls_settings(node, node.key))
    assert text.startswith(f"receive.tls.peer_ca = '{node.key}': cannot be used: ")


def test_an_expired_certificate_can_be_used(authority: Authority) -> None:
    node = authority.issue("node", starts_in_days=-30, days=-1)
    settings = tls_settings(node, authority.certificate)
    assert server_context(settings) is not None
    assert check_files(settings).fault(time.time()) == "our certificate expired 1 days ago"


def test_a_key_that_everybody_may_read_is_told(authority: Authority, node: Issued) -> None:
    settings = tls_settings(node, authority.certificate)
    assert not is_key_exposed(settings)
    node.key.chmod(0o644)
    assert is_key_exposed(settings)
    node.key.unlink()
    with pytest.raises(ConfigurationError, match="no such file"):
        is_key_exposed(settings)


def test_paths_are_taken_from_the_folder_of_the_settings_and_links_stay_links(
    authority: Authority, node: Issued, tmp_path: Path
) -> None:
    (tmp_path / "now.crt").symlink_to(node.certificate)
    settings = tls_settings(node, authority.certificate, certificate="now.crt")
    found = Configuration(receive=ReceiveSettings(tls=settings), base=tmp_path).tls
    assert found.certificate == str(tmp_path / "now.crt")
    assert found.key == str(node.key)
    assert Configuration().tls.certificate == ""
