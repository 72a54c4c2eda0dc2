"""The listeners in the self-test: is the port free or does the node answer on it, and what our certificate is worth."""

import hashlib
import json
import socket
import ssl
import time
from collections.abc import Iterator

from dcis_node.config import Configuration, TlsSettings
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.deliver.sender import echo
from dcis_node.errors import ConfigurationError, DcisNodeError, UnusableIndexError
from dcis_node.operate.findings import Finding, Verdict
from dcis_node.operate.listener import bind_listener, bind_tls_listener, place_of
from dcis_node.receive.admission import is_within, may_connect
from dcis_node.receive.certificates import CertificateFacts, check_files, is_key_exposed
from dcis_node.receive.handshake import reason_of
from storage.database import open_database
from storage.heartbeat import beats

# TLS 1.3: a server that does not take our certificate says so right after the handshake, or never.
VERDICT_SECONDS = 0.5


def check_certificate(configuration: Configuration) -> Iterator[Finding]:
    """Read our certificate, key and authorities; nothing where there is no TLS."""
    tls = configuration.tls
    if not tls.certificate:
        return
    facts = check_files(tls)
    yield _validity(facts, tls, now=time.time())
    if is_key_exposed(tls):
        yield Finding("key", Verdict.WARN, f"every user of this machine may read receive.tls.key = {tls.key!r}")


def check_listeners(configuration: Configuration) -> Iterator[Finding]:
    """Ask the node that runs on its ports, or see whether the ports are free."""
    try:
        places = _listening(configuration)
    except UnusableIndexError:
        yield Finding("listener", Verdict.WARN, "not tried: only the index can say whether the node runs")
        return
    receive = configuration.receive
    if receive.plain:
        yield _answer(configuration) if places else _free("listener", configuration)
    if receive.tls.certificate:
        yield _tls_answer(configuration, places[1]) if places else _free("listener with TLS", configuration)


def _validity(facts: CertificateFacts, tls: TlsSettings, *, now: float) -> Finding:
    days = facts.days_left(now)
    until = time.strftime("%Y-%m-%d", time.gmtime(facts.not_after))
    detail = f"{facts.subject or 'without a name'}, until {until} ({days:.0f} days), sha256 {facts.sha256}"
    if fault := facts.fault(now):
        return Finding("certificate", Verdict.FAIL, f"{fault}: {detail}")
    return Finding("certificate", Verdict.WARN if days <= tls.warn_days else Verdict.OK, detail)


def _free(check: str, configuration: Configuration) -> Finding:
    bind = bind_listener if check == "listener" else bind_tls_listener
    try:
        listener = bind(configuration.receive)
    except ConfigurationError as error:
        return Finding(check, Verdict.FAIL, str(error))
    place = place_of(listener)
    listener.close()
    return Finding(check, Verdict.OK, f"{place} is free")


def _answer(configuration: Configuration) -> Finding:
    """Ask the plain listener by C-ECHO, as a peer that may come plain and from this host.

    Where there is none, nothing is tried: the node would rightly refuse it, and warn of an intruder in its log.
    """
    receive, here = configuration.receive, own_address(configuration.receive.host)
    allowed = [peer.aet for peer in receive.peers if not peer.certificates and is_within(here, peer.addresses)]
    if receive.peers and not allowed:
        detail = f"the node runs; no C-ECHO tried: none of [[receive.peers]] may come from {here} without a certificate"
        return Finding("listener", Verdict.WARN, detail)
    own = PeerAddress(
        host=receive.host,
        port=receive.port,
        aet=configuration.node.aet,
        calling_aet=allowed[0] if allowed else configuration.node.aet,
        timeout_seconds=configuration.deliver.timeout_seconds,
    )
    answer = echo(own)
    return Finding("listener", Verdict.OK if answer.ok else Verdict.FAIL, f"the node runs; C-ECHO: {answer.text}")


def _tls_answer(configuration: Configuration, place: str) -> Finding:
    """Ask the listener with TLS for its certificate, and hold that against the file.

    No C-ECHO is tried: only a peer has the key that would let it in.
    """
    check = "listener with TLS"
    if not place:
        return Finding(check, Verdict.FAIL, "the node that runs was started without TLS: start it anew")
    host, _, port = place.rpartition(":")
    here = own_address(host.strip("[]"))
    if not may_connect(configuration.receive, here):
        return Finding(check, Verdict.WARN, f"the node runs; not tried: none of [[receive.peers]] may come from {here}")
    try:
        served, version, verdict = _shake_hands(configuration.tls, (host, int(port)), configuration)
    except OSError as error:
        text = reason_of(error) if isinstance(error, ssl.SSLError) else error.strerror or type(error).__name__
        return Finding(check, Verdict.FAIL, f"the node runs; {place} did not answer: {text}")
    if served != check_files(configuration.tls).sha256:
        detail = f"{place} shows another certificate than receive.tls.certificate holds: `status` says why"
        return Finding(check, Verdict.FAIL, detail)
    return Finding(check, Verdict.OK, f"the node runs; {place} shows our certificate by {version}{verdict}")


def own_address(host: str) -> str:
    """Give the address from which this host calls its own listener: nothing is sent to find out."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 104, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def _shake_hands(tls: TlsSettings, address: tuple[str, int], configuration: Configuration) -> tuple[str, str, str]:
    """Do a handshake with our own certificate in the place of a peer's.

    Returns
    -------
    tuple[str, str, str]
        SHA-256 of what the node showed; the TLS version; whether it would let our own certificate in.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is held against the file instead
    context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    with (
        socket.create_connection(address, timeout=configuration.deliver.timeout_seconds) as connection,
        context.wrap_socket(connection) as secure,
    ):
        served = hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()
        return served, str(secure.version()), _let_in(secure)


def _let_in(secure: ssl.SSLSocket) -> str:
    secure.settimeout(VERDICT_SECONDS)
    try:
        secure.recv(1)
    except TimeoutError:
        return ""
    except OSError:
        pass
    return "; as a peer's it would not be let in, which is right where another authority signs the peers' certificates"


def _listening(configuration: Configuration) -> tuple[str, str] | None:
    """Say where the node listens, without and with TLS; None if it does not run.

    Raises
    ------
    UnusableIndexError
        The index cannot be asked.
    """
    try:
        db = open_database(configuration.index_url)
    except UnusableIndexError:
        raise
    except DcisNodeError:
        return None
    try:
        with db.read() as session:
            told = next((beat.detail for beat in beats(session) if beat.process == "supervisor"), None)
    finally:
        db.close()
    if told is None:
        return None
    detail = json.loads(told or "{}")
    return detail.get("listening", ""), detail.get("listening_tls", "")
