"""Is this view to be analysed, and if not, why: one reason each, the weightiest first."""

from collections.abc import Callable
from typing import Final

from dcis_node.mammogram.facts import Eligibility, ImageKind, MammogramHeader, Reason

# The views of the paper (Cancer Imaging 2024, 24:48, Methods): MLO and CC, and its 76 other images: ML, LM, XCCL,
# rolled, tangential, lesion localisation. With XCCL the other exaggerated CC views, as the design has it.
STANDARD_VIEWS: Final = ("CC", "MLO")
SUPPORTED_VIEWS: Final = (*STANDARD_VIEWS, "ML", "LM", "XCC", "XCCL", "XCCM", "RL", "RM", "RI", "RS", "TAN", "LL")
# The trials, and the paper, take adults only.
YOUNGEST_YEARS: Final = 18

_Rule = tuple[Reason, Callable[[MammogramHeader], bool]]

# The order is part of the contract: what the object is, then what was imaged and how, then what is missing. The first
# rule that applies is the reason, so a synthetic spot view of unknown side is always reported as synthetic.
_RULES: Final[tuple[_Rule, ...]] = (
    (Reason.NOT_AN_IMAGE, lambda h: h.kind is ImageKind.NOT_AN_IMAGE),
    (Reason.TOMOSYNTHESIS, lambda h: h.kind is ImageKind.TOMOSYNTHESIS),
    (Reason.SYNTHETIC_2D, lambda h: h.kind is ImageKind.SYNTHETIC_2D),
    (Reason.CONTRAST_ENHANCED, lambda h: h.kind is ImageKind.CONTRAST),
    (Reason.SECONDARY_CAPTURE, lambda h: h.kind is ImageKind.SECONDARY_CAPTURE),
    (Reason.NOT_MAMMOGRAPHY, lambda h: h.kind is not ImageKind.FFDM),
    (Reason.FOR_PROCESSING, lambda h: h.presentation_intent == "FOR PROCESSING"),
    (Reason.SPECIMEN, lambda h: "specimen" in h.modifiers),
    (Reason.STEREOTACTIC, lambda h: "stereotactic" in h.modifiers),
    (Reason.MAGNIFICATION_VIEW, lambda h: "magnification" in h.modifiers),
    (Reason.SPOT_COMPRESSION_VIEW, lambda h: "spot_compression" in h.modifiers),
    (Reason.IMPLANT_NOT_DISPLACED, lambda h: h.implant_present is True and "implant_displaced" not in h.modifiers),
    (Reason.UNDER_AGE, lambda h: h.age_years is not None and h.age_years < YOUNGEST_YEARS),
    (Reason.LATERALITY_UNKNOWN, lambda h: h.laterality is None),
    (Reason.VIEW_UNKNOWN, lambda h: h.view is None),
    (Reason.VIEW_NOT_SUPPORTED, lambda h: h.view not in SUPPORTED_VIEWS),
)

_EXPLANATIONS: Final[dict[Reason, str]] = {
    Reason.ELIGIBLE: "The view can be analysed.",
    Reason.NOT_AN_IMAGE: "The object is not an image.",
    Reason.NOT_MAMMOGRAPHY: "The image is not a digital mammogram.",
    Reason.SECONDARY_CAPTURE: "The image is a secondary capture (a screen copy or a digitised film), not a mammogram.",
    Reason.FOR_PROCESSING: "The image is raw (FOR PROCESSING); the version for presentation is needed.",
    Reason.TOMOSYNTHESIS: "The image is a tomosynthesis object; only full-field digital mammograms are analysed.",
    Reason.SYNTHETIC_2D: "The image is a synthetic 2D view made from tomosynthesis; only acquired views are analysed.",
    Reason.CONTRAST_ENHANCED: "The image belongs to a contrast-enhanced (dual-energy) mammogram.",
    Reason.MAGNIFICATION_VIEW: "The image is a magnification view; only contact views are analysed.",
    Reason.SPOT_COMPRESSION_VIEW: "The image is a spot compression view; only views of the whole breast are analysed.",
    Reason.SPECIMEN: "The image shows a specimen, not a breast.",
    Reason.STEREOTACTIC: "The image belongs to a stereotactic procedure.",
    Reason.IMPLANT_NOT_DISPLACED: "The breast has an implant which is not displaced in this view.",
    Reason.UNDER_AGE: "The patient was under 18 at the exam.",
    Reason.LATERALITY_UNKNOWN: "The header does not tell which breast is imaged.",
    Reason.VIEW_UNKNOWN: "The header does not tell which view it is.",
    Reason.VIEW_NOT_SUPPORTED: "This kind of view is not analysed.",
    Reason.OWN_RESULT: "The object is a result of this node that came back.",
    Reason.IDENTIFIERS_INVALID: "The object lacks a valid identifier of itself, its series or its study.",
    Reason.UNSUPPORTED_TRANSFER_SYNTAX: "The image is compressed in a way that this node cannot decode.",
    Reason.PIXELS_MISSING: "The object holds no pixel data.",
    Reason.PIXELS_TRUNCATED: "The pixel data is shorter than the image it should hold.",
    Reason.PIXELS_UNDECODABLE: "The pixel data is damaged or not grey-scale and could not be decoded.",
    Reason.PIXELS_OVER_LIMIT: "The image is larger than this node decodes.",
    Reason.NO_BREAST_FOUND: "No breast was found in the image.",
    Reason.ANALYSIS_FAILED: "The analysis of this image failed.",
    Reason.ANALYSIS_DIED: "The analysis process died each time it worked on this image.",
    Reason.SUPERSEDED: "A later image of the same breast and view was used instead.",
    Reason.REJECTED: "The site has rejected the image: a rejection note (key object selection) names it.",
}


def judge(header: MammogramHeader) -> Eligibility:
    """Judge one header by a fixed order of rules; the first that applies is the reason."""
    reason = next((reason for reason, applies in _RULES if applies(header)), Reason.ELIGIBLE)
    return Eligibility(reason, explain(reason))


def explain(reason: Reason) -> str:
    """Say a reason in one sentence that a radiologist understands."""
    return _EXPLANATIONS[reason]
