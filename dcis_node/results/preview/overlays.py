"""Read back what lies over an image: segmentations, presentation states, the marks of a Mammography CAD report."""

import numpy as np
from highdicom.color import CIELabColor
from pydicom import Dataset

from dcis_node.mammogram.content import coded_value, concept, walk
from dcis_node.mammogram.marks_seg import only_reference
from dcis_node.mammogram.marks_sr import CENTER, OUTLINE, SINGLE_IMAGE_FINDING, image_of
from dcis_node.mammogram.values import items, numbers, text
from dcis_node.results.preview.drawing import YELLOW, Caption, Colour, Drawing
from dcis_node.results.preview.reports import points_of

RENDERING_INTENT, NOT_FOR_PRESENTATION = "111056", "111152"  # PS3.16 DCM


def read_segmentation(seg: Dataset) -> tuple[Drawing, ...]:
    """Give the pixels of all segments together, for the image that they lie on."""
    frames = np.asarray(seg.pixel_array, dtype=np.bool_).reshape(-1, seg.Rows, seg.Columns)
    segment = items(seg, "SegmentSequence")[0]
    colour = recommended(segment, "RecommendedDisplayCIELabValue")
    return (Drawing(only_reference(seg), fill=np.logical_or.reduce(frames, axis=0), colour=colour),)


def recommended(item: Dataset, keyword: str) -> Colour:
    """Give the colour that an object recommends for what it draws."""
    lab = numbers(item, keyword)
    if len(lab) != 3:
        return YELLOW
    red, green, blue = CIELabColor.from_dicom_value([int(value) for value in lab]).to_rgb(clip=True)
    return red, green, blue


def read_presentation(state: Dataset) -> tuple[Drawing, ...]:
    """Give the graphics and texts of a presentation state, and its grey-scale steps, image by image."""
    return tuple(
        _presented(state, text(image, "ReferencedSOPInstanceUID"))
        for series in items(state, "ReferencedSeriesSequence")
        for image in items(series, "ReferencedImageSequence")
    )


def _presented(state: Dataset, uid: str) -> Drawing:
    annotations = [item for item in items(state, "GraphicAnnotationSequence") if uid in _images(item)]
    graphics = [graphic for annotation in annotations for graphic in items(annotation, "GraphicObjectSequence")]
    texts = [words for annotation in annotations for words in items(annotation, "TextObjectSequence")]
    layers = items(state, "GraphicLayerSequence")
    return Drawing(
        uid,
        outlines=tuple(points_of(g) for g in graphics if text(g, "GraphicType") == "POLYLINE"),
        captions=tuple(_caption(words) for words in texts),
        colour=next((recommended(layer, "GraphicLayerRecommendedDisplayCIELabValue") for layer in layers), YELLOW),
        softcopy=softcopy(state),
    )


def _images(annotation: Dataset) -> set[str]:
    return {text(image, "ReferencedSOPInstanceUID") for image in items(annotation, "ReferencedImageSequence")}


def _caption(words: Dataset) -> Caption:
    x, y = numbers(words, "BoundingBoxTopLeftHandCorner")
    _, bottom = numbers(words, "BoundingBoxBottomRightHandCorner")
    anchor = numbers(words, "AnchorPoint") or (x, y)
    lines = tuple(str(words.UnformattedTextValue).splitlines())
    return Caption(lines, (x, y), (anchor[0], anchor[1]), height=bottom - y)


def softcopy(state: Dataset) -> Dataset:
    """Give the grey-scale steps of a presentation state as a header that `display.transforms` reads.

    The state replaces all of the image's own steps, its photometric interpretation too (PS3.4 N.2).
    """
    steps = Dataset()
    steps.PhotometricInterpretation = "MONOCHROME2"
    for source in (state, *items(state, "SoftcopyVOILUTSequence")[:1]):
        for keyword in GREY_STEPS:
            if keyword in source:
                steps[keyword] = source[keyword]
    return steps


GREY_STEPS = (
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PresentationLUTShape",
)


def read_marks(report: Dataset) -> tuple[Drawing, ...]:
    """Give the marks of a Mammography CAD report (TID 4006): centre and outline of each finding to be shown."""
    findings = (item for item in walk(report) if concept(item) == SINGLE_IMAGE_FINDING)
    return tuple(drawn for finding in findings for drawn in _mark(report, finding))


def _mark(report: Dataset, finding: Dataset) -> tuple[Drawing, ...]:
    parts = items(finding, "ContentSequence")
    if any(concept(part) == RENDERING_INTENT and coded_value(part) == NOT_FOR_PRESENTATION for part in parts):
        return ()
    outlines = tuple(points_of(part) for part in parts if concept(part) == OUTLINE)
    centres = [part for part in parts if concept(part) == CENTER]
    return tuple(
        Drawing(image_of(report, centre), outlines=outlines, centres=((float(x), float(y)),))
        for centre in centres
        for x, y in points_of(centre)[:1]
    )
