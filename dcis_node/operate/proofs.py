"""Proof of delivery where its two rooms meet: what was asked by the courier is answered to a receiver."""

import time
from collections.abc import Iterator

from dcis_node.commitment import STORAGE_COMMITMENT, Report
from dcis_node.config import Configuration, DestinationSettings
from dcis_node.deliver import commitment
from dcis_node.deliver.acceptance import ask_acceptance
from dcis_node.deliver.dicom_proof import SERVICES
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.deliver.query import STUDY_ROOT_FIND
from dcis_node.operate.findings import Finding, Verdict
from storage.commitments import Taken
from storage.database import Database

NAMES = {STORAGE_COMMITMENT: "storage commitment", STUDY_ROOT_FIND: "query (C-FIND, Study Root)"}


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


def check_offers(destination: DestinationSettings, peer: PeerAddress) -> Iterator[Finding]:
    """Say by what a destination lets its deliveries be proven; a warning if by nothing: then no image ever leaves."""
    if destination.kind != "dicom" or destination.proof == "none":
        return
    asked = SERVICES[destination.proof]
    acceptance = ask_acceptance(peer, asked)
    if acceptance.failure:
        return  # `check` has met the same when it asked for the classes of the profile
    offered = [NAMES[service] for service in asked if service not in acceptance.refused]
    if offered:
        yield Finding(f"proof of {destination.name}", Verdict.OK, f"offers {' and '.join(offered)}")
        return
    lacking = " nor ".join(NAMES[service] for service in asked)
    detail = (
        f"offers {'neither ' if len(asked) > 1 else 'no '}{lacking}: results there stay `sent`, so that the images of "
        'their exams never leave. Let it offer one to this AE title, or set proof = "none" if `sent` is enough'
    )
    yield Finding(f"proof of {destination.name}", Verdict.WARN, detail)


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
