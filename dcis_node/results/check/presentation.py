"""A presentation state: of one analysed image, with its outlines on the mask, shown as the node itself shows it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from dcis_node.mammogram.curves import FullRange, Rescale, Table
from dcis_node.mammogram.display import DisplayTransform, choose, transforms
from dcis_node.mammogram.voi import stored_range
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.reading import demand
from dcis_node.results.check.region import analysed_image, check_inside, check_outline, points_of
from dcis_node.results.identity import RESEARCH_USE

_PROBES = 4096
# Of grey in [0, 1]: below what any screen shows, above the rounding of a DS and of 16 bits.
_SAME_GREY = 1e-3


def check_presentation(ds: Dataset, answer: ExamAnswer) -> str:
    """Check a presentation state against its image; give that image's UID.

    Raises
    ------
    ResultError
        If it is of no analysed image or of several, an outline is open, leaves the image or lies beside the mask, the
        grey scale or the displayed area is not the image's, or the text does not say what it is for.
    """
    demand(ds.SOPClassUID == GrayscaleSoftcopyPresentationStateStorage, "a presentation state is of another class")
    (series,) = ds.ReferencedSeriesSequence
    uids = {str(item.ReferencedSOPInstanceUID) for item in _references(ds)}
    demand(len(uids) == 1, "a presentation state names not one image")
    image = analysed_image(answer, uids.pop())
    uid = image.header.sop_instance_uid
    classes = {str(item.ReferencedSOPClassUID) for item in _references(ds)}
    demand(classes == {image.header.sop_class_uid}, f"a presentation state of {uid} names another class")
    same_series = str(series.SeriesInstanceUID) == image.header.series_instance_uid
    demand(same_series, f"a presentation state of {uid} names another series")
    _check_graphics(ds, image)
    _check_texts(ds, answer, image)
    _check_grey(ds, image)
    _check_area(ds, image)
    return uid


def _references(ds: Dataset) -> Iterator[Dataset]:
    """Give each reference to an image; whatever has none of its own is about all images of the state."""
    for place in (*ds.ReferencedSeriesSequence, *ds.GraphicAnnotationSequence):
        yield from place.ReferencedImageSequence
    for place in (*ds.get("SoftcopyVOILUTSequence", ()), *ds.DisplayedAreaSelectionSequence):
        yield from place.get("ReferencedImageSequence", ())


def _check_graphics(ds: Dataset, image: SourceImage) -> None:
    uid = image.header.sop_instance_uid
    layers = {str(layer.GraphicLayer) for layer in ds.GraphicLayerSequence}
    used = {str(annotation.GraphicLayer) for annotation in ds.GraphicAnnotationSequence}
    demand(layers == used, f"the graphic layers of {uid} are not those in use")
    graphics = [g for a in ds.GraphicAnnotationSequence for g in a.get("GraphicObjectSequence", ())]
    demand(bool(graphics) == image.outlined, f"the graphics of {uid} are not its outlines")
    for graphic in graphics:
        kind = (graphic.GraphicType, graphic.GraphicAnnotationUnits, graphic.GraphicFilled)
        demand(kind == ("POLYLINE", "PIXEL", "N"), f"a graphic on {uid} is no outline in pixels")
        points = points_of(graphic.GraphicData)
        demand(len(points) == graphic.NumberOfGraphicPoints, f"a graphic on {uid} has another number of points")
        check_outline(points, image)


def _check_texts(ds: Dataset, answer: ExamAnswer, image: SourceImage) -> None:
    uid = image.header.sop_instance_uid
    texts = [t for a in ds.GraphicAnnotationSequence for t in a.get("TextObjectSequence", ())]
    demand(len(texts) == 1, f"a presentation state of {uid} has not one text")
    words = " - ".join(str(texts[0].UnformattedTextValue).splitlines())
    demand(RESEARCH_USE in words, f"a text on {uid} does not say what it is for")
    demand(not answer.model.synthetic or "SYNTHETIC" in words, f"a text on {uid} hides a synthetic model")
    box, anchor = texts[0], texts[0].AnchorPoint
    units = {box.BoundingBoxAnnotationUnits, box.AnchorPointAnnotationUnits}
    demand(units == {"PIXEL"}, f"a text on {uid} is not placed in pixels")
    places = points_of([*box.BoundingBoxTopLeftHandCorner, *box.BoundingBoxBottomRightHandCorner, *anchor])
    check_inside(places, image)


def _check_grey(ds: Dataset, image: SourceImage) -> None:
    """Hold the whole grey scale to the node's own display of that image, on values from all of its range."""
    uid = image.header.sop_instance_uid
    wanted = _wanted(choose(transforms(image.attributes)))
    shape = "INVERSE" if wanted.inverted else "IDENTITY"
    demand(ds.PresentationLUTShape == shape, f"{uid} is shown with another polarity")
    softcopy = list(ds.get("SoftcopyVOILUTSequence", ()))
    none = isinstance(wanted.voi, FullRange)
    demand(len(softcopy) == (0 if none else 1), f"{uid} is shown with not one window or table")
    for item in softcopy:
        windows, tables = _count(item, "WindowCenter"), len(item.get("VOILUTSequence", ()))
        demand(windows + tables == 1, f"{uid} is shown with not one window or table")
        demand(_count(item, "WindowWidth") == windows, f"{uid} is shown with a window of no width")
        for table in item.get("VOILUTSequence", ()):
            data = np.frombuffer(table.LUTData, dtype="<u2")
            demand(len(data) & 0xFFFF == table.LUTDescriptor[0] & 0xFFFF, f"a table for {uid} has another length")
            bits = int(data.max()).bit_length()
            demand(bits in (0, table.LUTDescriptor[2]), f"a table for {uid} does not use its depth")
    probes = np.linspace(*stored_range(image.attributes), _PROBES).astype(np.int64)
    shown = choose(transforms(_as_image(ds, softcopy, image))).apply(probes)
    demand(np.allclose(shown, wanted.apply(probes), atol=_SAME_GREY), f"{uid} is not shown as it was seen")


