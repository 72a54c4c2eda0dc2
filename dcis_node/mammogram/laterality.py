"""Which breast: every source of the header, in the order of trust, and whether they agree."""

from collections.abc import Iterator

from pydicom import Dataset

from dcis_node.mammogram.codes import SIDES, snomed_value
from dcis_node.mammogram.facts import Laterality
from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.labels import read_label
from dcis_node.mammogram.values import items, text, texts

_TERMS = {"L": Laterality.LEFT, "LEFT": Laterality.LEFT, "R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT}


def read_laterality(ds: Dataset) -> Finding[Laterality | None]:
    """Read the side of the imaged breast.

    Image Laterality belongs to the image and comes first; Laterality belongs to the series and is often wrong or
    missing (PS3.3 C.7.3.1), so it comes behind what tomosynthesis states per frame. Orientation and text come last.

    Returns
    -------
        The side by the first source that states one; note `laterality_sources_disagree` if another states the other
        side, `laterality_both_breasts` where Image Laterality is B (then there is no side).
    """
    if text(ds, "ImageLaterality").upper() == "B":
        return Finding(None, "ImageLaterality (0020,0062)", ("laterality_both_breasts",))
    stated = list(_sources(ds))
    if not stated:
        return Finding(None)
    side, source = stated[0]
    disagree = any(other is not side for other, _ in stated)
    return Finding(side, source, ("laterality_sources_disagree",) if disagree else ())


def side_of_orientation(orientation: tuple[str, ...]) -> Laterality | None:
    r"""Tell the breast by Patient Orientation (PS3.17 A): the columns of a CC or oblique view run to the middle.

    R CC is P\L and R MLO P\FL: the columns run to the patient's left, so the breast is the right one. A lateral view
    (P\F) does not tell, nor does an image whose rows do not run front to back.
    """
    if len(orientation) != 2 or orientation[0][:1] not in ("A", "P"):
        return None
    towards = set(orientation[1]) & {"L", "R"}
    return {"L": Laterality.RIGHT, "R": Laterality.LEFT}[towards.pop()] if len(towards) == 1 else None


def _sources(ds: Dataset) -> Iterator[tuple[Laterality, str]]:
    """Give every stated side with its source, best first."""
    stated = [(text(ds, "ImageLaterality"), "ImageLaterality (0020,0062)")]
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in items(ds, groups)[:1]:
            stated += [
                (text(anatomy, "FrameLaterality"), "FrameLaterality (0020,9072)")
                for anatomy in items(group, "FrameAnatomySequence")[:1]
            ]
    stated.append((text(ds, "Laterality"), "Laterality (0020,0060)"))
    for term, source in stated:
        if term.upper() in _TERMS:
            yield _TERMS[term.upper()], source
    yield from _coded(ds)
    orientation = tuple(term.upper() for term in texts(ds, "PatientOrientation"))
    by_orientation = side_of_orientation(orientation)
    if by_orientation:
        yield by_orientation, "PatientOrientation (0020,0020)"
    for keyword, source in (
        ("ViewPosition", "ViewPosition (0018,5101) text"),
        ("AcquisitionDeviceProcessingDescription", "AcquisitionDeviceProcessingDescription (0018,1400)"),
        ("SeriesDescription", "SeriesDescription (0008,103E) text"),
    ):
        by_text = read_label(text(ds, keyword)).side
        if by_text:
            yield by_text, source


def _coded(ds: Dataset) -> Iterator[tuple[Laterality, str]]:
    for region in items(ds, "AnatomicRegionSequence"):
        for item in (*items(region, "AnatomicRegionModifierSequence"), region):
            side = SIDES.get(snomed_value(item))
            if side:
                yield side, "AnatomicRegionSequence (0008,2218) code"
