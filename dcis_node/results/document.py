"""What every SR document of ours carries beside its tree: evidence, predecessors, flags, and its file."""

import io
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from dcis_node.results.answer import ExamAnswer, ObjectReference, ResultObject
from dcis_node.results.hanging import evidence_of, leading_image
from dcis_node.results.identity import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    dress,
    result_uid,
    stand_in,
)


def sr_arguments(answer: ExamAnswer, kind: str) -> dict[str, Any]:
    """Give the arguments that highdicom's SR classes share.

    COMPLETE, as the node says all it has to say; PRELIMINARY and UNVERIFIED, as no person has looked (PS3.3 C.17.2).
    """
    return {
        "evidence": [stand_in(leading_image(answer)), *map(_known, evidence_of(answer))],
        "series_instance_uid": result_uid(answer, f"{kind}/series"),
        "series_number": 1,
        "sop_instance_uid": result_uid(answer, kind),
        "instance_number": 1,
        "manufacturer": answer.equipment.manufacturer,
        "is_complete": True,
        "is_final": False,
        "is_verified": False,
    }


def _known(reference: ObjectReference) -> Dataset:
    """Give highdicom what it wants to know of an object that a tree points at."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    ds.SeriesInstanceUID, ds.StudyInstanceUID = reference.series_instance_uid, reference.study_instance_uid
    return ds


def finish_sr(ds: Dataset, answer: ExamAnswer, *, description: str, number: int) -> ResultObject:
    """Set evidence and predecessors, put patient, study and equipment on, and write it out."""
    source = leading_image(answer)
    own_study = source.header.study_instance_uid
    evidence = evidence_of(answer)
    ds.CurrentRequestedProcedureEvidenceSequence = _grouped([e for e in evidence if e.study_instance_uid == own_study])
    others = [e for e in evidence if e.study_instance_uid != own_study]
    if others:
        ds.PertinentOtherEvidenceSequence = _grouped(others)
    if answer.predecessor:
        ds.PredecessorDocumentsSequence = _grouped(list(answer.predecessor))
    dress(ds, answer, source=source, description=description, number=number)
    return written(ds)


def _grouped(references: list[ObjectReference]) -> list[Dataset]:
    """Give the Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1): study, then series, then instance."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for reference in references:
        series = studies.setdefault(reference.study_instance_uid, {})
        series.setdefault(reference.series_instance_uid, []).append(reference_item(reference))
    items = []
    for study_uid, series in studies.items():
        item = Dataset()
        item.StudyInstanceUID = study_uid
        item.ReferencedSeriesSequence = []
        for series_uid, instances in series.items():
            series_item = Dataset()
            series_item.SeriesInstanceUID = series_uid
            series_item.ReferencedSOPSequence = instances
            item.ReferencedSeriesSequence.append(series_item)
        items.append(item)
    return items


def reference_item(reference: ObjectReference) -> Dataset:
    """Give the item of a Referenced SOP Sequence."""
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item


def written(ds: Dataset) -> ResultObject:
    """Write an object as a PS3.10 file with a preamble of zeros.

    The preamble could carry a program (CVE-2019-11687), and highdicom's file meta information names highdicom.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds.file_meta = meta
    ds.preamble = bytes(128)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return ResultObject(
        sop_instance_uid=str(ds.SOPInstanceUID),
        sop_class_uid=str(ds.SOPClassUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        study_instance_uid=str(ds.StudyInstanceUID),
        modality=str(ds.Modality),
        transfer_syntax_uid=str(meta.TransferSyntaxUID),
        data=buffer.getvalue(),
    )
