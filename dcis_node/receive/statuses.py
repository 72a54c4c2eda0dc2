"""What the node answers to a C-STORE request, by name (PS3.4 Table B.2-1), and why."""

from typing import Final

from pydicom import Dataset

SUCCESS: Final = 0x0000
"""File and index are on disk. Also for a duplicate: the object is here."""

OUT_OF_RESOURCES: Final = 0xA700
"""Refused: disk, index or a limit of ours, or a fault of ours. The same bytes may be taken later."""

SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
"""Refused: a class that the node does not take, sent in a presentation context of one that it does (PS3.7 C.4.2)."""

DATA_SET_DOES_NOT_MATCH: Final = 0xA900
"""Error: the data set is not the object that the request named. The same bytes will be refused again."""

CANNOT_UNDERSTAND: Final = 0xC000
"""Error: the header cannot be read. The same bytes will be refused again."""

LONGEST_COMMENT = 64  # Error Comment (0000,0902) is LO


def answer(status: int, comment: str) -> Dataset:
    """Make a failure answer that says why, in the Error Comment (0000,0902) that most senders log."""
    response = Dataset()
    response.Status = status
    response.ErrorComment = comment[:LONGEST_COMMENT]
    return response
