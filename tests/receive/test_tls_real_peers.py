"""DCMTK, Orthanc and OpenSSL speak TLS with the node."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from dcis_node.config import Peer
from tests.certificates import Authority, Issued
from tests.peers import orthanc, require, wait_until
from tests.receive.helpers import AET, Image, Receiver, saved
from tests.receive.tls_peers import tls_settings

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def peer(authority: Authority) -> Issued:
    return authority.issue("pacs")


@pytest.fixture
def secure(start: Callable[..., Receiver], authority: Authority) -> Receiver:
    return start(tls=tls_settings(authority.issue("node"), authority.certificate))


def dcmtk(
    tool: str, receiver: Receiver, authority: Authority, shown: Issued | None, *more: object
) -> subprocess.CompletedProcess:
    own = ("+tla",) if shown is None else ("+tls", shown.key, shown.certificate)
    command = (require(tool), *own, "+cf", authority.certificate, "-aec", AET, "127.0.0.1", receiver.tls_port, *more)
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)


def s_client(receiver: Receiver, authority: Authority, *options: object) -> subprocess.CompletedProcess:
    command = (require("openssl"), "s_client", "-connect", f"127.0.0.1:{receiver.tls_port}")
    command = (*command, "-CAfile", authority.certificate, "-verify_return_error", *options)
    text = [str(part) for part in command]
    return subprocess.run(text, input="", capture_output=True, text=True, timeout=60, check=False)


def test_echoscu_is_answered_with_its_certificate_only(
    secure: Receiver, authority: Authority, peer: Issued, caplog
) -> None:
    assert dcmtk("echoscu", secure, authority, peer).returncode == 0
    assert dcmtk("echoscu", secure, authority, None).returncode != 0
    wait_until(lambda: "text='the peer showed no certificate'" in caplog.text, "the log says why")


@pytest.mark.parametrize("rows", [32, 3700])
def test_storescu_sends_an_object_byte_for_byte(
    secure: Receiver, authority: Authority, peer: Issued, tmp_path: Path, rows: int
) -> None:
    path = saved(Image(rows=rows).dataset(), tmp_path / "image.dcm")
    answer = dcmtk("storescu", secure, authority, peer, path)
    assert answer.returncode == 0, answer.stderr
    [instance] = secure.instances()
    sent = path.read_bytes()
    data_set = sent[dcmread(path, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength + 144 :]
    assert secure.files.read(instance.sha256).endswith(data_set)
    assert len(data_set) > 2 * rows * rows


def test_orthanc_sends_with_its_certificate(start, authority: Authority, tmp_path: Path, caplog) -> None:
    pacs = authority.issue("orthanc")
    peers = (Peer(aet="ORTHANC", certificates=(pacs.fingerprint,)),)
    receiver = start(tls=tls_settings(authority.issue("node"), authority.certificate), peers=peers)
    path = saved(Image().dataset(), tmp_path / "image.dcm")
    with orthanc(
        tmp_path,
        DicomModalities={"node": {"AET": AET, "Host": "127.0.0.1", "Port": receiver.tls_port, "UseDicomTls": True}},
        DicomTlsCertificate=str(pacs.certificate),
        DicomTlsPrivateKey=str(pacs.key),
        DicomTlsTrustedCertificates=str(authority.certificate),
    ) as sender:
        sender.send(sender.upload(path.read_bytes())["ID"])
    assert len(receiver.instances()) == 1
    assert f"calling='ORTHANC' address=127.0.0.1 certificate={pacs.fingerprint}" in caplog.text


def test_openssl_finds_what_bcp_195_asks_for(secure: Receiver, authority: Authority, peer: Issued) -> None:
    own = ("-cert", peer.certificate, "-key", peer.key)
    found = s_client(secure, authority, "-tls1_2", *own).stdout
    assert "Secure Renegotiation IS supported" in found
    assert "Compression: NONE" in found
    assert "Server Temp Key: X25519, 253 bits" in found
    assert "Verify return code: 0 (ok)" in found
    assert "Protocol  : TLSv1.2" in found


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_session_is_resumed_by_ticket(
    secure: Receiver, authority: Authority, peer: Issued, version: str, tmp_path: Path
) -> None:
    own = ("-cert", peer.certificate, "-key", peer.key)
    kept = tmp_path / "session"
    first = s_client(secure, authority, version, *own, "-sess_out", kept)
    assert "session ticket:" not in first.stdout
    again = s_client(secure, authority, version, *own, *(("-sess_in", kept) if kept.exists() else ()))
    assert "New, TLSv1" in again.stdout
    assert "Reused" not in again.stdout
