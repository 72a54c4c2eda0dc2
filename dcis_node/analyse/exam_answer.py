"""What is known of an exam, put together as the answer that its result objects are built from."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dcis_node.analyse.analysis_record import record_from_json
from dcis_node.analyse.changes import change_sentence
from dcis_node.analyse.exam_marks import marks_on, read_exam_marks
from dcis_node.analyse.exam_rejections import read_exam_rejections
from dcis_node.analyse.judged import JudgedImage, evidence_of, image_to_json
from dcis_node.analyse.remembered import another_answer, attributes_of, has_left, still_speaks, stored_analysis
from dcis_node.analyse.sentences import completeness_sentence, superseded_sentence
from dcis_node.analyse.view import METHOD_VERSION, analysis_key
from dcis_node.canonical import digest
from dcis_node.mammogram.eligibility import explain
from dcis_node.mammogram.facts import MammogramHeader, Mark, Reason
from dcis_node.model.bundle import Bundle
from dcis_node.model.decide import decide
from dcis_node.results.answer import (
    EarlierDocument,
    Equipment,
    ExamAnswer,
    ModelIdentity,
    ObjectReference,
    OperatingPoint,
    ResultObject,
    SourceImage,
    UsedMark,
    ViewPicture,
)
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Destination
from storage.database import Database
from storage.exams import ExamInstance, exam_instances
from storage.files import FileStore
from storage.findings import find_analysis
from storage.reports import EarlierReport, NewResult

BuildResults = Callable[[ExamAnswer, Collection[ResultKind]], tuple[ResultObject, ...]]


@dataclass(frozen=True, eq=False)
class Decider:
    """What deciding needs beside the exam.

    Parameters
    ----------
    build
        Makes the wanted kinds of result objects of an answer, checked.
    destinations
        Where results go.
    """

    db: Database
    files: FileStore
    bundle: Bundle
    equipment: Equipment
    destinations: tuple[Destination, ...]
    build: BuildResults


@dataclass(frozen=True, eq=False)
class Gathered:
    """The images of an exam with their analyses, and all objects they came with.

    Parameters
    ----------
    images
        ELIGIBLE without a record where the analysis is missing.
    """

    images: tuple[JudgedImage, ...]
    instances: tuple[ExamInstance, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Give the views (numbers in the index) whose analysis is missing."""
        return tuple(i.instance_id for i in self.images if i.reason is Reason.ELIGIBLE and i.record is None)


def gather(decider: Decider, exam_id: int, *, unanalysed: Reason | None = None) -> Gathered:
    """Read the images of an exam from the index, with the analyses by this bundle and the marks now known.

    Parameters
    ----------
    unanalysed
        The last resort: takes every view as not analysed for this reason. If that is that the process died, no other
        object of the exam is opened: one of them may be what it died of.
    """
    with decider.db.read() as session:
        instances = exam_instances(session, exam_id)
    here = [instance for instance in instances if instance.is_image or not has_left(instance, decider.files)]
    untouched = unanalysed is Reason.ANALYSIS_DIED
    rejected = frozenset() if untouched else read_exam_rejections(here, decider.files)
    gone = {instance.id for instance in here if has_left(instance, decider.files)}
    images = [_image(instance, rejected) for instance in here if instance.is_image]
    if unanalysed is not None:
        images = [_unanalysed(image, unanalysed) for image in images]
    else:
        marks = read_exam_marks(here, decider.files)
        images = [_with_analysis(decider, image, marks, has_left=image.instance_id in gone) for image in images]
    speaking = (image for image in images if image.instance_id not in gone or still_speaks(image, decider.files))
    return Gathered(tuple(speaking), tuple(instances))


def _image(instance: ExamInstance, rejected: Collection[str]) -> JudgedImage:
    reason = Reason(instance.reason)
    is_rejected = reason is Reason.ELIGIBLE and instance.sop_instance_uid in rejected
    return JudgedImage(
        instance_id=instance.id,
        sha256=instance.sha256,
        study_instance_uid=instance.study_instance_uid,
        received_at=instance.received_at,
        header=MammogramHeader.from_json(instance.facts),
        reason=Reason.REJECTED if is_rejected else reason,
    )


def _with_analysis(decider: Decider, image: JudgedImage, marks: Sequence[Mark], *, has_left: bool) -> JudgedImage:
    """Put an image together with its stored analysis; ELIGIBLE without a record if that is missing."""
    if image.reason is not Reason.ELIGIBLE:
        return image
    on_it = marks_on(marks, image.header)
    key = analysis_key(image.sha256, decider.bundle, on_it)
    with decider.db.read() as session:
        stored = find_analysis(session, key)
    if stored is None and has_left:
        stored = stored_analysis(decider.db, image, decider.bundle)
    if stored is None:
        return image
    png = decider.files.read(stored.mask_sha256) if stored.mask_sha256 else None
    picture = decider.files.read(stored.picture_sha256) if stored.picture_sha256 else None
    return replace(image, record=record_from_json(stored.prediction, png, picture), marks=len(on_it))


