"""What the self-test says of a destination by DICOMweb."""

import ipaddress
from collections.abc import Iterator

from dcis_node.config import DestinationSettings
from dcis_node.deliver.outcome import EchoResult
from dcis_node.deliver.route import Route
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.credentials import open_to_others
from dcis_node.operate.findings import Finding, Verdict


def check_web(settings: DestinationSettings, route: Route) -> Iterator[Finding]:
    """Ask the service whether it is there, and look at what is needed for that: files, and the way to it."""
    name = f"destination {settings.name}"
    yield _probed(name, route.probe(), proof=settings.proof)
    if isinstance(route.address, WebAddress):
        yield from _secrets(name, route.address)
        yield from _way(name, route.address)
    detail = f"{settings.profile}: a DICOMweb service does not say beforehand which kinds of objects it takes"
    yield Finding(f"profile of {settings.name}", Verdict.OK, f"{detail}; `status` shows what it refuses")


def _probed(name: str, answer: EchoResult, *, proof: str) -> Finding:
    if answer.ok:
        return Finding(name, Verdict.OK, f"QIDO-RS: {answer.text}")
    if not answer.is_there:
        return Finding(name, Verdict.FAIL, f"QIDO-RS: {answer.text}")
    advice = "; results are sent all the same, and may or may not meet the same: try by `dcis-node send`"
    if proof != "none":
        advice += '. Without queries arrival is not proven: set proof = "none", or allow them there'
    return Finding(name, Verdict.WARN, f"QIDO-RS: {answer.text}{advice}")


def _secrets(name: str, web: WebAddress) -> Iterator[Finding]:
    for key, path in web.secret_files.items():
        try:
            is_open = open_to_others(path)
        except OSError as error:
            yield Finding(name, Verdict.FAIL, f"{key}: {path}: {error.strerror}")
            continue
        if is_open:
            yield Finding(name, Verdict.WARN, f"{key}: {path}: others on this machine can read it; chmod 600")


def _way(name: str, web: WebAddress) -> Iterator[Finding]:
    if web.is_encrypted or _is_loopback(web.host):
        return
    what = "credentials and results" if web.has_credentials else "results"
    yield Finding(name, Verdict.WARN, f"{what} go there unencrypted: use https")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
