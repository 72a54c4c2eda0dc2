import pytest

from tests.peers import require


def test_a_missing_tool_skips_a_test_and_says_what_to_install(monkeypatch):
    monkeypatch.delenv("DCIS_NODE_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-tool is not installed \(Debian packages"):
        require("no-such-tool")


def test_a_missing_tool_fails_a_test_where_peers_are_demanded(monkeypatch):
    monkeypatch.setenv("DCIS_NODE_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        require("no-such-tool")
