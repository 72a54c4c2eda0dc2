"""`dcis-node check`, `echo` and `send` with a destination by DICOMweb."""

import json

import pytest
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import configuration_from
from dcis_node.operate.doctor import _destinations
from dcis_node.operate.findings import Verdict
from tests.deliver.helpers import dicom_file
from tests.deliver.web.peer import Reply, WebPeer
from tests.peers import free_port


def findings(tmp_path, url, **keys):
    """What `check` says of one destination, as pairs of verdict and words."""
    destination = {"name": "web", "kind": "dicomweb", "url": url} | keys
    values = {"destinations": [destination], "deliver": {"timeout_seconds": 5.0}}
    found = _destinations(configuration_from(values, tmp_path / "config.toml"))
    return [(finding.check, finding.verdict, finding.detail) for finding in found]


def test_a_service_that_answers_is_told_with_what_cannot_be_known(tmp_path):
    with WebPeer() as peer:
        probed, profile = findings(tmp_path, peer.address().url)
    assert probed[:2] == ("destination web", Verdict.OK)
    assert profile[:2] == ("profile of web", Verdict.OK)
    assert "does not say beforehand" in profile[2]


def test_a_service_without_queries_is_a_warning_with_advice(tmp_path):
    with WebPeer(lambda _: Reply(404)) as peer:
        probed, _ = findings(tmp_path, peer.address().url)
        unasked, _ = findings(tmp_path, peer.address().url, proof="none")
    assert probed[1] is unasked[1] is Verdict.WARN
    assert 'proof = "none"' in probed[2]
    assert 'proof = "none"' not in unasked[2]


@pytest.mark.parametrize("status", [401, 403, 405, 500])
def test_a_service_that_refuses_queries_may_be_one_to_which_we_can_send(tmp_path, status):
    with WebPeer(lambda _: Reply(status)) as peer:
        probed, _ = findings(tmp_path, peer.address().url)
    assert probed[1] is Verdict.WARN
    assert f"HTTP {status}" in probed[2]
    assert "Without queries arrival is not proven" in probed[2]
    assert "dcis-node send" in probed[2]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_service_that_is_not_there_for_anyone_is_a_failure(tmp_path, status):
    with WebPeer(lambda _: Reply(status)) as peer:
        probed, _ = findings(tmp_path, peer.address().url)
    assert (probed[1], f"HTTP {status}" in probed[2]) == (Verdict.FAIL, True)


def test_nobody_there_is_a_failure(tmp_path):
    probed, _ = findings(tmp_path, f"http://127.0.0.1:{free_port()}/dicom-web")
    assert (probed[1], "no connection" in probed[2]) == (Verdict.FAIL, True)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_secret_that_others_can_read_is_a_warning(tmp_path, mode):
    token = tmp_path / "token"
    token.write_text("t0ken")
    token.chmod(mode)
    with WebPeer() as peer:
        found = findings(tmp_path, peer.address().url, token_file="token")  # noqa: S106 -- a file's name
    assert peer.asked[0].headers["Authorization"] == "Bearer t0ken"
    warnings = [detail for _, verdict, detail in found if verdict is Verdict.WARN]
    assert len(warnings) == (mode == 0o644)
    assert all("token_file" in detail and "t0ken" not in detail for detail in warnings)


def test_a_secret_that_is_missing_is_a_failure(tmp_path):
    with WebPeer() as peer:
        found = findings(tmp_path, peer.address().url, username="me", password_file="none")  # noqa: S106
    assert [verdict for _, verdict, _ in found] == [Verdict.FAIL, Verdict.FAIL, Verdict.OK]
    assert "password_file" in found[0][2]


@pytest.mark.parametrize(("keys", "what"), [({}, "results"), ({"token_file": "token"}, "credentials and results")])
def test_a_way_in_the_clear_is_a_warning(tmp_path, keys, what):
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "token").chmod(0o600)
    found = findings(tmp_path, "http://no-such-host.invalid/dicom-web", timeout_seconds=1.0, **keys)
    assert ("destination web", Verdict.WARN, f"{what} go there unencrypted: use https") in found
    encrypted = findings(tmp_path, "https://no-such-host.invalid/dicom-web", timeout_seconds=1.0, **keys)
    assert not any("unencrypted" in detail for _, _, detail in encrypted)


def test_echo_and_send_reach_it_by_its_name(tmp_path):
    config = tmp_path / "config.toml"
    file = dicom_file(tmp_path / "object.dcm")
    with WebPeer() as peer:
        config.write_text(f'[[destinations]]\nname = "web"\nkind = "dicomweb"\nurl = "{peer.address().url}"\n')
        echo = CliRunner().invoke(app, ["echo", "--config", str(config), "--json"])
        send = CliRunner().invoke(app, ["send", str(file), "--destination", "web", "--config", str(config)])
    assert (echo.exit_code, json.loads(echo.stdout)["peers"]["web"]["ok"]) == (0, True)
    assert (send.exit_code, "1 of 1 stored" in send.stdout) == (0, True)
    assert peer.posts()[0].parts() == [file.read_bytes()]
