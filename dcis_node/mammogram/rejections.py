"""Images that their site has rejected, by a Key Object Selection (PS3.3 A.35.4) that says so.

No attribute of an image tells that it was rejected: the image is stored first, and the technician or the archive
rejects it with a note of its own (IHE Radiology, Imaging Object Change Management).
"""

from typing import Final

from pydicom import Dataset

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.content import concept, walk
from dcis_node.mammogram.values import items, text

# Document titles of PS3.16 CID 7010: rejected for quality reasons, for patient safety reasons, incorrect modality
# worklist entry (the images may be another patient's). Not 113039, data retention policy expired: that one says nothing
# against the image.
REJECTING_TITLES: Final = frozenset({"113001", "113037", "113038"})


def read_rejected(ds: Dataset) -> frozenset[str]:
    """Give the SOP Instance UIDs that a rejection note names; none for any other object. Never raises."""
    if text(ds, "SOPClassUID") != sop.KEY_OBJECT_SELECTION or concept(ds) not in REJECTING_TITLES:
        return frozenset()
    named = (
        text(reference, "ReferencedSOPInstanceUID")
        for item in walk(ds)
        for reference in items(item, "ReferencedSOPSequence")
    )
    return frozenset(uid for uid in named if uid)
