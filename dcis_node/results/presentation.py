"""The Grayscale Softcopy Presentation State of one view: its outlines, its figure, and how the image is to be shown.

One object per view: highdicom and most viewers want images of one size in a state.
"""

import re
from fractions import Fraction

import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    TextJustificationValues,
    TextObject,
)
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.identity import (
    RESEARCH_USE,
    SYNTHETIC_SHORT,
    dress,
    made_at,
    plain,
    result_uid,
    stand_in,
)
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import Lesion
from dcis_node.results.outline import Points
from dcis_node.results.placement import place
from dcis_node.results.segmentation import COLOUR_CIELAB
from dcis_node.results.softcopy import grey_steps
from dcis_node.results.sr.document import written
from dcis_node.results.wording import percent

KIND = ResultKind.PRESENTATION_STATE
# A layer each, so that a reader can put the text away and keep the outline.
OUTLINE_LAYER, TEXT_LAYER = "DCIS_OUTLINE", "DCIS_TEXT"
# Of viewers that draw in grey only (PS3.3 C.10.7): white.
_WHITE = 0xFFFF
# PS3.3 C.10.9: a Content Label is a code string.
_LABEL = re.compile(r"[A-Z0-9_ ]{1,16}")


def build_presentation(
    answer: ExamAnswer, image: SourceImage, lesion: Lesion | None, *, label: str, number: int
) -> ResultObject:
    """Build the presentation state of one view.

    Parameters
    ----------
    image
        An analysed view with an outline or a probability.
    lesion
        Of this view; None where nothing was outlined round a given mark: then the figure stands beside the mark.
    label
        Name of the view.
    number
        Of the series.

    Raises
    ------
    ResultError
        If the view has neither.
    """
    if not image.has_finding:
        raise ResultError("a view without an outline and without a figure has no presentation state")
    uid = image.header.sop_instance_uid
    source, steps = stand_in(image), grey_steps(image.attributes)
    source.SamplesPerPixel = 1
    layers = _layers(lesion)
    ds = GrayscaleSoftcopyPresentationState(
        referenced_images=[source],
        series_instance_uid=result_uid(answer, f"{KIND}/series", source_uid=uid),
        series_number=number,
        sop_instance_uid=result_uid(answer, KIND, source_uid=uid),
        instance_number=1,
        manufacturer=answer.equipment.manufacturer,
        manufacturer_model_name=answer.equipment.model_name,
        software_versions=answer.equipment.software_version,
        device_serial_number=answer.equipment.device_serial_number,
        content_label=_content_label(label),
        content_description=plain(_description(answer), limit=64),
        graphic_annotations=_annotations(answer, image, lesion, source=source, layers=layers, label=label),
        graphic_layers=layers,
        modality_lut_transformation=steps.modality,
        voi_lut_transformations=None if steps.voi is None else [steps.voi],
        presentation_lut_transformation=steps.presentation,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    dress(ds, answer, source=image, description=f"{label} DCIS presentation", number=number)
    _finish(ds, answer, image)
    return written(ds, ExplicitVRLittleEndian, KIND)


def _content_label(label: str) -> str:
    """Give what a reader sees in the list of presentation states, with the view where it fits."""
    named = f"RUO DCIS {label}"
    return named if _LABEL.fullmatch(named) else "RUO DCIS"


def _description(answer: ExamAnswer) -> str:
    return SYNTHETIC_SHORT if answer.model.synthetic else RESEARCH_USE


def _layers(lesion: Lesion | None) -> list[GraphicLayer]:
    """Give the layers that hold something: PS3.3 C.10.7 wants no empty one."""
    described = {OUTLINE_LAYER: "Outline of calcifications (RUO)", TEXT_LAYER: "Figures (RUO)"}
    names = [OUTLINE_LAYER, TEXT_LAYER] if lesion else [TEXT_LAYER]
    layers = [GraphicLayer(name, order, described[name]) for order, name in enumerate(names, 1)]
    for layer in layers:
        layer.GraphicLayerRecommendedDisplayGrayscaleValue = _WHITE
        layer.GraphicLayerRecommendedDisplayCIELabValue = list(COLOUR_CIELAB)
    return layers


def _annotations(
    answer: ExamAnswer,
    image: SourceImage,
    lesion: Lesion | None,
    *,
    source: Dataset,
    layers: list[GraphicLayer],
    label: str,
) -> list[GraphicAnnotation]:
    parts = _parts(image, lesion)
    words = _text_object(_lines(answer, image, label=label), parts, image)
    annotations = [GraphicAnnotation([source], layers[-1], text_objects=[words])]
    if lesion:
        graphics = [
            GraphicObject(
                GraphicTypeValues.POLYLINE,
                # PIXEL units have the origin of SCOORD (PS3.3 C.10.5.1.2, C.18.6.1.1): the very points of the report.
                outline.points,
                AnnotationUnitsValues.PIXEL,
                tracking_id=outline.tracking_id,
                tracking_uid=outline.tracking_uid,
            )
            for outline in lesion.outlines
        ]
        annotations.insert(0, GraphicAnnotation([source], layers[0], graphic_objects=graphics))
    return annotations


def _parts(image: SourceImage, lesion: Lesion | None) -> list[Points]:
    """Give what the text may not cover: the outlines, else the point that the analysis was centred on."""
    if lesion:
        return [outline.points.astype(np.float64) for outline in lesion.outlines]
    row, column = (image.prediction.centre if image.prediction else None) or (0.0, 0.0)
    # A centre counts from pixel centres, a graphic from the corner; a mark may lie a little outside.
    x, y = min(max(column + 0.5, 0.0), image.header.columns), min(max(row + 0.5, 0.0), image.header.rows)
    return [np.array([[x, y]], dtype=np.float64)]


def _lines(answer: ExamAnswer, image: SourceImage, *, label: str) -> list[str]:
    """Say the figure in short lines; what it may not be used for stands first."""
    probability = image.prediction.probability if image.prediction else None
    figure = "no probability" if probability is None else percent(probability)
    lines = [
        *RESEARCH_USE.split(" - "),
        *(SYNTHETIC_SHORT.replace(": ", ":\n").split("\n") if answer.model.synthetic else ()),
        plain(f"{label}: high-risk DCIS {figure}"),
        f"threshold {percent(answer.model.threshold)}",
    ]
    if not image.outlined:
        lines.append("given mark, nothing outlined")
    return [*lines, f"version {answer.version}"] if answer.version > 1 else lines


def _text_object(lines: list[str], parts: list[Points], image: SourceImage) -> TextObject:
    """Put the lines beside the lesion, with a line from there to its nearest point."""
    box = place(lines, parts, rows=image.header.rows, columns=image.header.columns)
    return TextObject(
        "\r\n".join(lines),
        AnnotationUnitsValues.PIXEL,
        bounding_box=(box.x0, box.y0, box.x1, box.y1),
        anchor_point=box.nearest(np.vstack(parts)),
        text_justification=TextJustificationValues.LEFT,
    )


def _finish(ds: Dataset, answer: ExamAnswer, image: SourceImage) -> None:
    """Mend what highdicom writes by the clock or for other images, and add what it leaves out."""
    when = made_at(answer, image.attributes)
    ds.PresentationCreationDate, ds.PresentationCreationTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    # A device has one name; the delimiter says that it is a family name, as no other form is current (PS3.5 6.2).
    name = plain(answer.equipment.model_name, limit=63).replace("^", " ").replace("=", " ")
    ds.ContentCreatorName = f"{name}^"
    # No part of this IOD (PS3.3 A.33.1), and no private code stands in it.
    for keyword in ("ContentDate", "ContentTime", "CodingSchemeIdentificationSequence"):
        delattr(ds, keyword)
    (area,) = ds.DisplayedAreaSelectionSequence
    # Said of images in tiles only (PS3.3 C.10.4): VOLUME would mean a matrix that a mammogram does not have.
    del area.PixelOriginInterpretation
    area.PresentationPixelAspectRatio = list(aspect_ratio(image))
    # PS3.3 C.7.3.1: type 2C for a paired body part, as a presentation state has no Image Laterality.
    ds.Laterality = image.header.laterality or ""


def aspect_ratio(image: SourceImage) -> tuple[int, int]:
    """Give height and width of a pixel as whole numbers (PS3.3 C.10.4).

    Not a Presentation Pixel Spacing: the image states the spacing at its detector, and a viewer would take one that
    stands here for calibrated to the patient.
    """
    spacing = image.header.spacing_mm
    if spacing is None or spacing[0] == spacing[1]:
        return 1, 1
    return Fraction(spacing[0] / spacing[1]).limit_denominator(1000).as_integer_ratio()
