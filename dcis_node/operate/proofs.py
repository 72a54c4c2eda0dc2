"""Proof of delivery where its two rooms meet: what was asked by the courier is answered to a receiver."""

import time
from collections.abc import Iterator

from dcis_node.commitment import Report
from dcis_node.config import Configuration, DestinationSettings
from dcis_node.deliver import commitment
from dcis_node.operate.findings import Finding, Verdict
from storage.commitments import Taken
from storage.database import Database


def take_report(db: Database, report: Report) -> bool:
    """Record a report that has come to our listener; a receiver's `TakeReport`.

    Returns
    -------
    bool
        False if it is on no request of ours.

    Raises
    ------
    StorageError
        The index cannot be written.
    """
    return commitment.record(db, report, now=time.time()) is not Taken.UNKNOWN


def check_reports(configuration: Configuration, destination: DestinationSettings) -> Iterator[Finding]:
    """Say if a destination's report on a request for commitment would be refused at our listener."""
    peers = configuration.receive.peers
    if destination.kind != "dicom" or destination.proof not in ("auto", "commitment"):
        return
    if peers and destination.aet not in {peer.aet for peer in peers}:
        detail = (
            f"{destination.aet} is not in [[receive.peers]]: if it reports on storage commitment by an association of "
            f"its own, which most archives do, that is refused. Add the AE title from which it reports"
        )
        yield Finding(f"proof of {destination.name}", Verdict.WARN, detail)
