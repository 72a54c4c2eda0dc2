"""The retriever process."""

import ssl
from pathlib import Path

from dcis_node.config import Configuration, DestinationTls, SourceSettings
from dcis_node.errors import ConfigurationError
from dcis_node.operate.process import running_process
from dcis_node.retrieve.running import run_retriever
from dcis_node.retrieve.source import Source


def run_retrieve(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the retriever.

    Raises
    ------
    ConfigurationError
        A certificate of a source cannot be used.
    """
    sources = [source_of(configuration, source) for source in configuration.retrieve.sources]
    with running_process(configuration, name, lifeline=lifeline) as process:
        run_retriever(
            db=process.db,
            sources=sources,
            settings=configuration.retrieve,
            merge_same_day=configuration.exam.merge_same_day,
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
        )


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
