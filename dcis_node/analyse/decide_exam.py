"""One due exam: from the stored analyses of its views to a saved report with its result objects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from dcis_node.analyse.exam_answer import Decider, answer_of, gather, inputs_of, inputs_sha256
from dcis_node.analyse.judged import JudgedImage, image_to_json, without_superseded
from dcis_node.mammogram.facts import Reason
from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import kinds_to_build
from storage.exams import ExamInstance, exam_senders
from storage.files import FileStore
from storage.findings import analyse_again
from storage.records import RecordedImage, RecordedReport, Records
from storage.reports import NewReport, NewResult, Saved, is_reported, keep_report, last_report, save_report
from storage.work import ExamClaim

# Every profile sends it. No picture is drawn, nothing of the exam is read but the headers.
LEAST = (ResultKind.READABLE_REPORT,)


class Outcome(StrEnum):
    """What became of a due exam."""

    REPORTED = "reported"
    SAME_INPUTS = "same_inputs"
    ANALYSE_AGAIN = "analyse_again"
    LEASE_LOST = "lease_lost"


@dataclass(frozen=True)
class ViewsMissing:
    """Views that have no analysis by this bundle and with the marks now known."""

    instance_ids: tuple[int, ...]


@dataclass(frozen=True)
class SameInputs:
    """The exam has a report of exactly these inputs."""


Prepared = NewReport | ViewsMissing | SameInputs


def prepare_report(
    decider: Decider,
    exam_id: int,
    *,
    completeness: str,
    now: float,
    unanalysed: Reason | None = None,
    failure: str = "",
    least: bool = False,
) -> Prepared:
    """Decide an exam and build its result objects; they and their record are in the files then, nothing in the index.

    All objects are built and checked before the first goes into the files, so a refused answer leaves none there.
    Inputs that were answered before have their record: its objects are used again, whatever the index still knows of
    them, as other bytes must never go out under their UIDs.

    Parameters
    ----------
    completeness
        Name of the rule that ended the waiting.
    now
        Unix seconds.
    unanalysed
        The last resort, when deciding has failed before: every view is reported as not analysed for this reason, so
        that the exam still gets an answer. If the process died of it, that answer is the least one: a report of text.
    failure
        Why, then.
    least
        True if the last resort has failed too: a report of text, whatever the reason.

    Raises
    ------
    ResultError
        An object failed its check.
    StorageError
        These inputs have been answered, and an object of that answer is damaged or missing.
    """
    gathered = gather(decider, exam_id, now=now, unanalysed=unanalysed)
    if gathered.missing:
        return ViewsMissing(gathered.missing)
    judged = without_superseded(gathered.images)
    inputs = inputs_of(decider, judged)
    with decider.db.read() as session:
        known = {inputs, inputs_sha256(judged, decider.bundle)}
        if any(is_reported(session, exam_id, one) for one in known):
            return SameInputs()
        earlier = last_report(session, exam_id)
        senders = exam_senders(session, exam_id)
    if earlier is not None and not judged:
        # All images have left, and too little is kept of them to say more than the last report does.
        return SameInputs()
    decider = replace(decider, destinations=tuple(d for d in decider.destinations if d.serves(senders)))
    records = Records(decider.files)
    record = records.report(inputs)
    if record is None:
        answer = answer_of(decider, judged, gathered, completeness=completeness, now=now, earlier=earlier)
        kinds = LEAST if least or unanalysed is Reason.ANALYSIS_DIED else kinds_of(decider, answer)
        made = _record(
            decider,
            answer,
            judged,
            gathered.instances,
            kinds=kinds,
            completeness=completeness,
            now=now,
            failure=failure,
        )
        record = records.keep_report(made)
    return _new_report(decider, record, least_version=1 if earlier is None else earlier.version + 1)


def finish_exam(decider: Decider, claim: ExamClaim, prepared: Prepared, *, failure: str = "") -> Outcome:
    """Write what was prepared, if the claim is still good.

    Parameters
    ----------
    failure
        Why it holds no analysis, if it is the last resort; it stays with the exam, for the administrator.
    """
    if isinstance(prepared, ViewsMissing):
        again = analyse_again(decider.db, claim, prepared.instance_ids)
        return Outcome.ANALYSE_AGAIN if again else Outcome.LEASE_LOST
    if isinstance(prepared, SameInputs):
        return OUTCOMES[keep_report(decider.db, claim, failure=failure)]
    return OUTCOMES[save_report(decider.db, claim, prepared, failure=failure)]


OUTCOMES = {
    Saved.NEW: Outcome.REPORTED,
    Saved.SAME_INPUTS: Outcome.SAME_INPUTS,
    Saved.LEASE_LOST: Outcome.LEASE_LOST,
}


def _record(
    decider: Decider,
    answer: ExamAnswer,
    judged: Sequence[JudgedImage],
    instances: Sequence[ExamInstance],
    *,
    kinds: Collection[ResultKind],
    completeness: str,
    now: float,
    failure: str,
) -> RecordedReport:
    """Build the result objects, put them into the files, and say what they are."""
    results = tuple(_store(decider.files, result) for result in decider.build(answer, kinds))
    return RecordedReport(
        inputs_sha256=answer.inputs_sha256,
        bundle_sha256=decider.bundle.sha256,
        version=answer.version,
        made_at=now,
        exam=instances[0].sha256,
        images=tuple(RecordedImage(i.sha256, i.reason, i.analysis) for i in instances if i.is_image),
        decision=answer.decision.to_json(),
        views=[image_to_json(image) for image in judged],
        results=results,
        deliveries=_deliveries(decider, outlined=answer.outlined),
        completeness=completeness,
        failure=failure,
    )


def kinds_of(decider: Decider, answer: ExamAnswer) -> Collection[ResultKind]:
    """Give the kinds of objects that the destinations want of an answer."""
    return kinds_to_build(decider.destinations, outlined=answer.outlined)


def _new_report(decider: Decider, record: RecordedReport, *, least_version: int) -> NewReport:
    """Give what goes into the index; where results go is the matter of the settings of now."""
    return NewReport(
        version=max(record.version, least_version),
        inputs_sha256=record.inputs_sha256,
        bundle_sha256=record.bundle_sha256,
        decision=record.decision,
        views=record.views,
        made_at=record.made_at,
        results=record.results,
        deliveries=_deliveries(decider, outlined=any(view["outlined"] for view in record.views)),
    )


def _deliveries(decider: Decider, *, outlined: bool) -> dict[str, tuple[str, ...]]:
    """Say which kinds of results go where."""
    return {
        destination.name: tuple(sorted(kind.value for kind in destination.kinds(outlined=outlined)))
        for destination in decider.destinations
    }


def _store(files: FileStore, result: ResultObject) -> NewResult:
    return NewResult(
        kind=result.kind.value,
        sop_instance_uid=result.sop_instance_uid,
        sop_class_uid=result.sop_class_uid,
        study_instance_uid=result.study_instance_uid,
        series_instance_uid=result.series_instance_uid,
        transfer_syntax_uid=result.transfer_syntax_uid,
        modality=result.modality,
        sha256=files.put(result.data),
    )
