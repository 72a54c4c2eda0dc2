"""What sort of object it is: by SOP class, Image Type (PS3.3 C.8.11.7.1.4), frames, and names for want of a type."""

import re
from collections.abc import Iterator

from pydicom import Dataset

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import ImageKind
from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.values import items, text, texts, whole

# Image Type values. GENERATED_2D is the standard's; TOMO_2D is a vendor's name for its synthetic view.
_SYNTHETIC = {"GENERATED_2D", "TOMO_2D"}
_TOMOSYNTHESIS = {"TOMOSYNTHESIS", "TOMO_PROJ", "TOMO", "TOMO_SCOUT"}
_CONTRAST = {"PRE_CONTRAST", "POST_CONTRAST", "LOW_ENERGY", "HIGH_ENERGY", "SUBTRACTION", "ADDITION", "RECOMBINED"}
_STEREO = ("STEREO", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER", "TOMO_SCOUT")
# Product names of synthetic views (Hologic C-View and Intelligent 2D, Fuji S-View, GE V-Preview, Siemens Insight 2D).
_SYNTHETIC_NAMES = re.compile(r"\b([CS]-?VIEW|V-?PREVIEW|INSIGHT 2D|INTELLIGENT ?2D|SYNTHETIC|SYNTHESI[SZ]ED)\b")
_CONTRAST_NAMES = re.compile(r"\b(CESM|CEDM|CEM|LOW[ _]ENERGY|RECOMBINED)\b")
_TOMOSYNTHESIS_NAMES = re.compile(r"\bTOMO|\bDBT\b")
# Fuji's Amulet Innovality marks its S-View by nothing but DERIVED; its plain images are ORIGINAL.
_FUJI_DERIVED_IS_SYNTHETIC = "FDR-3000AWS"

_TYPE = "ImageType (0008,0008)"
_CLASS = "SOPClassUID (0008,0016)"
_DESCRIPTION = "SeriesDescription (0008,103E) text"


def read_kind(ds: Dataset) -> Finding[ImageKind]:
    """Tell what sort of object it is.

    Returns
    -------
        The kind by the first rule that applies, in the order of `_rules`; OTHER_IMAGE where none does and there are
        pixels to speak of, else NOT_AN_IMAGE.
    """
    return next(_rules(ds))


def image_types(ds: Dataset) -> tuple[str, ...]:
    """Read Image Type in capitals."""
    return tuple(value.upper() for value in texts(ds, "ImageType"))


def read_stereotactic(ds: Dataset, orientation: tuple[str, ...]) -> Finding[bool]:
    r"""Tell whether the image belongs to a biopsy: by Image Type, or by rows that run from side to side.

    A stereotactic image of a prone patient has Patient Orientation R\P or the like (seen in real headers); the rows of
    every screening or diagnostic view run front to back.
    """
    if any(value.startswith(_STEREO) for value in image_types(ds)):
        return Finding(value=True, source=_TYPE)
    sideways = len(orientation) == 2 and orientation[0] in ("L", "R") and orientation[1] in ("A", "P")
    return Finding(value=sideways, source="PatientOrientation (0020,0020)" if sideways else "")


def read_specimen(ds: Dataset, view: str | None) -> Finding[bool]:
    """Tell whether the image shows a specimen: by its view, by Specimen Description, or by the words used for it."""
    if view == "SPECIMEN":
        return Finding(value=True, source="the view")
    if items(ds, "SpecimenDescriptionSequence"):
        return Finding(value=True, source="SpecimenDescriptionSequence (0040,0560)")
    for keyword, source in (
        ("BodyPartExamined", "BodyPartExamined (0018,0015)"),
        ("ImageType", _TYPE),
        ("PaddleDescription", "PaddleDescription (0018,11A4)"),
        ("SeriesDescription", _DESCRIPTION),
    ):
        if any("SPECIMEN" in value.upper() for value in texts(ds, keyword)):
            return Finding(value=True, source=source)
    return Finding(value=False)


def _rules(ds: Dataset) -> Iterator[Finding[ImageKind]]:
    sop_class, modality = text(ds, "SOPClassUID"), text(ds, "Modality").upper()
    types = set(image_types(ds))
    description = text(ds, "SeriesDescription").upper()
    is_mammography = sop_class in sop.MAMMOGRAPHY
    from_breast_unit = is_mammography or sop_class in sop.TOMOSYNTHESIS or modality == "MG"

    if sop_class in sop.NOT_IMAGES:
        yield Finding(ImageKind.NOT_AN_IMAGE, _CLASS)
    if from_breast_unit:
        yield from _synthetic(ds, types, description)
        yield from _contrast(ds, types, description)
    if sop_class in sop.TOMOSYNTHESIS:
        yield Finding(ImageKind.TOMOSYNTHESIS, _CLASS)
    if is_mammography and types & _TOMOSYNTHESIS:
        yield Finding(ImageKind.TOMOSYNTHESIS, _TYPE)
    if is_mammography and (whole(ds, "NumberOfFrames") or 1) > 1:
        yield Finding(ImageKind.TOMOSYNTHESIS, "NumberOfFrames (0028,0008)")
    if is_mammography:
        yield Finding(ImageKind.FFDM, _CLASS)
    yield from _old_tomosynthesis(ds, sop_class, modality, types, description)
    if sop_class in sop.SECONDARY_CAPTURES:
        yield Finding(ImageKind.SECONDARY_CAPTURE, _CLASS)
    has_pixels = sop_class in sop.IMAGES or (whole(ds, "Rows") or 0) > 0
    yield Finding(ImageKind.OTHER_IMAGE if has_pixels else ImageKind.NOT_AN_IMAGE, _CLASS)


def _synthetic(ds: Dataset, types: set[str], description: str) -> Iterator[Finding[ImageKind]]:
    if types & _SYNTHETIC:
        yield Finding(ImageKind.SYNTHETIC_2D, _TYPE)
    if _SYNTHETIC_NAMES.search(description):
        yield Finding(ImageKind.SYNTHETIC_2D, _DESCRIPTION)
    model = text(ds, "ManufacturerModelName").upper()
    if model.startswith(_FUJI_DERIVED_IS_SYNTHETIC) and image_types(ds)[:1] == ("DERIVED",):
        yield Finding(ImageKind.SYNTHETIC_2D, "ImageType (0008,0008) DERIVED of this Fuji model")


def _contrast(ds: Dataset, types: set[str], description: str) -> Iterator[Finding[ImageKind]]:
    if types & _CONTRAST:
        yield Finding(ImageKind.CONTRAST, _TYPE)
    if text(ds, "ContrastBolusAgent").upper() not in ("", "NONE", "NO"):
        yield Finding(ImageKind.CONTRAST, "ContrastBolusAgent (0018,0010)")
    if items(ds, "ContrastBolusAgentSequence"):
        yield Finding(ImageKind.CONTRAST, "ContrastBolusAgentSequence (0018,0012)")
    if _CONTRAST_NAMES.search(description):
        yield Finding(ImageKind.CONTRAST, _DESCRIPTION)


def _old_tomosynthesis(
    ds: Dataset, sop_class: str, modality: str, types: set[str], description: str
) -> Iterator[Finding[ImageKind]]:
    """Find tomosynthesis of the time before its SOP class: sent as CT, or as Secondary Capture with private content."""
    is_hologic = text(ds, "Manufacturer").upper().startswith(("HOLOGIC", "LORAD"))
    if sop_class == sop.CT and (modality == "MG" or is_hologic):
        yield Finding(ImageKind.TOMOSYNTHESIS, "SOPClassUID (0008,0016) CT of a mammography unit")
    if sop_class in sop.SECONDARY_CAPTURES and (modality == "MG" or is_hologic):
        named = bool(types & _TOMOSYNTHESIS) or _TOMOSYNTHESIS_NAMES.search(description) is not None
        if named or (is_hologic and (whole(ds, "NumberOfFrames") or 1) > 1):
            yield Finding(ImageKind.TOMOSYNTHESIS, "Secondary Capture that names tomosynthesis or has frames")
