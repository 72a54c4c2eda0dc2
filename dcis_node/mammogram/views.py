"""Which view, and how it was modified: codes first, then terms, then text."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom import Dataset

from dcis_node.mammogram.codes import MODIFIERS, VIEWS, snomed_value
from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.labels import read_label, read_paddle
from dcis_node.mammogram.values import items, text

# A contact view is taken with the breast on the detector's cover: factor 1.0 to about 1.1 (real headers: 1.06, 1.0628;
# a thick breast measured at its upper side up to 1.15). Magnification stands begin at 1.4 and are mostly 1.5 to 1.8.
# 1.2 lies in the gap.
MAGNIFICATION_FROM = 1.2

# A modifier that makes another projection of the image is the view's name: a rolled CC is no CC to average or compare.
_VIEW_BY_MODIFIER = {
    "rolled_lateral": "RL",
    "rolled_medial": "RM",
    "rolled_inferior": "RI",
    "rolled_superior": "RS",
    "tangential": "TAN",
    "cleavage": "CV",
    "axillary_tail": "AT",
}

_POSITION = "ViewPosition (0018,5101)"
_TEXTS = (
    # Fuji names the view here and nowhere else.
    ("AcquisitionDeviceProcessingDescription", "AcquisitionDeviceProcessingDescription (0018,1400)"),
    ("SeriesDescription", "SeriesDescription (0008,103E) text"),
    ("ProtocolName", "ProtocolName (0018,1030) text"),
)


@dataclass(frozen=True)
class View:
    """The view with its modifiers; `modifiers` maps each name to the rule that gave it."""

    view: Finding[str | None]
    modifiers: dict[str, str]


def read_view(ds: Dataset, *, magnification: float | None) -> View:
    """Read the view and its modifiers.

    Parameters
    ----------
    ds
        Header of an image.
    magnification
        Estimated Radiographic Magnification Factor, or None.

    Returns
    -------
        The view as a term of View Position; notes `view_sources_disagree` and `several_view_codes`.
    """
    modifiers = _coded_modifiers(ds)
    for name, source in (*_signs(ds, magnification), *_text_modifiers(ds)):
        modifiers.setdefault(name, source)
    base = _base_view(ds)
    for name, source in modifiers.items():
        if name in _VIEW_BY_MODIFIER:
            base = Finding(_VIEW_BY_MODIFIER[name], source, base.notes)
            break
    return View(base, modifiers)


def _base_view(ds: Dataset) -> Finding[str | None]:
    """Read the view before its modifiers have their say."""
    coded = [VIEWS[value] for value in _view_codes(ds) if value in VIEWS]
    named = read_label(text(ds, "ViewPosition")).view
    notes = ("several_view_codes",) if len(set(coded)) > 1 else ()
    if coded:
        # A rolled view is coded CC with a modifier and may be named RL: no contradiction.
        disagree = named is not None and named not in coded and named not in _VIEW_BY_MODIFIER.values()
        return Finding(
            coded[0], "ViewCodeSequence (0054,0220)", notes + (("view_sources_disagree",) if disagree else ())
        )
    if named:
        return Finding(named, _POSITION)
    for keyword, source in _TEXTS:
        view = read_label(text(ds, keyword)).view
        if view:
            return Finding(view, source)
    for item in items(ds, "ViewCodeSequence"):
        view = read_label(text(item, "CodeMeaning")).view or _MEANINGS.get(_plain(text(item, "CodeMeaning")))
        if view:
            return Finding(view, "ViewCodeSequence (0054,0220) meaning")
    return Finding(None)


# Code Meaning of CID 4014, for a private code with a standard meaning. Last of all: meanings are translated.
_MEANINGS = {
    "craniocaudal": "CC",
    "mediolateraloblique": "MLO",
    "mediolateral": "ML",
    "lateromedial": "LM",
    "lateromedialoblique": "LMO",
    "craniocaudalexaggeratedlaterally": "XCCL",
    "craniocaudalexaggeratedmedially": "XCCM",
}


def _plain(meaning: str) -> str:
    return "".join(letter for letter in meaning.lower() if letter.isalpha())


def _view_codes(ds: Dataset) -> list[str]:
    return [snomed_value(item) for item in items(ds, "ViewCodeSequence")]


def _coded_modifiers(ds: Dataset) -> dict[str, str]:
    """Read modifier codes: nested in the view code's item (the standard), at top level, or among the view codes."""
    found: dict[str, str] = {}
    nested = [item for view in items(ds, "ViewCodeSequence") for item in items(view, "ViewModifierCodeSequence")]
    for place, source in (
        (nested, "ViewModifierCodeSequence (0054,0222) in ViewCodeSequence"),
        (items(ds, "ViewModifierCodeSequence"), "ViewModifierCodeSequence (0054,0222) at top level"),
        (items(ds, "ViewCodeSequence"), "ViewCodeSequence (0054,0220)"),
    ):
        for item in place:
            name = MODIFIERS.get(snomed_value(item))
            if name:
                found.setdefault(name, source)
    return found


def _signs(ds: Dataset, magnification: float | None) -> Iterable[tuple[str, str]]:
    """Give signs of magnification and spot compression besides codes and View Position."""
    for name in read_paddle(text(ds, "PaddleDescription")):
        yield name, "PaddleDescription (0018,11A4)"
    if magnification is not None and magnification >= MAGNIFICATION_FROM:
        yield "magnification", "EstimatedRadiographicMagnificationFactor (0018,1114)"


def _text_modifiers(ds: Dataset) -> Iterable[tuple[str, str]]:
    """Give modifiers named in View Position or Fuji's attribute; other descriptions may speak of the whole series."""
    for keyword, source in (("ViewPosition", _POSITION), _TEXTS[0]):
        for name in read_label(text(ds, keyword)).modifiers:
            yield name, source
