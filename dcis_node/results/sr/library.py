"""The image library (TID 1600 to 1603) of the measurement report: which views were analysed, and how they lie.

Made by hand: highdicom writes neither laterality nor view, and fails on an image without spacing or orientation.
"""

from collections.abc import Iterable
from datetime import datetime, time
from functools import partial

from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DateContentItem,
    ImageContentItem,
    RelationshipTypeValues,
    TextContentItem,
    TimeContentItem,
)
from pydicom.sr.codedict import codes as public
from pydicom.sr.coding import Code

from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.results import codes
from dcis_node.results.answer import SourceImage
from dcis_node.results.identity import plain
from dcis_node.results.sr.tree import code_item, container, number_item, with_below

_ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(images: Iterable[SourceImage]) -> ContainerContentItem:
    """List views with laterality, view, size, orientation and spacing, as far as they are known."""
    entries: list[ContentItem] = [_entry(image.header) for image in images]
    return container(codes.IMAGE_LIBRARY, [container(codes.IMAGE_LIBRARY_GROUP, entries)], template="1600")


def _entry(header: MammogramHeader) -> ImageContentItem:
    item = ImageContentItem(
        # TID 1601 leaves the name open; highdicom and some readers want one.
        name=CodedConcept.from_code(codes.SOURCE),
        referenced_sop_class_uid=header.sop_class_uid,
        referenced_sop_instance_uid=header.sop_instance_uid,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    item.ContentSequence = ContentSequence(_descriptors(header))
    return item


def _descriptors(header: MammogramHeader) -> list[ContentItem]:
    items: list[ContentItem] = [code_item(public.DCM.Modality, codes.MODALITY_MG, relationship=_ACQUISITION)]
    side, view = codes.SIDE.get(header.laterality or ""), codes.VIEW.get(header.view or "")
    if side is not None:
        items.append(code_item(public.DCM.ImageLaterality, side, relationship=_ACQUISITION))
    if view is not None:
        items.append(_view(view, header))
    items += _acquired(header)
    items.append(_number(public.DCM.PixelDataRows, header.rows, codes.PIXELS))
    items.append(_number(public.DCM.PixelDataColumns, header.columns, codes.PIXELS))
    if len(header.patient_orientation) == 2:
        names = (public.DCM.PatientOrientationRow, public.DCM.PatientOrientationColumn)
        items += [_text(name, value) for name, value in zip(names, header.patient_orientation, strict=True)]
    if header.spacing_mm is not None:
        items.append(_number(public.DCM.HorizontalPixelSpacing, header.spacing_mm[1], codes.MILLIMETRE))
        items.append(_number(public.DCM.VerticalPixelSpacing, header.spacing_mm[0], codes.MILLIMETRE))
    if header.magnification is not None:
        items.append(_number(codes.MAGNIFICATION, header.magnification, codes.NO_UNITS))
    return items


def _acquired(header: MammogramHeader) -> list[ContentItem]:
    """Give date and time of the acquisition where the header states them: they tell repeated exposures apart."""
    if not header.sources.get("acquired", "").startswith("Acquisition"):
        return []
    moment = datetime.strptime(header.acquired, "%Y%m%d%H%M%S")  # noqa: DTZ007 - DA and TM have no zone
    day = DateContentItem(CodedConcept.from_code(public.DCM.AcquisitionDate), moment.date(), _ACQUISITION)
    # Midnight stands for a time that is not known.
    clock = TimeContentItem(CodedConcept.from_code(public.DCM.AcquisitionTime), moment.time(), _ACQUISITION)
    return [day, clock] if moment.time() != time() else [day]


def _view(view: Code, header: MammogramHeader) -> ContentItem:
    """Give the view with its modifiers below it (TID 1603 rows 1 and 2)."""
    item = code_item(public.DCM.ImageView, view, relationship=_ACQUISITION)
    modifiers = [codes.VIEW_MODIFIERS[name] for name in header.modifiers if name in codes.VIEW_MODIFIERS]
    modifier = partial(code_item, public.DCM.ImageViewModifier, relationship=RelationshipTypeValues.HAS_CONCEPT_MOD)
    return with_below(item, [modifier(value) for value in modifiers])


def _number(name: Code, value: float, unit: Code) -> ContentItem:
    return number_item(name, value, unit, relationship=_ACQUISITION)


def _text(name: Code, value: str) -> TextContentItem:
    return TextContentItem(
        name=CodedConcept.from_code(name), value=plain(value, limit=16), relationship_type=_ACQUISITION
    )
