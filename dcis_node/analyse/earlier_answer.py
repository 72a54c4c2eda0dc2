"""The answer behind the last report of an exam, put together again: for objects that were not built at the time."""

from dcis_node.analyse.exam_answer import Decider, answer_of, gather, inputs_of
from dcis_node.analyse.judged import without_superseded
from dcis_node.errors import InputError
from dcis_node.mammogram.facts import Reason
from dcis_node.results.answer import ExamAnswer
from storage.kept import kept_report


def answer_again(decider: Decider, exam_id: int) -> ExamAnswer:
    """Give the answer that the last report of an exam was made from. Nothing is written anywhere.

    Parameters
    ----------
    decider
        With the bundle of that report.

    Raises
    ------
    InputError
        There is no report, or what it was made from is no longer what the index holds.
    """
    with decider.db.read() as session:
        kept = kept_report(session, exam_id)
    if kept is None:
        raise InputError("no_report", f"exam {exam_id} has no report yet")
    # The last resort of the worker is a report that takes every view as failed.
    for unanalysed in (None, Reason.ANALYSIS_FAILED, Reason.ANALYSIS_DIED):
        gathered = gather(decider, exam_id, unanalysed=unanalysed)
        judged = without_superseded(gathered.images)
        if not gathered.missing and inputs_of(decider, judged) == kept.inputs_sha256:
            return answer_of(
                decider,
                judged,
                gathered.instances,
                completeness=kept.completeness,
                now=kept.made_at,
                earlier=kept.before,
            )
    raise InputError(
        "exam_changed",
        f"exam {exam_id} has changed since its last report: images, marks, the model or the method of "
        "analysis are others; wait for its new report",
    )
