"""Sources of missing views: tried by `check`, and with TLS."""

import ssl

import pytest

from dcis_node.config import load_configuration
from dcis_node.operate.findings import Verdict
from dcis_node.operate.sources import check_sources, source_of
from dcis_node.operate.sweeping import sweep_exams
from tests.certificates import Authority
from tests.peers import free_port
from tests.retrieve.peer import QueryPeer

SOURCE = """
[[retrieve.sources]]
name = "archive"
host = "{host}"
port = {port}
aet = "ARCHIVE"
"""


@pytest.fixture
def load(tmp_path):
    def load_text(port, more="", *, host="127.0.0.1", before=""):
        config = tmp_path / "config.toml"
        config.write_text(before + SOURCE.format(host=host, port=port) + more + "\n[retrieve]\ntimeout_seconds = 5.0\n")
        return load_configuration(config)

    return load_text


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


def server_context(issued, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def found(configuration):
    return [(finding.check, finding.verdict) for finding in check_sources(configuration)]


def test_a_source_that_offers_query_and_retrieve_is_well(load):
    with QueryPeer() as peer:
        assert found(load(peer.port)) == [("source archive", Verdict.OK)]


def test_a_source_that_is_down_fails(load):
    assert found(load(free_port())) == [("source archive", Verdict.FAIL)]


def test_a_source_whose_images_would_be_refused_is_warned_of(load):
    with QueryPeer() as peer:
        configuration = load(peer.port, before="[[receive.peers]]\naet = 'OTHER'\n")
        assert found(configuration) == [("source archive", Verdict.OK), ("source archive", Verdict.WARN)]


def test_our_titles_are_those_of_the_node_unless_the_source_has_others(load):
    source = source_of(*_with_first(load(104)))
    assert (source.calling_aet, source.move_to) == ("DCIS_NODE", "DCIS_NODE")
    source = source_of(*_with_first(load(104, 'calling_aet = "ASK"\nmove_to = "HERE"')))
    assert (source.calling_aet, source.move_to) == ("ASK", "HERE")
    assert source.tls is None


def _with_first(configuration):
    return configuration, configuration.retrieve.sources[0]


def test_a_source_with_tls_is_asked_by_tls_and_shown_our_certificate(load, authority):
    theirs, ours = authority.issue("archive"), authority.issue("node")
    tls = f'tls = {{ ca = "tls/{authority.certificate.name}", certificate = "{ours.certificate}", key = "{ours.key}" }}'
    with QueryPeer(tls=server_context(theirs, authority)) as peer:
        assert found(load(peer.port, tls, host="localhost")) == [("source archive", Verdict.OK)]


def test_a_source_of_another_authority_is_not_asked(load, authority, tmp_path):
    stranger = Authority(tmp_path / "strangers", "Strangers")
    theirs = stranger.issue("archive")
    tls = f'tls = {{ ca = "tls/{authority.certificate.name}" }}'
    with QueryPeer(tls=server_context(theirs, authority)) as peer:
        (finding,) = check_sources(load(peer.port, tls, host="localhost"))
    assert finding.verdict is Verdict.FAIL
    assert "no TLS with ARCHIVE" in finding.detail


@pytest.mark.parametrize("names", ['ca = "missing.crt"', 'ca = "tls/{ca}", certificate = "x", key = "y"'])
def test_certificates_that_cannot_be_read_are_said(load, authority, names):
    tls = f"tls = {{ {names.format(ca=authority.certificate.name)} }}"
    (finding,) = check_sources(load(104, tls))
    assert finding.verdict is Verdict.FAIL
    assert "cannot be used: No such file or directory" in finding.detail


def test_without_a_source_the_sweep_is_the_plain_one(tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text("")
    configuration = load_configuration(tmp_path / "config.toml")
    asked = []
    monkeypatch.setattr("dcis_node.operate.sweeping.sweep_open_exams", lambda *_, **options: asked.append(options) or 0)
    assert sweep_exams(configuration, None, now=1.0) == 0
    assert asked == [{"now": 1.0}]
