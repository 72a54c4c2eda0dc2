"""Who is asked for missing views, as the configuration names them; and whether they would answer."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from dcis_node.config import Configuration, DestinationTls, SourceSettings
from dcis_node.errors import ConfigurationError
from dcis_node.operate.findings import Finding, Verdict
from dcis_node.retrieve.association import association_with
from dcis_node.retrieve.source import Source, Trouble


def source_of(configuration: Configuration, settings: SourceSettings) -> Source:
    """Give a source as the retriever asks it.

    Raises
    ------
    ConfigurationError
        Its certificates cannot be read.
    """
    tls = settings.tls
    return Source(
        name=settings.name,
        host=settings.host,
        port=settings.port,
        aet=settings.aet,
        calling_aet=settings.calling_aet or configuration.node.aet,
        move_to=settings.move_to or configuration.node.aet,
        timeout_seconds=configuration.retrieve.timeout_seconds,
        move_timeout_seconds=configuration.retrieve.move_timeout_seconds,
        tls=_tls_context(tls, configuration.base.absolute(), settings.name) if tls.ca else None,
        tls_host=settings.host if tls.check_host_name else "",
    )


def _tls_context(tls: DestinationTls, base: Path, name: str) -> ssl.SSLContext:
    """Make what speaks TLS 1.2 or newer with a peer of that authority (BCP 195: PS3.15 B.12)."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(base / tls.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = tls.check_host_name
        if tls.certificate:
            context.load_cert_chain(base / tls.certificate, base / tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"retrieve source {name}: tls: a certificate or key cannot be used ({type(error).__name__})"
        ) from error
    return context


def check_sources(configuration: Configuration) -> Iterator[Finding]:
    """Try each source: is it there, does it offer query and retrieve, would its images be taken.

    Whether it knows us as a destination of images cannot be tried without moving one.

    Raises
    ------
    ConfigurationError
        Its certificates cannot be read.
    """
    allowed = {peer.aet for peer in configuration.receive.peers}
    for settings in configuration.retrieve.sources:
        source = source_of(configuration, settings)
        check = f"source {source.name}"
        try:
            with association_with(source):
                pass
        except Trouble as trouble:
            yield Finding(check, Verdict.FAIL, str(trouble))
            continue
        yield Finding(check, Verdict.OK, f"{source} offers query and retrieve; images are sent to {source.move_to}")
        if allowed and source.aet not in allowed:
            detail = (
                f"[[receive.peers]] has no entry for {source.aet}: images that it sends under this title are refused"
            )
            yield Finding(check, Verdict.WARN, detail)
