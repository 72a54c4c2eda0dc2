from pydicom.uid import (
    Comprehensive3DSRStorage,
)

from dcis_node.results.answer import EarlierDocument, ObjectReference
from dcis_node.results.kinds import ResultKind
from tests.results.builders import (
    STUDY,
    results_of,
)
from tests.results.reading import (
    read,
)

READABLE, NEWER, OLDER = (
    ResultKind.READABLE_REPORT,
    ResultKind.MEASUREMENT_REPORT,
    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE,
)


def predecessors(kinds, built):
    """Kind of each built report -> UIDs of the documents of the version before that it names."""
    uids = {kind: f"2.25.5{number}" for number, kind in enumerate(kinds)}
    earlier = tuple(
        EarlierDocument(kind, ObjectReference(Comprehensive3DSRStorage, uid, f"{uid}.1", STUDY))
        for kind, uid in uids.items()
    )
    results = results_of(version=2, predecessor=earlier, change="L MLO came later.", kinds=frozenset(built))
    named = {}
    for result in results:
        studies = read(result).get("PredecessorDocumentsSequence") or ()
        instances = [i for s in studies for e in s.ReferencedSeriesSequence for i in e.ReferencedSOPSequence]
        named[result.kind] = [str(item.ReferencedSOPInstanceUID) for item in instances]
    return uids, named


def test_a_report_replaces_the_report_of_its_own_kind():
    uids, named = predecessors([NEWER, OLDER, READABLE], [READABLE, NEWER, OLDER])
    assert named == {kind: [uid] for kind, uid in uids.items()}


def test_a_report_that_the_version_before_had_not_replaces_its_readable_report():
    uids, named = predecessors([READABLE], [READABLE, NEWER])
    assert named == {READABLE: [uids[READABLE]], NEWER: [uids[READABLE]]}


def test_a_report_replaces_nothing_where_the_version_before_had_none():
    _, named = predecessors([], [READABLE, NEWER])
    assert named == {READABLE: [], NEWER: []}


def test_a_report_of_a_view_follows_the_readable_report_which_follows_those_of_the_views():
    of_view = ResultKind.VIEW_MEASUREMENT_REPORT
    uids, named = predecessors([READABLE, of_view], [READABLE, of_view])
    assert named == {READABLE: list(uids.values()), of_view: [uids[READABLE]]}
