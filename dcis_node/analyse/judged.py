"""Every image of an exam with what became of it: which views speak in the decision, which do not and why. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dcis_node.analyse.analysis_record import ViewRecord
from dcis_node.mammogram.facts import MammogramHeader, Reason
from dcis_node.model.evidence import ViewEvidence


@dataclass(frozen=True, eq=False)
class JudgedImage:
    """One image of an exam at the moment of the decision.

    Parameters
    ----------
    reason
        ELIGIBLE if its analysis counts, else why not.
    record
        Its analysis; None unless `reason` is ELIGIBLE.
    marks
        How many marks of other objects lie on it.
    replaced_by
        SOP Instance UID of the image that is used instead, where `reason` is SUPERSEDED.
    """

    instance_id: int
    sha256: str
    study_instance_uid: str
    received_at: float
    header: MammogramHeader
    reason: Reason
    record: ViewRecord | None = None
    marks: int = 0
    replaced_by: str = ""

    @property
    def view_key(self) -> tuple[str, str, tuple[str, ...]]:
        """Side, view and modifiers: two images that agree in these show the same."""
        return self.header.laterality or "", self.header.view or "", self.header.modifiers


def without_superseded(images: Sequence[JudgedImage]) -> tuple[JudgedImage, ...]:
    """Leave out repeats: of one view (side, view and modifiers alike) that came twice one image counts.

    Which, by the first of these in which they differ:

    1. the later acquisition, for a view taken again. Where a header does not tell it, Content, Series, Study Date and
       Time stand for it in this order (`MammogramHeader.acquired`). What is not stated counts as earlier: an image with
       no moment before any other, one with a date alone at the midnight that begins it;
    2. the later Content Date and Time, else Instance Creation (`MammogramHeader.created`), for an exposure that was
       processed again: its acquisition is the same. What is not stated counts as earlier;
    3. the one received later, since a header that tells none of this is corrected by sending again.

    The order of arrival thus counts only where the headers tell nothing: an earlier exposure that arrives late is the
    one left out.

    The tiles of a large breast (Partial View YES, PS3.3 C.8.11.7) are no repeats and all stay, beside a whole image
    too. Nor is a displaced view of an implant a repeat of the one that is not displaced: the modifiers differ. Only
    images that were analysed replace others: a repeat that could not be decoded does not cost the exam its first
    exposure. DICOM has no attribute by which an image names the one that it corrects, so nothing else is looked for.
    """
    latest: dict[tuple[str, str, tuple[str, ...]], JudgedImage] = {}
    for image in images:
        if _is_whole(image):
            latest[image.view_key] = max(latest.get(image.view_key, image), image, key=_when)
    return tuple(
        replace(
            image,
            reason=Reason.SUPERSEDED,
            record=None,
            replaced_by=latest[image.view_key].header.sop_instance_uid,
        )
        if _is_whole(image) and latest[image.view_key] is not image
        else image
        for image in images
    )


def _is_whole(image: JudgedImage) -> bool:
    return image.record is not None and image.header.partial_view is not True


def _when(image: JudgedImage) -> tuple[str, str, float, int]:
    return image.header.acquired, image.header.created, image.received_at, image.instance_id


def evidence_of(images: Sequence[JudgedImage]) -> tuple[ViewEvidence, ...]:
    """Give the views that speak in the decision.

    Of the tiles of one view only the one with the highest probability speaks: the lesion lies in one of them, and the
    others would dilute it.
    """
    tiles: dict[tuple[str, str, tuple[str, ...]], list[ViewEvidence]] = defaultdict(list)
    whole = []
    for image in images:
        if image.record is None:
            continue
        if image.header.partial_view is True:
            tiles[image.view_key].append(_evidence(image, image.record))
        else:
            whole.append(_evidence(image, image.record))
    return (*whole, *(max(views, key=_figure) for views in tiles.values()))


def _figure(view: ViewEvidence) -> float:
    return -1.0 if view.probability is None else view.probability


def _evidence(image: JudgedImage, record: ViewRecord) -> ViewEvidence:
    return ViewEvidence(
        sop_instance_uid=image.header.sop_instance_uid,
        laterality=image.header.laterality or "",
        view=image.header.view or "",
        probability=record.prediction.probability,
        fold_probabilities=record.prediction.fold_probabilities,
    )


def image_to_json(image: JudgedImage) -> dict[str, Any]:
    """Give what the index keeps of an image in a report.

    `lesion` is `given`, `found` or `none`; it and `probability` are null for an image that was not analysed. `mark` is
    the one that centred the analysis, `replaced_by` the SOP Instance UID of the image that is used instead.
    """
    mark = None if image.record is None else image.record.mark
    prediction = None if image.record is None else image.record.prediction
    return {
        "sop_instance_uid": image.header.sop_instance_uid,
        "laterality": image.header.laterality,
        "view": image.header.view,
        "acquired": image.header.acquired,
        "created": image.header.created,
        "eligible": image.reason is Reason.ELIGIBLE,
        "reason": image.reason.value,
        "lesion": None if prediction is None else prediction.source.value,
        "probability": None if prediction is None else prediction.probability,
        "outlined": prediction is not None and bool(prediction.mask.any()),
        "mark": None if mark is None else asdict(mark),
        "replaced_by": image.replaced_by,
        "notes": [] if image.record is None else list(image.record.notes),
    }
