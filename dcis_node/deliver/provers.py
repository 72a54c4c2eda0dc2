"""Make the prover of a destination from its settings."""

from pathlib import Path

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import Prover
from dcis_node.deliver.routes import peer_of, web_address_of
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
    if destination.proof == "none":
        return None
    if destination.kind == "dicomweb":
        # As in `routes`: only those who need these libraries wait until they are loaded.
        from dcis_node.deliver.web.proof import WebProof  # noqa: PLC0415

        web = web_address_of(destination, settings, base=base)
        ask, timeout_seconds = WebProof(web).ask, web.timeout_seconds
    else:
        peer = peer_of(destination, settings, aet=aet, base=base)
        ask, timeout_seconds = DicomProof(peer, settings.commitment_timeout_seconds).ask, peer.timeout_seconds
    return Prover(
        db=db,
        destination=destination.name,
        mode=destination.proof,
        give_up_seconds=settings.give_up_seconds,
        lease_seconds=settings.lease_seconds + WAITS_OF_ONE_QUESTION * timeout_seconds,
        ask=ask,
    )
