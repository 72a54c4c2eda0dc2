"""All objects of an answer, read back from their bytes."""

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check.document import check_document
from dcis_node.results.check.identity import check_identity, check_own_values
from dcis_node.results.check.presentation import check_presentation
from dcis_node.results.check.reading import demand, elements
from dcis_node.results.check.segmentation import check_segmentation
from dcis_node.results.hanging import hung
from dcis_node.results.kinds import ResultKind

# Kinds of which there is one for each view; their check gives the SOP Instance UID of that view.
_VIEW_CHECKS: Mapping[ResultKind, Callable[[Dataset, ExamAnswer], str]] = MappingProxyType(
    {ResultKind.SEGMENTATION: check_segmentation, ResultKind.PRESENTATION_STATE: check_presentation}
)


def check_results(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    """Hold the finished objects to the answer.

    Parameters
    ----------
    kinds
        What was wanted: of these, all that the answer has something for must be there, and nothing else.

    Raises
    ------
    ResultError
        At the first fault. Nothing of this answer may be stored then.
    """
    # pydicom would quote a broken value in a warning; here it is judged.
    with disable_value_validation():
        _check_all(answer, results, kinds)


def _check_all(answer: ExamAnswer, results: Sequence[ResultObject], kinds: Collection[ResultKind]) -> None:
    uids = [result.sop_instance_uid for result in results]
    demand(len(set(uids)) == len(uids), "two results have one UID")
    demand(len({r.series_instance_uid for r in results}) == len(results), "two results share a series")
    about: dict[ResultKind, set[str]] = {kind: set() for kind in _VIEW_CHECKS}
    for result in results:
        try:
            uid = _check_object(_read(result), result, answer)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ResultError("a result lacks what its kind must have") from error
        if uid:
            about[result.kind].add(uid)
    outlined = {i.header.sop_instance_uid for i in hung(answer) if i.outlined}
    wanted = outlined if ResultKind.SEGMENTATION in kinds else set()
    demand(about[ResultKind.SEGMENTATION] == wanted, "the segmentations are not those of the outlined views")
    found = {i.header.sop_instance_uid for i in hung(answer) if i.has_finding}
    wanted = found if ResultKind.PRESENTATION_STATE in kinds else set()
    demand(about[ResultKind.PRESENTATION_STATE] == wanted, "the presentation states are not those of the found views")


def _check_object(ds: Dataset, result: ResultObject, answer: ExamAnswer) -> str:
    """Check one object; give the image that it is about, if its kind is made view by view."""
    check_identity(ds, result, answer)
    check_own_values(ds, answer)
    if result.kind in _VIEW_CHECKS:
        return _VIEW_CHECKS[result.kind](ds, answer)
    outlined = {i.header.sop_instance_uid for i in hung(answer) if i.outlined}
    check_document(ds, answer, outlined)
    return ""


def _read(result: ResultObject) -> Dataset:
    demand(result.data[:128] == bytes(128), "the preamble is not empty")
    try:
        ds = dcmread(io.BytesIO(result.data))
        for _ in elements(ds):  # reads every element in depth
            pass
    except (InvalidDicomError, ValueError, KeyError, NotImplementedError, EOFError) as error:
        raise ResultError("a result does not read back") from error
    return ds
