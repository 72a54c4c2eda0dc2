"""One due exam: from the stored analyses of its views to a saved report with its result objects."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydicom import dcmread

from dcis_node.analyse.analysis_record import record_from_json
from dcis_node.analyse.exam_marks import choose_mark, read_exam_marks
from dcis_node.analyse.judged import JudgedImage, evidence_of, image_to_json, without_superseded
from dcis_node.analyse.sentences import change_sentence, completeness_sentence
from dcis_node.analyse.view import METHOD_VERSION, analysis_key, digest_of
from dcis_node.mammogram.eligibility import explain
from dcis_node.mammogram.facts import MammogramHeader, Mark, Reason
from dcis_node.model.bundle import Bundle
from dcis_node.model.decide import decide
from dcis_node.results.answer import (
    Equipment,
    ExamAnswer,
    ModelIdentity,
    ObjectReference,
    ResultObject,
    SourceImage,
    UsedMark,
)
from storage.database import Database
from storage.exams import ExamInstance, exam_instances
from storage.files import FileStore
from storage.findings import analyse_again, find_analysis
from storage.reports import (
    EarlierReport,
    NewReport,
    NewResult,
    Saved,
    is_reported,
    keep_report,
    last_report,
    save_report,
)
from storage.work import ExamClaim

BuildResults = Callable[[ExamAnswer], tuple[ResultObject, ...]]


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


@dataclass(frozen=True, eq=False)
class Decider:
    """What deciding needs beside the exam.

    Parameters
    ----------
    build
        Makes the result objects of an answer, checked.
    destinations
        Names of where results go.
    """

    db: Database
    files: FileStore
    bundle: Bundle
    equipment: Equipment
    destinations: tuple[str, ...]
    build: BuildResults


def prepare_report(
    decider: Decider, exam_id: int, *, completeness: str, now: float, without_analysis: bool = False
) -> Prepared:
    """Decide an exam and build its result objects; they are in the files then, but nothing is in the index yet.

    Parameters
    ----------
    completeness
        Name of the rule that ended the waiting.
    now
        Unix seconds.
    without_analysis
        The last resort, when deciding has failed before: every view is reported as `analysis_failed`, so that the
        exam still gets an answer.
    """
    with decider.db.read() as session:
        instances = exam_instances(session, exam_id)
    images = [_image(instance) for instance in instances if instance.is_image]
    if without_analysis:
        images = [_unanalysed(image) for image in images]
    else:
        marks = read_exam_marks(instances, decider.files)
        images = [_with_analysis(decider, image, marks) for image in images]
    missing = tuple(image.instance_id for image in images if image.reason is Reason.ELIGIBLE and image.record is None)
    if missing:
        return ViewsMissing(missing)
    judged = without_superseded(images)
    inputs = _inputs_sha256(judged, decider.bundle)
    with decider.db.read() as session:
        if is_reported(session, exam_id, inputs):
            return SameInputs()
        earlier = last_report(session, exam_id)
    answer = _answer(decider, judged, instances, completeness=completeness, now=now, inputs=inputs, earlier=earlier)
    results = tuple(_store(decider.files, result) for result in decider.build(answer))
    return NewReport(
        version=answer.version,
        inputs_sha256=inputs,
        bundle_sha256=decider.bundle.sha256,
        decision=answer.decision.to_json(),
        views=[image_to_json(image) for image in judged],
        made_at=now,
        results=results,
    )


def finish_exam(decider: Decider, claim: ExamClaim, prepared: Prepared) -> Outcome:
    """Write what was prepared, if the claim is still good."""
    if isinstance(prepared, ViewsMissing):
        again = analyse_again(decider.db, claim, prepared.instance_ids)
        return Outcome.ANALYSE_AGAIN if again else Outcome.LEASE_LOST
    if isinstance(prepared, SameInputs):
        return OUTCOMES[keep_report(decider.db, claim)]
    return OUTCOMES[save_report(decider.db, claim, prepared, destinations=decider.destinations)]


OUTCOMES = {
    Saved.NEW: Outcome.REPORTED,
    Saved.SAME_INPUTS: Outcome.SAME_INPUTS,
    Saved.LEASE_LOST: Outcome.LEASE_LOST,
}


def _image(instance: ExamInstance) -> JudgedImage:
    return JudgedImage(
        instance_id=instance.id,
        sha256=instance.sha256,
        study_instance_uid=instance.study_instance_uid,
        received_at=instance.received_at,
        header=MammogramHeader.from_json(instance.facts),
        reason=Reason(instance.reason),
    )


def _with_analysis(decider: Decider, image: JudgedImage, marks: Sequence[Mark]) -> JudgedImage:
    """Put an image together with its stored analysis; ELIGIBLE without a record if that is missing."""
    if image.reason is not Reason.ELIGIBLE:
        return image
    key = analysis_key(image.sha256, decider.bundle, choose_mark(marks, image.header))
    with decider.db.read() as session:
        stored = find_analysis(session, key)
    if stored is None:
        return image
    png = decider.files.read(stored.mask_sha256) if stored.mask_sha256 else None
    return replace(image, record=record_from_json(stored.prediction, png))


def _unanalysed(image: JudgedImage) -> JudgedImage:
    if image.reason is not Reason.ELIGIBLE:
        return image
    return replace(image, reason=Reason.ANALYSIS_FAILED, record=None)


def _inputs_sha256(images: Sequence[JudgedImage], bundle: Bundle) -> str:
    """Digest all that the answer depends on, in an order that does not depend on the order of arrival."""
    values = [
        {"sha256": image.sha256, "reason": image.reason.value, "mark": _mark_values(image)}
        for image in sorted(images, key=lambda image: image.sha256)
    ]
    return digest_of({"images": values, "bundle": bundle.sha256, "method": METHOD_VERSION})


def _mark_values(image: JudgedImage) -> dict[str, Any] | None:
    return None if image.record is None or image.record.mark is None else asdict(image.record.mark)


def _answer(
    decider: Decider,
    images: Sequence[JudgedImage],
    instances: Sequence[ExamInstance],
    *,
    completeness: str,
    now: float,
    inputs: str,
    earlier: EarlierReport | None,
) -> ExamAnswer:
    bundle = decider.bundle
    decision = decide(evidence_of(images), threshold=bundle.threshold)
    answer = ExamAnswer(
        images=tuple(_source_image(decider.files, image, instances) for image in images),
        decision=decision,
        model=ModelIdentity(
            name=bundle.name,
            version=bundle.version,
            sha256=bundle.sha256,
            scenario=bundle.scenario,
            synthetic=bundle.synthetic,
            threshold=bundle.threshold,
            folds=len(bundle.folds),
        ),
        equipment=decider.equipment,
        # The site's own time zone, as the images have it.
        made_at=datetime.fromtimestamp(now, tz=UTC).astimezone(),
        inputs_sha256=inputs,
        completeness=completeness_sentence(completeness),
    )
    if earlier is None:
        return answer
    return replace(
        answer,
        version=earlier.version + 1,
        predecessor=tuple(_reference(result) for result in earlier.results if result.modality == "SR"),
        change=change_sentence(
            earlier.views,
            [image_to_json(image) for image in images],
            probability_before=earlier.decision["patient"]["probability"],
            probability_after=decision.probability,
            same_model=earlier.bundle_sha256 == bundle.sha256,
        ),
    )


def _source_image(files: FileStore, image: JudgedImage, instances: Sequence[ExamInstance]) -> SourceImage:
    return SourceImage(
        header=image.header,
        attributes=dcmread(files.path(image.sha256), stop_before_pixels=True),
        reason=image.reason,
        explanation=explain(image.reason),
        prediction=None if image.record is None else image.record.prediction,
        mark=None if image.record is None or image.record.mark is None else _used_mark(image.record.mark, instances),
    )


def _used_mark(mark: Mark, instances: Sequence[ExamInstance]) -> UsedMark | None:
    carriers = (carrier for carrier in instances if carrier.sop_instance_uid == mark.source_uid)
    return next((UsedMark(mark.kind, _reference(carrier)) for carrier in carriers), None)


def _reference(thing: ExamInstance | NewResult) -> ObjectReference:
    return ObjectReference(
        sop_class_uid=thing.sop_class_uid,
        sop_instance_uid=thing.sop_instance_uid,
        series_instance_uid=thing.series_instance_uid,
        study_instance_uid=thing.study_instance_uid,
    )


def _store(files: FileStore, result: ResultObject) -> NewResult:
    return NewResult(
        sop_instance_uid=result.sop_instance_uid,
        sop_class_uid=result.sop_class_uid,
        study_instance_uid=result.study_instance_uid,
        series_instance_uid=result.series_instance_uid,
        transfer_syntax_uid=result.transfer_syntax_uid,
        modality=result.modality,
        sha256=files.put(result.data),
    )