def _unanalysed(image: JudgedImage, reason: Reason) -> JudgedImage:
    return replace(image, reason=reason, record=None) if image.reason is Reason.ELIGIBLE else image


def inputs_sha256(images: Sequence[JudgedImage], bundle: Bundle) -> str:
    """Digest all that the answer depends on, in an order that does not depend on the order of arrival."""
    values = [
        {"sha256": image.sha256, "reason": image.reason.value, "mark": _mark_values(image)}
        for image in sorted(images, key=lambda image: image.sha256)
    ]
    return digest({"images": values, "bundle": bundle.sha256, "method": METHOD_VERSION})


def inputs_of(decider: Decider, images: Sequence[JudgedImage]) -> str:
    """Give the digest that the answer to these images is known by (see `another_answer`)."""
    return another_answer(inputs_sha256(images, decider.bundle), images, decider.files)


def _mark_values(image: JudgedImage) -> dict[str, Any] | None:
    return None if image.record is None or image.record.mark is None else asdict(image.record.mark)


def answer_of(
    decider: Decider,
    images: Sequence[JudgedImage],
    instances: Sequence[ExamInstance],
    *,
    completeness: str,
    now: float,
    earlier: EarlierReport | None,
) -> ExamAnswer:
    """Decide an exam and put all together.

    Parameters
    ----------
    images
        Those of `gather`, none missing, without repeated exposures.
    instances
        All objects of the exam.
    completeness
        Name of the rule that ended the waiting.
    now
        Unix seconds: when the decision falls.
    earlier
        The report of the version before.
    """
    bundle = decider.bundle
    decision = decide(evidence_of(images), threshold=bundle.threshold)
    views = [image_to_json(image) for image in images]
    answer = ExamAnswer(
        images=tuple(
            _source_image(decider.files, image, instances, explanation=_explanation(view, views))
            for image, view in zip(images, views, strict=True)
        ),
        decision=decision,
        model=model_identity(bundle),
        equipment=decider.equipment,
        # The site's own time zone, as the images have it.
        made_at=datetime.fromtimestamp(now, tz=UTC).astimezone(),
        inputs_sha256=inputs_of(decider, images),
        completeness=completeness_sentence(completeness),
    )
    if earlier is None:
        return answer
    change, risk_change = change_sentence(
        earlier.views,
        views,
        decisions=(earlier.decision, decision.to_json()),
        bundles=(earlier.bundle_sha256, bundle.sha256),
    )
    return replace(
        answer,
        version=earlier.version + 1,
        predecessor=tuple(
            EarlierDocument(ResultKind(result.kind), _reference(result))
            for result in earlier.results
            if result.modality == "SR"
        ),
        change=change,
        risk_change=risk_change,
    )


def model_identity(bundle: Bundle) -> ModelIdentity:
    """Say which model speaks, as its bundle does."""
    return ModelIdentity(
        name=bundle.name,
        version=bundle.version,
        sha256=bundle.sha256,
        scenario=bundle.scenario,
        synthetic=bundle.synthetic,
        threshold=bundle.threshold,
        folds=len(bundle.folds),
        operating=_operating_point(bundle.figures),
    )


def _operating_point(figures: dict[str, Any]) -> OperatingPoint | None:
    """Read what a bundle says of its threshold; older bundles and those of other makers may say nothing."""
    stated = figures.get("operating")
    if not isinstance(stated, dict) or not {"sensitivity", "specificity"} <= stated.keys():
        return None
    return OperatingPoint(
        sensitivity=float(stated["sensitivity"]),
        specificity=float(stated["specificity"]),
        patients=int(figures.get("patients", 0)),
        data=str(figures.get("data", "")),
    )


def _explanation(view: dict[str, Any], views: Sequence[dict[str, Any]]) -> str:
    """Explain the reason of an image; of a repeat by the image that is used instead."""
    instead = next((other for other in views if other["sop_instance_uid"] == view["replaced_by"]), None)
    return explain(Reason(view["reason"])) if instead is None else superseded_sentence(view, instead)


def _source_image(
    files: FileStore, image: JudgedImage, instances: Sequence[ExamInstance], *, explanation: str
) -> SourceImage:
    record = image.record
    return SourceImage(
        header=image.header,
        attributes=attributes_of(files, image.sha256),
        reason=image.reason,
        explanation=explanation,
        prediction=None if record is None else record.prediction,
        mark=None if record is None or record.mark is None else _used_mark(record.mark, instances, among=image.marks),
        picture=None if record is None or record.picture is None else ViewPicture(record.picture, record.mirrored),
    )


def _used_mark(mark: Mark, instances: Sequence[ExamInstance], *, among: int) -> UsedMark | None:
    carriers = (carrier for carrier in instances if carrier.sop_instance_uid == mark.source_uid)
    return next((UsedMark(mark.kind, _reference(carrier), among) for carrier in carriers), None)


def _reference(thing: ExamInstance | NewResult) -> ObjectReference:
    return ObjectReference(
        sop_class_uid=thing.sop_class_uid,
        sop_instance_uid=thing.sop_instance_uid,
        series_instance_uid=thing.series_instance_uid,
        study_instance_uid=thing.study_instance_uid,
    )
