"""What the retriever tells the audit trail: values without patient data, handed to a function that it is given."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dcis_node.retrieve.source import Source

# What a query asks with that tells nothing of a patient; any other key loses its value on the way into the trail.
TOLD = frozenset({"QueryRetrieveLevel", "Modality", "ModalitiesInStudy", "SOPClassUID"})
UIDS = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"})
TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)


@dataclass(frozen=True)
class SourceQueried:
    """A query is about to go to a source.

    Parameters
    ----------
    source
        Its name in the configuration.
    host
        Where it is.
    called_aet, calling_aet
        Its AE title and ours.
    exam
        Number of the exam for which it is asked.
    sop_class_uid
        Of the query.
    keys
        Its identifier without the values that identify the patient, in `TRANSFER_SYNTAX`.
    """

    source: str
    host: str
    called_aet: str
    calling_aet: str
    exam: int
    sop_class_uid: str
    keys: bytes


Notify: TypeAlias = Callable[[SourceQueried], None]


def nobody(_: SourceQueried) -> None:
    """Tell nobody: a `Notify` for those who keep no audit trail."""


def queried(source: Source, exam: int, sop_class_uid: str, keys: Dataset) -> SourceQueried:
    """Say that a query goes out; the keys are copied."""
    told = deepcopy(keys)
    for element in told:
        if element.keyword not in TOLD | UIDS:
            element.value = ""
    encoded = encode(told, is_implicit_vr=False, is_little_endian=True) or b""
    return SourceQueried(source.name, source.host, source.aet, source.calling_aet, exam, sop_class_uid, encoded)
