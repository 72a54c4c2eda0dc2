"""Peers for tests: storage SCPs that obey or misbehave, DCMTK, Orthanc. All on loopback, all ended by their own pid."""

from tests.peer_programs import Orthanc, StoreScp, orthanc, qrscp, running, storescp, storescu
from tests.peer_scp import Received, StoragePeer, black_hole, raw_peer, rejecting_peer, resetting_peer
from tests.peer_tools import START_SECONDS, free_port, listens, require, wait_until

__all__ = [
    "START_SECONDS",
    "Orthanc",
    "Received",
    "StoragePeer",
    "StoreScp",
    "black_hole",
    "free_port",
    "listens",
    "orthanc",
    "qrscp",
    "raw_peer",
    "rejecting_peer",
    "require",
    "resetting_peer",
    "running",
    "storescp",
    "storescu",
    "wait_until",
]
