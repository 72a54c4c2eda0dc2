"""What the self-test says of the audit trail."""

import time
from collections.abc import Iterator

from dcis_node.config import Configuration
from dcis_node.errors import DeliveryError
from dcis_node.operate.audit.backlog import audit_status
from dcis_node.operate.audit.repository import repository_of, send_batch
from dcis_node.operate.findings import Finding, Verdict


def check_audit(configuration: Configuration) -> Iterator[Finding]:
    """Try whether the repository is there, and say how many messages wait for it."""
    repository = repository_of(configuration.audit, configuration.base)
    if repository is None:
        yield Finding("audit", Verdict.OK, "kept here only: audit.repository names no server")
        return
    waiting = audit_status(configuration, now=time.time())["waiting"]
    try:
        send_batch(repository, ())
    except DeliveryError as error:
        yield Finding("audit", Verdict.FAIL, f"{error}; {waiting} messages wait, none is lost")
        return
    plain = "" if repository.tls else "; PS3.15 A.6 demands TLS: use tls://"
    verdict = Verdict.OK if repository.tls else Verdict.WARN
    yield Finding("audit", verdict, f"{repository} takes messages; {waiting} wait{plain}")
