"""Our TLS certificate as an administrator has to know it: whose, until when, and what is wrong with it."""

# What reads certificates is imported where there are some: it is a tenth of the time of a short command.
# ruff: noqa: PLC0415

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dcis_node.config import Configuration
from dcis_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dcis_node.receive.certificates import CertificateFacts
    from dcis_node.receive.tls import TlsKeeper

NO_TLS: Mapping[str, Any] = {
    "configured": False,
    "listening": "",
    "subject": "",
    "sha256": "",
    "not_after": None,
    "days_left": None,
    "expires_soon": False,
    "fault": "",
}


def keeper_of(configuration: Configuration) -> "TlsKeeper | None":
    """Give what keeps the certificate; nothing is loaded yet. None without a certificate in the settings."""
    if not configuration.tls.certificate:
        return None
    from dcis_node.receive.tls import TlsKeeper

    return TlsKeeper(configuration.tls)


def told(keeper: "TlsKeeper | None") -> dict[str, Any]:
    """Say for a sign of life which certificate is in use, and why a newer one was not taken ("" if it was)."""
    if keeper is None:
        return {}
    facts = keeper.loaded.facts if keeper.loaded else None
    return {
        "tls": {
            "subject": facts.subject if facts else "",
            "sha256": facts.sha256 if facts else "",
            "not_before": facts.not_before if facts else None,
            "not_after": facts.not_after if facts else None,
            "fault": keeper.fault,
        }
    }


def tls_status(
    configuration: Configuration, told_of: Sequence[Mapping[str, Any]], *, listening: str = "", now: float | None = None
) -> dict[str, Any]:
    """Say which certificate the receivers use; without a receiver that runs, what the files would give.

    Parameters
    ----------
    told_of
        What each receiver last said (`told`).
    listening
        Where the node listens with TLS.

    Returns
    -------
    dict
        `configured`; `listening`; `subject`, `sha256`, `not_after` (Unix seconds) and `days_left` of the certificate
        in use; `expires_soon` within receive.tls.warn_days; `fault` why it does not hold, or why the files as they are
        now were not taken, or "".
    """
    if not configuration.tls.certificate:
        return dict(NO_TLS)
    moment = time.time() if now is None else now
    facts, fault = _in_use(told_of) if told_of else _of_files(configuration)
    days = None if facts is None else facts.days_left(moment)
    return {
        "configured": True,
        "listening": listening,
        "subject": facts.subject if facts else "",
        "sha256": facts.sha256 if facts else "",
        "not_after": facts.not_after if facts else None,
        "days_left": days,
        "expires_soon": days is not None and days <= configuration.tls.warn_days,
        "fault": fault or (facts.fault(moment) if facts else "no certificate is loaded"),
    }


def _in_use(told_of: Sequence[Mapping[str, Any]]) -> "tuple[CertificateFacts | None, str]":
    from dcis_node.receive.certificates import CertificateFacts

    fault = next((one["fault"] for one in told_of if one["fault"]), "")
    loaded = [one for one in told_of if one["sha256"]]
    if not loaded:
        return None, fault
    # Of receivers that have not all taken a new certificate yet, the one that expires first.
    first = min(loaded, key=lambda one: float(one["not_after"]))
    names = ("subject", "not_before", "not_after", "sha256")
    return CertificateFacts(**{name: first[name] for name in names}), fault


def _of_files(configuration: Configuration) -> "tuple[CertificateFacts | None, str]":
    from dcis_node.receive.certificates import check_files

    try:
        return check_files(configuration.tls), ""
    except ConfigurationError as error:
        return None, str(error)
