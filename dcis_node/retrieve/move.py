"""C-MOVE of single images to ourselves; what has come is not taken from the peer's counters but from the index."""

import time
from collections.abc import Sequence

from pydicom import Dataset
from pynetdicom.association import Association

from dcis_node.retrieve.association import MOVE
from dcis_node.retrieve.search import Image
from dcis_node.retrieve.source import Source, Trouble, refusal_of

PENDING = 0xFF00
SUCCESS = 0x0000
# PS3.4 Table C.4-2: sub-operations complete, one or more failures or warnings. What failed is asked for again.
WITH_FAILURES = 0xB000


def move(association: Association, source: Source, images: Sequence[Image], *, until: float) -> None:
    """Have images sent to us, a C-MOVE at IMAGE level for each series, and wait until the source says that it has.

    Parameters
    ----------
    until
        Monotonic seconds at which it is told to stop (C-CANCEL).

    Raises
    ------
    Trouble
        It refused, failed, fell silent or went on for too long. Some of the images may have come.
    """
    # Not every source tells of each image: this is the time for one, or for all of them.
    patience = min(source.move_timeout_seconds, max(1.0, until - time.monotonic()))
    association.dimse_timeout = association.network_timeout = patience
    places = dict.fromkeys((image.study_instance_uid, image.series_instance_uid) for image in images)
    for number, (study, series) in enumerate(places, 1):
        wanted = [image.sop_instance_uid for image in images if image.series_instance_uid == series]
        _move_series(association, source, _identifier(study, series, wanted), until=until, message_id=number)


def _move_series(
    association: Association, source: Source, identifier: Dataset, *, until: float, message_id: int
) -> None:
    cancelled = False
    try:
        answers = association.send_c_move(identifier, source.move_to, MOVE, msg_id=message_id)
        for status, _ in answers:
            if "Status" not in status:
                break
            code = int(status.Status)
            if code in {SUCCESS, WITH_FAILURES}:
                return
            if code != PENDING:
                raise refusal_of(source, "C-MOVE", code)
            if time.monotonic() >= until:
                if cancelled:
                    break
                cancelled = True
                association.send_c_cancel(message_id, query_model=MOVE)
    except RuntimeError:  # the peer ended the association since the last answer
        pass
    if association.is_established:
        association.abort()  # it still moves, and would not hear a request to release the association
    raise Trouble(f"{source} did not finish C-MOVE in time, or did not answer validly")


def _identifier(study: str, series: str, images: Sequence[str]) -> Dataset:
    """Name images of one series (PS3.4 C.4.2.2.1: at the lowest level a list of UIDs)."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = study
    identifier.SeriesInstanceUID = series
    identifier.SOPInstanceUID = list(images)
    return identifier
