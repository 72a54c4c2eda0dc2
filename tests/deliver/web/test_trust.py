"""Whom we trust, and how we say who we are: TLS, tokens and passwords, read anew for each attempt."""

import base64
import logging

import pytest

from dcis_node.bcp195 import ClientTls
from dcis_node.deliver import policy
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.policy import Action
from dcis_node.deliver.web.credentials import LONGEST_SECRET_BYTES, open_to_others
from dcis_node.deliver.web.qido import probe
from dcis_node.deliver.web.stow import stow_files
from tests.certificates import Authority
from tests.deliver.web.peer import Reply, WebPeer, store_all

SECRET = "s3cret-and-not-to-be-shown"  # noqa: S105


def wanting(authorization):
    """Take objects of whoever shows this, and answer 401 to all others."""

    def answer(asked):
        return store_all(asked) if asked.headers.get("Authorization") == authorization() else Reply(401)

    return answer


@pytest.fixture(scope="module")
def pacs(authority):
    return authority.issue("pacs")


def tls(authority, issued=None, **options):
    files = {} if issued is None else {"certificate": str(issued.certificate), "key": str(issued.key)}
    return ClientTls(str(authority.certificate), **files, **options)


def one(items, web):
    (sent,) = stow_files(items, web)
    return sent


def test_a_bearer_token_is_shown(outgoing, secret):
    with WebPeer(wanting(lambda: f"Bearer {SECRET}")) as peer:
        assert one(outgoing(), peer.address(token_file=secret(SECRET + "\n"))).status == 0
        assert probe(peer.address(token_file=secret(SECRET))).ok


def test_a_name_and_a_password_are_shown(outgoing, secret):
    shown = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    with WebPeer(wanting(lambda: shown)) as peer:
        web = peer.address(username="me", password_file=secret(SECRET))
        assert one(outgoing(), web).status == 0
        assert probe(web).ok


def test_an_expired_token_is_refused_until_its_file_is_renewed(outgoing, secret):
    valid = ["old"]
    with WebPeer(wanting(lambda: f"Bearer {valid[0]}")) as peer:
        web = peer.address(token_file=secret("old"))
        assert one(outgoing(), web).status == 0
        valid[0] = "new"
        expired = one(outgoing(), web)
        assert expired.failure is Failure.UNAUTHORIZED
        verdict = policy.judge(expired, web)
        assert verdict.action is Action.RETRY
        assert verdict.text == f"{web} refused our credentials (HTTP 401: token_file)"
        secret("new")
        assert one(outgoing(), web).status == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "no credentials are configured"), ({"username": "me"}, "username and password_file")],
)
def test_the_words_name_what_was_refused(outgoing, secret, options, words):
    if options:
        options["password_file"] = secret("wrong")
    with WebPeer(wanting(lambda: "Bearer x")) as peer:
        web = peer.address(**options)
        assert words in policy.judge(one(outgoing(), web), web).text
        assert words in probe(web).text
        assert not probe(web).ok


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("", "empty"),
        (" \n ", "empty"),
        ("two\nlines", "not one line"),
        ("a\r\nX-Injected: 1", "not one line"),
        ("ümlaut", "not one line"),
        (b"\0", "not one line"),
        ("x" * (LONGEST_SECRET_BYTES + 1), "longer than"),
    ],
)
def test_a_secret_that_cannot_be_used_sends_nothing(outgoing, secret, tmp_path, content, words):
    path = tmp_path / "none" if content is None else secret(content)
    with WebPeer() as peer:
        for options in ({"token_file": path}, {"username": "me", "password_file": path}):
            web = peer.address(**options)
            sent = one(outgoing(), web)
            assert sent.failure is Failure.CREDENTIALS
            text = policy.judge(sent, web).text
            assert words in text
            assert "_file" in text
            assert probe(web).text == text
    assert peer.connections == 0


def test_a_secret_is_in_no_word_and_no_log(outgoing, secret, caplog):
    caplog.set_level(logging.DEBUG)
    with WebPeer(wanting(lambda: "Bearer other")) as peer:
        web = peer.address(token_file=secret(SECRET))
        texts = [policy.judge(one(outgoing(), web), web).text, probe(web).text, repr(web), str(web)]
    assert SECRET not in "".join(texts) + caplog.text


def test_a_certificate_of_our_authority_is_trusted(outgoing, authority, pacs):
    with WebPeer(certificate=pacs) as peer:
        assert one(outgoing(), peer.address(tls=tls(authority))).status == 0
        assert probe(peer.address(tls=tls(authority))).ok


def test_a_certificate_of_another_authority_is_not(outgoing, authority, pacs, tmp_path):
    other = Authority(tmp_path / "other", "Other CA")
    with WebPeer(certificate=pacs) as peer:
        for options in ({"tls": tls(other)}, {}):  # neither is it without `ca`
            web = peer.address(**options)
            sent = one(outgoing(), web)
            assert sent.failure is Failure.TLS
            assert "its certificate does not count" in policy.judge(sent, web).text
            assert "its certificate does not count" in probe(web).text
    assert peer.asked == []


def test_a_certificate_that_has_expired_is_not_trusted(outgoing, authority):
    expired = authority.issue("pacs", starts_in_days=-10, days=-5)
    with WebPeer(certificate=expired) as peer:
        sent = one(outgoing(), peer.address(tls=tls(authority)))
    assert (sent.failure, "expired" in sent.detail) == (Failure.TLS, True)


def test_a_certificate_must_name_the_host_unless_told_otherwise(outgoing, authority, pacs):
    elsewhere = authority.issue("elsewhere", ip="127.0.0.9")
    with WebPeer(certificate=elsewhere) as peer:
        strict = one(outgoing(), peer.address(tls=tls(authority)))
        lenient = one(outgoing(), peer.address(tls=tls(authority, check_host_name=False)))
    assert (strict.failure, "not valid for '127.0.0.1'" in strict.detail) == (Failure.TLS, True)
    assert lenient.status == 0


def test_our_certificate_is_shown_where_it_is_asked_for(outgoing, authority, pacs):
    with WebPeer(certificate=pacs, client_ca=authority.certificate) as peer:
        assert one(outgoing(), peer.address(tls=tls(authority, authority.issue("node")))).status == 0
        without = one(outgoing(), peer.address(tls=tls(authority)))
        asked = probe(peer.address(tls=tls(authority)))
    assert without.failure in {Failure.TLS, Failure.CUT_OFF}
    assert "tls.certificate" in without.detail
    assert "tls.certificate" in asked.text


def test_a_service_without_tls_is_told_apart(outgoing, authority):
    with WebPeer() as peer:
        web = peer.address(tls=tls(authority))
        sent = one(outgoing(), type(web)(web.url.replace("http:", "https:"), tls=web.tls))
    assert (sent.failure, sent.detail) == (Failure.TLS, "it does not speak TLS on this port")


def test_a_file_of_certificates_that_cannot_be_used_sends_nothing(outgoing, authority, pacs, tmp_path):
    with WebPeer(certificate=pacs) as peer:
        web = peer.address(tls=ClientTls(str(tmp_path / "none")))
        sent = one(outgoing(), web)
        assert (sent.failure, sent.detail) == (Failure.TLS, "tls.ca cannot be used: No such file or directory")
        assert "tls.ca cannot be used" in probe(web).text
    assert peer.connections == 0


@pytest.mark.parametrize(("mode", "open_"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_secret_that_others_can_read_is_seen(secret, mode, open_):
    path = secret(SECRET)
    path.chmod(mode)
    assert open_to_others(path) is open_
