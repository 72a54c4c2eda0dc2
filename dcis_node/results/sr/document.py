"""What every SR document of ours carries beside its tree: evidence, predecessors, flags, and its file."""

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from dcis_node.results.answer import ExamAnswer, ObjectReference, ResultObject, SourceImage
from dcis_node.results.hanging import evidence_of, leading_image
from dcis_node.results.identity import device_uid, dress, plain, result_uid
from dcis_node.results.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dcis_node.results.kinds import SERIES_NUMBERS, ResultKind
from dcis_node.results.part10 import file_of


def sr_document(
    answer: ExamAnswer,
    tree: Dataset,
    *,
    sop_class_uid: str,
    kind: ResultKind,
    description: str,
    view: SourceImage | None = None,
    number: int | None = None,
) -> ResultObject:
    """Make an SR document of a tree: evidence, predecessors, flags, patient, study, equipment; and write it out.

    By hand and not by highdicom's SR classes: those copy the whole tree twice and search it again, which was half of
    the time of all results together, and want a patient whom they write to the log.

    Parameters
    ----------
    tree
        The root CONTAINER.
    kind
        Of the result, for its derived UIDs.
    description
        Of the series, after "RUO".
    view
        The image that it is about, if there is one of the kind for each view: it lies in the study of that image.
    number
        Of the series; that of its kind if left out.
    """
    source = view or leading_image(answer)
    about = view.header.sop_instance_uid if view else ""
    ds = Dataset()
    ds.update(tree)
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = result_uid(answer, kind, source_uid=about)
    ds.SeriesInstanceUID = result_uid(answer, f"{kind}/series", source_uid=about)
    ds.StudyInstanceUID = source.header.study_instance_uid
    ds.Modality = "SR"
    # COMPLETE: the node says all it has to say. PRELIMINARY and UNVERIFIED: no person has looked (PS3.3 C.17.2).
    ds.CompletionFlag, ds.PreliminaryFlag, ds.VerificationFlag = "COMPLETE", "PRELIMINARY", "UNVERIFIED"
    # Type 2: no procedure step of ours is managed by anybody.
    ds.PerformedProcedureCodeSequence = []
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.AuthorObserverSequence = [_author(answer)]
    _set_references(ds, answer, kind)
    dress(ds, answer, source=source, description=description, number=number or SERIES_NUMBERS[kind])
    return written(ds, ExplicitVRLittleEndian, kind)


def _author(answer: ExamAnswer) -> Dataset:
    """Name the node as author: a device, and with that the observer of the whole tree (PS3.3 C.17.2, C.17.5)."""
    own = answer.equipment
    item = Dataset()
    item.ObserverType = "DEV"
    item.StationName = plain(own.station_name, limit=16)
    item.DeviceUID = device_uid(own)
    item.Manufacturer, item.ManufacturerModelName = plain(own.manufacturer, limit=64), plain(own.model_name, limit=64)
    item.InstitutionName = plain(own.institution, limit=64)
    item.InstitutionCodeSequence = []
    return item


def _set_references(ds: Dataset, answer: ExamAnswer, kind: ResultKind) -> None:
    evidence = evidence_of(answer)
    ours = [e for e in evidence if e.study_instance_uid == ds.StudyInstanceUID]
    others = [e for e in evidence if e.study_instance_uid != ds.StudyInstanceUID]
    ds.CurrentRequestedProcedureEvidenceSequence = _grouped(ours)
    if others:
        ds.PertinentOtherEvidenceSequence = _grouped(others)
    predecessors = _predecessors(answer, kind)
    if predecessors:
        ds.PredecessorDocumentsSequence = _grouped(predecessors)


def _predecessors(answer: ExamAnswer, kind: ResultKind) -> list[ObjectReference]:
    """Give the report of the same kind of the version before; where it had none, its readable report, as all have.

    An earlier document does not say which view it is of, so the report of a view names the readable report. What has no
    successor of its own is named by the readable report, too, so that its outlines do not stand as the last word.
    """
    of_a_view = kind is ResultKind.VIEW_MEASUREMENT_REPORT
    for wanted in (ResultKind.READABLE_REPORT,) if of_a_view else (kind, ResultKind.READABLE_REPORT):
        found = [document.reference for document in answer.predecessor if document.kind is wanted]
        if found:
            return found + (_without_successor(answer) if kind is ResultKind.READABLE_REPORT else [])
    return []


def _without_successor(answer: ExamAnswer) -> list[ObjectReference]:
    """List the reports of single views, and the others with outlines where nothing is outlined any more."""
    left = {ResultKind.VIEW_MEASUREMENT_REPORT}
    if not answer.outlined:
        left |= {ResultKind.MEASUREMENT_REPORT, ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}
    return [document.reference for document in answer.predecessor if document.kind in left]


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


def written(ds: Dataset, transfer_syntax_uid: UID, kind: ResultKind) -> ResultObject:
    """Write an object as a PS3.10 file; highdicom's file meta information would name highdicom."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_uid
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return ResultObject(
        kind=kind,
        sop_instance_uid=str(ds.SOPInstanceUID),
        sop_class_uid=str(ds.SOPClassUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        study_instance_uid=str(ds.StudyInstanceUID),
        modality=str(ds.Modality),
        transfer_syntax_uid=str(meta.TransferSyntaxUID),
        data=file_of(ds, meta),
    )
