"""What `check` says of our certificate towards a destination."""

import time
from collections.abc import Iterator

from dcis_node.config import Configuration, DestinationSettings, TlsSettings
from dcis_node.errors import ConfigurationError
from dcis_node.operate.findings import Finding, Verdict
from dcis_node.receive.certificates import check_files


def check_own_certificate(configuration: Configuration, destination: DestinationSettings) -> Iterator[Finding]:
    """Tell until when our certificate towards a destination holds; nothing where there is none.

    Files that cannot be used are told by the attempt to reach the destination.
    """
    tls = destination.tls
    if not tls.certificate:
        return
    base = configuration.base.absolute()
    files = TlsSettings(certificate=str(base / tls.certificate), key=str(base / tls.key), peer_ca=str(base / tls.ca))
    try:
        facts = check_files(files)
    except ConfigurationError:
        return
    days, fault = facts.days_left(time.time()), facts.fault(time.time())
    detail = fault or f"{facts.subject or facts.sha256} holds for {days:.0f} days"
    soon = days < configuration.receive.tls.warn_days
    verdict = Verdict.FAIL if fault else (Verdict.WARN if soon else Verdict.OK)
    yield Finding(f"certificate towards {destination.name}", verdict, detail)
