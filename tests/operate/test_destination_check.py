"""`check` tells until when our certificate towards a destination holds."""

import pytest

from dcis_node.config import configuration_from
from dcis_node.operate.doctor import _destinations
from dcis_node.operate.findings import Verdict
from tests.certificates import Authority
from tests.peers import free_port


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


def found(tmp_path, **tls):
    destination = {"name": "pacs", "host": "127.0.0.1", "port": free_port(), "aet": "PACS", "tls": tls}
    configuration = configuration_from({"destinations": [destination]}, tmp_path / "config.toml")
    return [finding for finding in _destinations(configuration) if finding.check == "certificate towards pacs"]


@pytest.mark.parametrize(
    ("days", "verdict", "words"),
    [
        (365.0, Verdict.OK, "node holds for 36"),
        (20.0, Verdict.WARN, "days"),
        (-1.0, Verdict.FAIL, "expired 1 days ago"),
    ],
)
def test_a_certificate_is_held_to_its_end(tmp_path, authority, days, verdict, words):
    own = authority.issue("node", starts_in_days=-40.0, days=days)
    files = {"ca": authority.certificate, "certificate": own.certificate, "key": own.key}
    (finding,) = found(tmp_path, **{name: str(path.relative_to(tmp_path)) for name, path in files.items()})
    assert finding.verdict is verdict
    assert words in finding.detail


def test_without_a_certificate_of_ours_nothing_is_said(tmp_path, authority):
    assert found(tmp_path, ca=str(authority.certificate)) == []


def test_files_that_cannot_be_used_are_told_by_the_attempt_itself(tmp_path, authority):
    (tmp_path / "broken").write_text("nonsense")
    assert found(tmp_path, ca=str(authority.certificate), certificate="broken", key="broken") == []
