"""Proof of delivery where its two rooms meet: what was asked by the courier is answered to a receiver."""

import time

from dcis_node.commitment import Report
from dcis_node.deliver import commitment
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
