"""The self-test tries the repository."""

import pytest

from dcis_node.config import configuration_from
from dcis_node.operate.audit.check import check_audit
from dcis_node.operate.findings import Verdict
from tests.certificates import Authority
from tests.peers import free_port
from tests.syslog_server import syslog_server, tls_context


@pytest.fixture
def check(tmp_path):
    def run(**audit):
        configuration = configuration_from(
            {"storage": {"folder": str(tmp_path)}, "audit": audit}, tmp_path / "config.toml"
        )
        (finding,) = check_audit(configuration)
        return finding.verdict, finding.detail

    return run


def test_without_a_repository_all_is_well(check):
    assert check()[0] is Verdict.OK


def test_a_repository_by_plain_tcp_is_a_warning(check):
    with syslog_server() as server:
        verdict, detail = check(repository=f"tcp://127.0.0.1:{server.port}")
    assert verdict is Verdict.WARN
    assert "demands TLS" in detail


def test_a_repository_by_tls_is_well(check, tmp_path):
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("repository")
    with syslog_server(tls=tls_context(issued.certificate, issued.key)) as server:
        found = check(repository=f"tls://127.0.0.1:{server.port}", ca=str(authority.certificate))
    assert found[0] is Verdict.OK


def test_a_repository_that_is_not_there_fails(check):
    verdict, detail = check(repository=f"tcp://127.0.0.1:{free_port()}")
    assert verdict is Verdict.FAIL
    assert "Connection refused; 0 messages wait" in detail
