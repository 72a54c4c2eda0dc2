"""Every reference of an object, wherever it stands in it, leads to an object that is there, by all its UIDs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from dcis_node.results.answer import ExamAnswer, ObjectReference, ResultObject
from dcis_node.results.check.reading import demand, stored
from dcis_node.results.hanging import evidence_of


@dataclass(frozen=True)
class Reference:
    """One reference as an object makes it.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid
        "" where it names none.
    series_instance_uid, study_instance_uid
        Of the items that it stands in; "" where no such item names one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


def known_objects(answer: ExamAnswer, results: Sequence[ResultObject]) -> Mapping[str, ObjectReference]:
    """Give all that a result may point at, by SOP Instance UID.

    That are the received objects of the exam, the marks that were used, the reports of the version before, and the
    results themselves.
    """
    siblings = [
        ObjectReference(r.sop_class_uid, r.sop_instance_uid, r.series_instance_uid, r.study_instance_uid)
        for r in results
    ]
    earlier = [document.reference for document in answer.predecessor]
    return {known.sop_instance_uid: known for known in (*siblings, *earlier, *evidence_of(answer))}


def references(ds: Dataset) -> Iterator[Reference]:
    """Give every reference of an object in depth."""
    yield from _below(ds, series="", study="")


def check_references(ds: Dataset, known: Mapping[str, ObjectReference]) -> None:
    """Hold each reference of an object, and each series and study that it names, to what is there.

    A series that no study stands above is of the object's own study (PS3.3 C.12.2 and C.11.11).

    Raises
    ------
    ResultError
        At the first that leads nowhere, naming its UID.
    """
    own_study = str(ds.StudyInstanceUID)
    studies = {k.study_instance_uid for k in known.values()}
    series = {k.series_instance_uid for k in known.values()}
    for reference in references(ds):
        demand(reference.study_instance_uid in {"", *studies}, "a reference names a study that is not of the exam")
        demand(reference.series_instance_uid in {"", *series}, "a reference names a series that is not of the exam")
        if not reference.sop_instance_uid and not reference.sop_class_uid:
            continue
        uid = reference.sop_instance_uid
        demand(uid in known, f"a reference leads to no object of the exam: {uid}")
        there = known[uid]
        demand(reference.sop_class_uid == there.sop_class_uid, f"a reference names another SOP class: {uid}")
        if reference.series_instance_uid:
            right = reference.series_instance_uid == there.series_instance_uid
            demand(right, f"a reference stands under another series: {uid}")
            above = reference.study_instance_uid or own_study
            demand(above == there.study_instance_uid, f"a reference stands under another study: {uid}")


def _below(ds: Dataset, *, series: str, study: str) -> Iterator[Reference]:
    for element in stored(ds):
        if element.VR != "SQ":
            continue
        for item in element.value:
            here_series = str(item.get("SeriesInstanceUID", series))
            here_study = str(item.get("StudyInstanceUID", study))
            named = str(item.get("ReferencedSOPClassUID", "")), str(item.get("ReferencedSOPInstanceUID", ""))
            if any(named) or here_series != series or here_study != study:
                yield Reference(*named, here_series, here_study)
            yield from _below(item, series=here_series, study=here_study)


def uids_of(known: Mapping[str, ObjectReference]) -> frozenset[str]:
    """Give every UID by which these objects can be named."""
    return frozenset(uid for reference in known.values() for uid in vars(reference).values())