def _count(item: Dataset, keyword: str) -> int:
    return item[keyword].VM if keyword in item else 0


def _wanted(chosen: DisplayTransform) -> DisplayTransform:
    """Give what a presentation state can say of a display: no padding, and tables at the depth that they use."""
    voi = chosen.voi
    modality: Rescale | Table = chosen.modality
    if isinstance(modality, Table) and isinstance(voi, FullRange):  # one table, from stored values to grey
        voi, modality = modality, Rescale()
    if isinstance(voi, Table):
        voi = replace(voi, top=(1 << int(voi.entries.max()).bit_length()) - 1 or voi.top)
    return replace(chosen, voi=voi, modality=modality, padding=None)


def _as_image(ds: Dataset, softcopy: list[Dataset], image: SourceImage) -> Dataset:
    """Give the grey scale of a presentation state as that of an image, to be read by the same code."""
    shown = Dataset()
    for keyword in ("BitsStored", "PixelRepresentation"):
        if keyword in image.attributes:
            shown[keyword] = image.attributes[keyword]
    for place in (ds, *softcopy):
        for keyword in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction"):
            if keyword in place:
                shown[keyword] = place[keyword]
        if "VOILUTSequence" in place:
            shown.VOILUTSequence = place.VOILUTSequence
    shown.PresentationLUTShape = ds.PresentationLUTShape
    return shown


def _check_area(ds: Dataset, image: SourceImage) -> None:
    header = image.header
    (area,) = ds.DisplayedAreaSelectionSequence
    corners = (list(area.DisplayedAreaTopLeftHandCorner), list(area.DisplayedAreaBottomRightHandCorner))
    whole = corners == ([1, 1], [header.columns, header.rows]) and area.PresentationSizeMode == "SCALE TO FIT"
    demand(whole, f"{header.sop_instance_uid} is not shown as a whole")
