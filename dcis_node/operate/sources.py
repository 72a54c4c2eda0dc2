"""Who is asked for missing views, as the configuration names them; and whether they would answer."""

from collections.abc import Iterator

from dcis_node.config import Configuration, SourceSettings
from dcis_node.deliver.routes import tls_of
from dcis_node.operate.findings import Finding, Verdict
from dcis_node.retrieve.association import association_with
from dcis_node.retrieve.source import Source, Trouble


def source_of(configuration: Configuration, settings: SourceSettings) -> Source:
    """Give a source as the retriever asks it; files of its TLS are read for each association."""
    return Source(
        name=settings.name,
        host=settings.host,
        port=settings.port,
        aet=settings.aet,
        calling_aet=settings.calling_aet or configuration.node.aet,
        move_to=settings.move_to or configuration.node.aet,
        timeout_seconds=configuration.retrieve.timeout_seconds,
        move_timeout_seconds=configuration.retrieve.move_timeout_seconds,
        tls=tls_of(settings.tls, configuration.base.absolute()),
    )


def check_sources(configuration: Configuration) -> Iterator[Finding]:
    """Try each source: is it there, does it offer query and retrieve, would its images be taken.

    Whether it knows us as a destination of images cannot be tried without moving one.
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
