"""What the Mammography CAD report may say of its own work: which views it covers, and how far it succeeded."""

from dataclasses import dataclass

from pydicom.sr.coding import Code

from dcis_node.mammogram.facts import Reason
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.hanging import hung, unused_images

# No view of a breast of this patient, so nobody would look for marks on it.
NO_VIEW = frozenset(
    {
        Reason.NOT_AN_IMAGE,
        Reason.NOT_MAMMOGRAPHY,
        Reason.SECONDARY_CAPTURE,
        Reason.SPECIMEN,
        Reason.OWN_RESULT,
        Reason.IDENTIFIERS_INVALID,
    }
)
# Begun and broken off; all other reasons are known before anything is begun.
_BROKEN = frozenset(
    {
        Reason.UNSUPPORTED_TRANSFER_SYNTAX,
        Reason.PIXELS_MISSING,
        Reason.PIXELS_TRUNCATED,
        Reason.PIXELS_UNDECODABLE,
        Reason.PIXELS_OVER_LIMIT,
        Reason.NO_BREAST_FOUND,
        Reason.ANALYSIS_FAILED,
        Reason.ANALYSIS_DIED,
    }
)


@dataclass(frozen=True)
class CadStatus:
    """How far the detection went.

    Parameters
    ----------
    detections
        Of CID 6042.
    summary
        Of CID 6047.
    succeeded, failed
        Views under Successful and under Failed Detections, as they hang.
    library
        Views that the report points at, as they hang.
    """

    detections: Code
    summary: Code
    succeeded: tuple[SourceImage, ...]
    failed: tuple[SourceImage, ...]
    library: tuple[SourceImage, ...]


def cad_status(answer: ExamAnswer) -> CadStatus | None:
    """Tell how far the detection went.

    A view that was left out, and that no analysed view of the same breast and name stands for, makes the detection a
    partial one: a workstation that shows "succeeded" without it would let a reader take the view for empty. It stands
    under Failed Detections then, as TID 4015 has no other place for it. Where no view was analysed the detection
    failed if it was begun on any, else it was not attempted.

    Returns
    -------
    CadStatus or None where the exam holds no view that a report could point at (TID 4000 row 4 demands one).
    """
    seen = tuple(image for image in hung(answer) if image.prediction is not None)
    missed = tuple(image for image in unused_images(answer) if _is_missed(image, seen))
    found = any(image.outlined for image in seen)
    library = tuple(image for image in hung(answer) if image in seen or image in missed)
    if not library:
        return None
    if seen and missed:
        summary = codes.PART_WITH_FINDINGS if found else codes.PART_WITHOUT_FINDINGS
        return CadStatus(codes.PARTIALLY_SUCCEEDED, summary, seen, missed, library)
    if seen:
        summary = codes.ALL_WITH_FINDINGS if found else codes.ALL_WITHOUT_FINDINGS
        return CadStatus(codes.SUCCEEDED, summary, seen, (), library)
    broken = tuple(image for image in missed if image.reason in _BROKEN)
    return CadStatus(codes.FAILED if broken else codes.NOT_ATTEMPTED, codes.NONE_SUCCEEDED, (), broken, library)


def _is_missed(image: SourceImage, seen: tuple[SourceImage, ...]) -> bool:
    names = {(i.header.laterality, i.header.view) for i in seen}
    named = bool(image.header.laterality and image.header.view)
    covered = named and (image.header.laterality, image.header.view) in names
    return image.reason not in NO_VIEW and not covered
