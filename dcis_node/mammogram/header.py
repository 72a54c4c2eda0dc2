"""Read what the node needs to know of one instance, each fact with the rule that gave it.

Nothing of a header is trusted: a value of the wrong kind is None with a note, never an exception. Only without valid
identifiers is there nothing to speak of, and that raises.
"""

import re

from pydicom import Dataset

from dcis_node.errors import HeaderError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import ImageKind, MammogramHeader, Reason
from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.geometry import read_magnification, read_orientation, read_spacing
from dcis_node.mammogram.kind import read_kind, read_specimen, read_stereotactic
from dcis_node.mammogram.laterality import read_laterality
from dcis_node.mammogram.moments import read_acquired, read_age, read_created, read_date
from dcis_node.mammogram.values import text, whole
from dcis_node.mammogram.views import View, read_view

# PS3.5 9.1. Leading zeros are forbidden there and common in the wild; they do no harm here.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_IDENTIFIERS = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
}


def read_header(ds: Dataset) -> MammogramHeader:
    """Read the header of one instance.

    Parameters
    ----------
    ds
        The dataset; pixel data is not looked at and need not be there.

    Returns
    -------
        The facts; what is absent or unreadable is None, "" or (), and contradictions stand in `notes`.

    Raises
    ------
    HeaderError
        If SOP Class, SOP Instance, Study Instance or Series Instance UID is missing or no UID.
    """
    identifiers = {name: _uid(ds, keyword) for name, keyword in _IDENTIFIERS.items()}
    kind, laterality = read_kind(ds), read_laterality(ds)
    magnification, orientation = read_magnification(ds), read_orientation(ds)
    view = read_view(ds, magnification=magnification.value)
    modifiers = _modifiers(ds, view, orientation.value)
    spacing, age = read_spacing(ds, magnification=magnification.value), read_age(ds)
    acquired, created = read_acquired(ds), read_created(ds)
    intent, implant = _presentation_intent(ds, identifiers["sop_class_uid"]), _implant(ds, modifiers)
    found: dict[str, Finding[object]] = {
        "kind": kind,
        "laterality": laterality,
        "view": view.view,
        "presentation_intent": intent,
        "spacing_mm": spacing,
        "magnification": magnification,
        "patient_orientation": orientation,
        "implant_present": implant,
        "age_years": age,
        "acquired": acquired,
        "created": created,
    }
    sources = {name: finding.source for name, finding in found.items() if finding.source}
    sources |= {f"modifiers.{name}": source for name, source in modifiers.items()}
    notes = [note for finding in found.values() for note in finding.notes]
    is_image = kind.value is not ImageKind.NOT_AN_IMAGE
    return MammogramHeader(
        **identifiers,
        transfer_syntax_uid=_transfer_syntax(ds),
        kind=kind.value,
        modality=text(ds, "Modality").upper(),
        presentation_intent=intent.value,
        laterality=laterality.value,
        view=view.view.value,
        modifiers=tuple(sorted(modifiers)),
        rows=_count(ds, "Rows"),
        columns=_count(ds, "Columns"),
        number_of_frames=max(_count(ds, "NumberOfFrames"), 1),
        bits_stored=_count(ds, "BitsStored"),
        photometric_interpretation=text(ds, "PhotometricInterpretation").upper(),
        spacing_mm=spacing.value,
        magnification=magnification.value,
        patient_orientation=orientation.value,
        implant_present=implant.value,
        partial_view=_yes_no(ds, "PartialView"),
        age_years=age.value,
        study_date=read_date(ds, "StudyDate"),
        acquired=acquired.value,
        created=created.value,
        manufacturer=text(ds, "Manufacturer"),
        model=text(ds, "ManufacturerModelName"),
        sources=sources if is_image else {"kind": kind.source},
        notes=tuple(dict.fromkeys(notes)) if is_image else (),
    )


def _modifiers(ds: Dataset, view: View, orientation: tuple[str, ...]) -> dict[str, str]:
    """Add to the view's modifiers the two signs that are no modifiers of CID 4015 but decide as they do."""
    signs = {"stereotactic": read_stereotactic(ds, orientation), "specimen": read_specimen(ds, view.view.value)}
    return view.modifiers | {name: sign.source for name, sign in signs.items() if sign.value}


def _uid(ds: Dataset, keyword: str) -> str:
    value = text(ds, keyword)
    if len(value) > _LONGEST_UID or _UID.fullmatch(value) is None:
        raise HeaderError(Reason.IDENTIFIERS_INVALID, f"{keyword} is missing or no UID")
    return value


def _transfer_syntax(ds: Dataset) -> str:
    value = text(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    return value if _UID.fullmatch(value) and len(value) <= _LONGEST_UID else ""


def _count(ds: Dataset, keyword: str) -> int:
    value = whole(ds, keyword)
    return value if value is not None and 0 <= value < 1 << 31 else 0


def _yes_no(ds: Dataset, keyword: str) -> bool | None:
    return {"YES": True, "NO": False}.get(text(ds, keyword).upper())


def _implant(ds: Dataset, modifiers: dict[str, str]) -> Finding[bool | None]:
    """Read Breast Implant Present; it is YES in displaced views too (PS3.3 C.8.21.6)."""
    present = _yes_no(ds, "BreastImplantPresent")
    notes = ("implant_displaced_but_none_present",) if present is False and "implant_displaced" in modifiers else ()
    return Finding(present, "BreastImplantPresent (0028,1300)" if present is not None else "", notes)


def _presentation_intent(ds: Dataset, sop_class: str) -> Finding[str]:
    """Tell FOR PRESENTATION from FOR PROCESSING: by SOP class, else by Presentation Intent Type.

    Where the two contradict each other, FOR PROCESSING is believed: raw pixels must not be taken for display ones.
    """
    by_class = {
        sop.MAMMOGRAPHY_FOR_PRESENTATION: "FOR PRESENTATION",
        sop.MAMMOGRAPHY_FOR_PROCESSING: "FOR PROCESSING",
        sop.BREAST_PROJECTION_FOR_PRESENTATION: "FOR PRESENTATION",
        sop.BREAST_PROJECTION_FOR_PROCESSING: "FOR PROCESSING",
    }.get(sop_class, "")
    term = text(ds, "PresentationIntentType").upper()
    stated = term if term in ("FOR PRESENTATION", "FOR PROCESSING") else ""
    if by_class and stated and by_class != stated:
        return Finding("FOR PROCESSING", "SOP class and (0008,0068)", ("presentation_intent_contradicts_sop_class",))
    if by_class:
        return Finding(by_class, "SOPClassUID (0008,0016)")
    return Finding(stated, "PresentationIntentType (0008,0068)" if stated else "")
