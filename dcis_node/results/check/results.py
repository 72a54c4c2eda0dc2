"""All objects of an answer, read back from their bytes."""

import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check.agreement import Drawn, check_agreement, drawn_in, segment_of
from dcis_node.results.check.cad import check_cad, has_library
from dcis_node.results.check.document import check_document, check_regions
from dcis_node.results.check.identity import check_identity
from dcis_node.results.check.landmark import check_landmarks
from dcis_node.results.check.measurement import check_measurement, check_view_measurement
from dcis_node.results.check.presentation import check_presentation
from dcis_node.results.check.privacy import check_privacy, telling_of
from dcis_node.results.check.readable import check_readable
from dcis_node.results.check.reading import demand, elements
from dcis_node.results.check.references import check_references, known_objects, uids_of
from dcis_node.results.check.segmentation import check_segmentation
from dcis_node.results.check.size import check_size
from dcis_node.results.check.summary import check_summary
from dcis_node.results.hanging import hung
from dcis_node.results.kinds import ResultKind

Check = Callable[[Dataset, ExamAnswer], None]

# Kinds of which there is one for each view; their check gives the SOP Instance UID of that view.
_VIEW_CHECKS: Mapping[ResultKind, Callable[[Dataset, ExamAnswer], str]] = MappingProxyType(
    {
        ResultKind.SEGMENTATION: check_segmentation,
        ResultKind.VIEW_MEASUREMENT_REPORT: check_view_measurement,
        ResultKind.PRESENTATION_STATE: check_presentation,
    }
)
# Kinds of which there is one for the exam.
_EXAM_CHECKS: Mapping[ResultKind, tuple[Check, ...]] = MappingProxyType(
    {
        ResultKind.READABLE_REPORT: (check_document, check_readable),
        ResultKind.MEASUREMENT_REPORT: (check_document, check_regions, check_measurement),
        ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: (check_document, check_regions, check_measurement),
        ResultKind.CAD_REPORT: (check_document, check_cad),
        ResultKind.SUMMARY_IMAGE: (check_summary,),
    }
)


def check_results(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    """Hold the finished objects to the answer, and the answer's masks to the pictures of their views.

    Parameters
    ----------
    kinds
        What was wanted: of these, all that the answer has something for must be there, and nothing else.

    Raises
    ------
    ResultError
        At the first fault. Nothing of this answer may be stored then.
    """
    check_landmarks(answer)
    # pydicom would quote a broken value in a warning; here it is judged.
    with disable_value_validation():
        _check_all(answer, results, kinds)


def _check_all(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    uids = [result.sop_instance_uid for result in results]
    demand(len(set(uids)) == len(uids), "two results have one UID")
    demand(len({r.series_instance_uid for r in results}) == len(results), "two results share a series")
    known = known_objects(answer, results)
    telling = telling_of(answer, uids_of(known))
    about: list[tuple[ResultKind, str]] = []
    drawn: list[Drawn] = []
    segments: list[tuple[str, str]] = []
    for result in results:
        ds = _read(result)
        try:
            check_identity(ds, result, answer)
            check_privacy(ds, telling)
            check_size(ds)
            about.append((result.kind, _check_kind(ds, result, answer)))
            check_references(ds, known)
            drawn += drawn_in(ds)
            if result.kind is ResultKind.SEGMENTATION:
                segments.append(segment_of(ds))
        except ResultError as error:
            # Of several objects of one kind the reader of the log must know which it was.
            raise ResultError(f"{result.kind.value}: {error}") from error
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ResultError(f"{result.kind.value}: a result lacks what its kind must have") from error
    demand(Counter(about) == Counter(_wanted(answer, kinds)), "the results are not those that this answer must have")
    check_agreement(drawn, segments, answer)


def _check_kind(ds: Dataset, result: ResultObject, answer: ExamAnswer) -> str:
    """Check an object by the rules of its kind; give the image that it is about, if it is made view by view."""
    if result.kind in _VIEW_CHECKS:
        return _VIEW_CHECKS[result.kind](ds, answer)
    for check in _EXAM_CHECKS[result.kind]:
        check(ds, answer)
    return ""


def _wanted(answer: ExamAnswer, kinds: Collection[ResultKind]) -> list[tuple[ResultKind, str]]:
    """List what must be there: each kind once, or once for each view that has something to show."""
    outlined = [i for i in hung(answer) if i.outlined]
    of_views = {
        ResultKind.SEGMENTATION: outlined,
        ResultKind.VIEW_MEASUREMENT_REPORT: outlined,
        ResultKind.PRESENTATION_STATE: [i for i in hung(answer) if i.has_finding],
    }
    with_outline = {ResultKind.MEASUREMENT_REPORT, ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}
    wanted = [(kind, i.header.sop_instance_uid) for kind in of_views if kind in kinds for i in of_views[kind]]
    # Kinds that may have nothing to hold on to.
    possible = {**dict.fromkeys(with_outline, answer.outlined), ResultKind.CAD_REPORT: has_library(answer)}
    once = [kind for kind in _EXAM_CHECKS if kind in kinds and possible.get(kind, True)]
    return [*wanted, *((kind, "") for kind in once)]


def _read(result: ResultObject) -> Dataset:
    demand(result.data[:128] == bytes(128), "the preamble is not empty")
    try:
        ds = dcmread(io.BytesIO(result.data))
        elements(ds)  # reads every one, in depth
    except (InvalidDicomError, ValueError, KeyError, NotImplementedError, EOFError) as error:
        raise ResultError("a result does not read back") from error
    return ds
