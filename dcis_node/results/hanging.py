"""The order and the names of an exam's images, so that equal exams give equal results whatever came in first."""

from collections import Counter

from dcis_node.errors import ResultError
from dcis_node.mammogram.facts import Reason
from dcis_node.results.answer import ExamAnswer, ObjectReference, SourceImage

_VIEWS = ("CC", "MLO")


def hung(answer: ExamAnswer) -> tuple[SourceImage, ...]:
    """Give the images as a radiologist hangs them: R CC, L CC, R MLO, L MLO, then the others.

    Our own results that came back are left out: they are no input.
    """
    images = [image for image in answer.images if image.reason is not Reason.OWN_RESULT]
    return tuple(sorted(images, key=_place))


def _place(image: SourceImage) -> tuple[int, str, str, bool, str, str]:
    header = image.header
    view = header.view or "~"
    rank = _VIEWS.index(view) if view in _VIEWS else len(_VIEWS)
    # "R" sorts behind "L", but hangs before it.
    side = {"R": "0", "L": "1"}.get(header.laterality or "", "2")
    # Of a view that came twice the image that is used has the plain name, and the other one the number.
    unused = image.prediction is None
    return rank, view if rank == len(_VIEWS) else "", side, unused, header.acquired, header.sop_instance_uid


def leading_image(answer: ExamAnswer) -> SourceImage:
    """Choose the image whose study takes the reports, and whose patient and study attributes they carry.

    An exam may lie in several studies. The reports go where most views were analysed; then where most objects are;
    then to the StudyInstanceUID that sorts first. The other studies are referenced as evidence. A SEG always goes to
    the study of its own image.

    Raises
    ------
    ResultError
        If the answer holds no image.
    """
    images = hung(answer)
    if not images:
        raise ResultError("an exam without a received object has no study to report in")
    analysed = Counter(i.header.study_instance_uid for i in images if i.prediction is not None)
    present = Counter(i.header.study_instance_uid for i in images)
    study = min(present, key=lambda uid: (-analysed[uid], -present[uid], uid))
    return next(i for i in images if i.header.study_instance_uid == study)


def analysed_images(answer: ExamAnswer) -> tuple[SourceImage, ...]:
    """Give the analysed views, as they hang."""
    return tuple(image for image in hung(answer) if image.prediction is not None)


def unused_images(answer: ExamAnswer) -> tuple[SourceImage, ...]:
    """Give the images that were not used, as they hang; the carrier of a used mark is none of them."""
    marks = {image.mark.source.sop_instance_uid for image in answer.images if image.mark is not None}
    left = [image for image in hung(answer) if image.reason is not Reason.ELIGIBLE]
    return tuple(image for image in left if image.header.sop_instance_uid not in marks)


def view_name(image: SourceImage) -> str:
    """Name a view as radiologists do: `R CC`; "" where neither side nor view is known."""
    header = image.header
    return " ".join(word for word in (header.laterality or "", header.view or "") if word)


def view_labels(answer: ExamAnswer) -> dict[str, str]:
    """Give each image (SOP Instance UID) a name of its own: a second `R CC` is `R CC 2`."""
    counts: Counter[str] = Counter()
    labels = {}
    for image in hung(answer):
        name = view_name(image) or "view"
        counts[name] += 1
        labels[image.header.sop_instance_uid] = name if counts[name] == 1 else f"{name} {counts[name]}"
    return labels


def reference_of(image: SourceImage) -> ObjectReference:
    """Point at a received object."""
    header = image.header
    return ObjectReference(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
    )


def evidence_of(answer: ExamAnswer) -> tuple[ObjectReference, ...]:
    """List every object that the answer rests on or speaks of: the images, then the marks; each once."""
    found = {i.header.sop_instance_uid: reference_of(i) for i in hung(answer)}
    marks = [i.mark.source for i in hung(answer) if i.mark is not None]
    found.update({mark.sop_instance_uid: mark for mark in marks if mark.sop_instance_uid not in found})
    return tuple(found.values())
