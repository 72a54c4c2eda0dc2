"""The words of this project for what one received object is: facts, reasons, marks."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Laterality(StrEnum):
    """Side of the body, as in Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class ImageKind(StrEnum):
    """What sort of object it is, before any judgement."""

    FFDM = "ffdm"
    TOMOSYNTHESIS = "tomosynthesis"
    SYNTHETIC_2D = "synthetic_2d"
    CONTRAST = "contrast"
    SECONDARY_CAPTURE = "secondary_capture"
    OTHER_IMAGE = "other_image"
    NOT_AN_IMAGE = "not_an_image"


class Reason(StrEnum):
    """Stable names of why an object is or is not used. They stand in the index, in JSON and in the SR."""

    ELIGIBLE = "eligible"
    # from the header
    NOT_AN_IMAGE = "not_an_image"
    NOT_MAMMOGRAPHY = "not_mammography"
    SECONDARY_CAPTURE = "secondary_capture"
    FOR_PROCESSING = "for_processing"
    TOMOSYNTHESIS = "tomosynthesis"
    SYNTHETIC_2D = "synthetic_2d"
    CONTRAST_ENHANCED = "contrast_enhanced"
    MAGNIFICATION_VIEW = "magnification_view"
    SPOT_COMPRESSION_VIEW = "spot_compression_view"
    SPECIMEN = "specimen"
    STEREOTACTIC = "stereotactic"
    IMPLANT_NOT_DISPLACED = "implant_not_displaced"
    UNDER_AGE = "under_18"
    LATERALITY_UNKNOWN = "laterality_unknown"
    VIEW_UNKNOWN = "view_unknown"
    VIEW_NOT_SUPPORTED = "view_not_supported"
    OWN_RESULT = "own_result"
    IDENTIFIERS_INVALID = "identifiers_invalid"
    # from the pixels and the analysis
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported_transfer_syntax"
    PIXELS_MISSING = "pixels_missing"
    PIXELS_TRUNCATED = "pixels_truncated"
    PIXELS_UNDECODABLE = "pixels_undecodable"
    PIXELS_OVER_LIMIT = "pixels_over_limit"
    NO_BREAST_FOUND = "no_breast_found"
    ANALYSIS_FAILED = "analysis_failed"
    ANALYSIS_DIED = "analysis_process_died"
    SUPERSEDED = "superseded_by_later_image"
    # from another object of the exam
    REJECTED = "rejected_by_site"


@dataclass(frozen=True)
class MammogramHeader:
    """What the header of one instance says, with the rule by which each fact was read.

    No attribute that names a person is kept here; the index holds the patient apart.

    Parameters
    ----------
    view
        Defined term of View Position (0018,5101): CC, MLO, ML, LM, LMO, XCCL, XCCM, RL, RM, TAN, LL (lesion
        localisation) ... or None where it cannot be told.
    modifiers
        Sorted stable names of the view modifiers (PS3.16 CID 4015), such as `magnification`, `spot_compression`,
        `implant_displaced`, `rolled_lateral`; besides them `stereotactic` and `specimen`.
    spacing_mm
        (row, column) spacing at the detector plane, or None.
    magnification
        Estimated Radiographic Magnification Factor (0018,1114), or SID/SOD, or None. Body size is
        spacing / magnification. A contact view has about 1.05.
    patient_orientation
        Values of Patient Orientation (0020,0020): direction of the rows, then of the columns; or ().
    acquired
        `YYYYMMDDHHMMSS` of the acquisition as far as known, else "" (orders repeated exposures).
    created
        `YYYYMMDDHHMMSS` at which these pixels were made, else "": later than `acquired` in an image that was processed
        again (orders images of one exposure).
    sources
        Fact name -> rule that gave it, for example `{"laterality": "ImageLaterality (0020,0062)"}`.
    notes
        Stable names of contradictions met, such as `laterality_sources_disagree`.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    kind: ImageKind
    modality: str = ""
    presentation_intent: str = ""
    laterality: Laterality | None = None
    view: str | None = None
    modifiers: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    number_of_frames: int = 1
    bits_stored: int = 0
    photometric_interpretation: str = ""
    spacing_mm: tuple[float, float] | None = None
    magnification: float | None = None
    patient_orientation: tuple[str, ...] = ()
    implant_present: bool | None = None
    partial_view: bool | None = None
    age_years: int | None = None
    study_date: str = ""
    acquired: str = ""
    created: str = ""
    manufacturer: str = ""
    model: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the index; `from_json` restores an equal header."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MammogramHeader":
        """Restore what `to_json` gave."""
        spacing = values["spacing_mm"]
        laterality = values["laterality"]
        changed = {
            "kind": ImageKind(values["kind"]),
            "laterality": Laterality(laterality) if laterality else None,
            "spacing_mm": (float(spacing[0]), float(spacing[1])) if spacing else None,
            "modifiers": tuple(values["modifiers"]),
            "patient_orientation": tuple(values["patient_orientation"]),
            "notes": tuple(values["notes"]),
        }
        return cls(**{**values, **changed})


@dataclass(frozen=True)
class Eligibility:
    """The judgement over one header: used or not, and why."""

    reason: Reason
    explanation: str

    @property
    def eligible(self) -> bool:
        """True if the view is to be analysed."""
        return self.reason is Reason.ELIGIBLE


@dataclass(frozen=True)
class Mark:
    """Somebody's mark of a lesion on one image, read from a SEG, SR or GSPS.

    Parameters
    ----------
    image_uid
        SOP Instance UID of the marked image.
    row, column
        Centre of the mark in stored pixels: 0-based indices, so (0.0, 0.0) is the centre of the first pixel.
    kind
        `seg`, `sr_scoord`, `cad_sr` or `gsps`.
    source_uid
        SOP Instance UID of the object that carries the mark.
    """

    image_uid: str
    row: float
    column: float
    kind: str
    source_uid: str
