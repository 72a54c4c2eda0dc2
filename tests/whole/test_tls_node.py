"""A node with both listeners: an image comes by TLS, and the certificate is renewed while it runs."""

import subprocess

import pytest

from dcis_node.config import load_configuration
from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PROCESSING
from dcis_node.operate.status import node_status
from tests.certificates import Authority
from tests.peers import free_port, require, wait_until
from tests.receive.helpers import Image, saved
from tests.whole.nodes import running_node

pytestmark = pytest.mark.peer

RECEIVE = """
[[receive.peers]]
aet = "STORESCU"
certificates = ["{fingerprint}"]
[[receive.peers]]
aet = "OLD"
[receive.tls]
port = {port}
certificate = "tls/node.crt"
key = "tls/node.key"
peer_ca = "tls/ca.crt"
"""


def dcmtk(tool, *arguments):
    command = [str(part) for part in (require(tool), "-aec", "DCIS_NODE", *arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).returncode


def test_an_image_comes_by_tls_and_the_certificate_is_renewed_in_between(tmp_path):
    folder = tmp_path / "node" / "tls"
    folder.mkdir(parents=True)
    authority = Authority(tmp_path / "ca")
    peer, first, second = (authority.issue(name) for name in ("storescu", "node", "node"))
    expected = [issued.fingerprint for issued in (first, second)]
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    first.certificate.replace(folder / "node.crt")
    first.key.replace(folder / "node.key")
    port = free_port()
    receive = RECEIVE.format(fingerprint=peer.fingerprint, port=port)
    image = saved(Image(sop_class=MAMMOGRAPHY_FOR_PROCESSING).dataset(), tmp_path / "image.dcm")
    own = ("+tls", peer.key, peer.certificate, "+cf", authority.certificate, "127.0.0.1", port)

    with running_node(tmp_path / "node", destinations=[], receive=receive) as node:
        configuration = load_configuration(node.config)

        def tls():
            return node_status(configuration, node.db)["tls"]

        def in_use():
            """What each receiver has told; `tls()` alone speaks of the files as long as none has."""
            processes = node_status(configuration, node.db)["processes"]
            details = [one["detail"] for one in processes if one["process"].startswith("receive-")]
            return [detail.get("tls", {}).get("sha256") for detail in details]

        wait_until(lambda: in_use() == [expected[0]] * 2, "both receivers tell of their certificate", seconds=60)
        assert dcmtk("storescu", "-aet", "STORESCU", *own, image) == 0
        assert dcmtk("echoscu", "-aet", "OLD", "127.0.0.1", node.port) == 0
        assert dcmtk("echoscu", "-aet", "STORESCU", "127.0.0.1", node.port) != 0
        assert dcmtk("echoscu", "-aet", "OLD", *own) != 0

        second.certificate.replace(folder / "node.crt")
        wait_until(lambda: "does not fit" in tls()["fault"], "half a renewal is a fault")
        assert node.command("status").returncode == 1
        assert tls()["sha256"] == expected[0]
        assert dcmtk("echoscu", "-aet", "STORESCU", *own) == 0
        second.key.replace(folder / "node.key")
        wait_until(lambda: in_use() == [expected[1]] * 2, "both receivers use the new certificate")
        assert (tls()["sha256"], tls()["fault"]) == (expected[1], "")
        assert dcmtk("echoscu", "-aet", "STORESCU", *own) == 0
        assert tls()["listening"] == f"127.0.0.1:{port}"
        assert len(node.exams()) == 1
    assert f"event=listening plain=127.0.0.1:{node.port} tls=127.0.0.1:{port}" in node.log()
