"""Make the prover of a destination from its settings."""

from pathlib import Path

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import Prover
from dcis_node.deliver.routes import peer_of
from storage.database import Database

# Waits that one question can meet: connection, association, network, and the answers (see `PeerAddress`).
WAITS_OF_ONE_QUESTION = 8


def prover_of(
    destination: DestinationSettings, settings: DeliverSettings, *, db: Database, aet: str, base: Path
) -> Prover | None:
    """Make what proves the deliveries to a destination.

    Parameters
    ----------
    settings, aet, base
        As for `dcis_node.deliver.routes.route_of`.

    Returns
    -------
    Prover | None
        None where nothing is to be proven.
    """
    if destination.proof == "none" or destination.kind != "dicom":
        return None
    peer = peer_of(destination, settings, aet=aet, base=base)
    return Prover(
        db=db,
        destination=destination.name,
        mode=destination.proof,
        give_up_seconds=settings.give_up_seconds,
        lease_seconds=settings.lease_seconds + WAITS_OF_ONE_QUESTION * peer.timeout_seconds,
        ask=DicomProof(peer, settings.commitment_timeout_seconds).ask,
    )
