"""Content items that both reports use, in the words of PS3.3 C.17.3."""

import textwrap
from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.codedict import codes as public
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from dcis_node.mammogram.facts import ImageKind
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, ObjectReference, SourceImage
from dcis_node.results.identity import device_uid, plain

# UT is not limited; viewers show long items badly.
TEXT_LIMIT = 1000


def text(name: Code, value: str, *, width: int = 0) -> TextContentItem:
    """Give a TEXT item, contained; the value is made plain, and broken into lines of a width if there is one."""
    cleaned = plain(value, limit=TEXT_LIMIT)
    return TextContentItem(
        name=CodedConcept.from_code(name),
        value="\r\n".join(textwrap.wrap(cleaned, width)) if width else cleaned,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def code_item(name: Code, value: Code, *, relationship: RelationshipTypeValues) -> CodeContentItem:
    """Give a CODE item."""
    return CodeContentItem(
        name=CodedConcept.from_code(name), value=CodedConcept.from_code(value), relationship_type=relationship
    )


def number_item(
    name: Code, value: float, unit: Code, *, relationship: RelationshipTypeValues, digits: int = 6
) -> NumContentItem:
    """Give a NUM item; rounded, as DS has 16 characters, and a plain float, as highdicom refuses numpy's float32."""
    return NumContentItem(
        name=CodedConcept.from_code(name),
        value=round(float(value), digits),
        unit=CodedConcept.from_code(unit),
        relationship_type=relationship,
    )


def image_item(
    name: Code, image: SourceImage, *, relationship: RelationshipTypeValues
) -> ImageContentItem | CompositeContentItem:
    """Point at a received object: IMAGE, or COMPOSITE where it is none (PS3.3 C.17.3)."""
    header = image.header
    kind = CompositeContentItem if header.kind is ImageKind.NOT_AN_IMAGE else ImageContentItem
    return kind(
        name=CodedConcept.from_code(name),
        referenced_sop_class_uid=header.sop_class_uid,
        referenced_sop_instance_uid=header.sop_instance_uid,
        relationship_type=relationship,
    )


def mark_item(source: ObjectReference, *, relationship: RelationshipTypeValues) -> ContentItem:
    """Point at a given mark; a SEG is an IMAGE to SR, an SR or a presentation state is a COMPOSITE (PS3.3 C.17.3)."""
    kind = ImageContentItem if source.sop_class_uid == SegmentationStorage else CompositeContentItem
    return kind(
        name=CodedConcept.from_code(codes.GIVEN_MARK),
        referenced_sop_class_uid=source.sop_class_uid,
        referenced_sop_instance_uid=source.sop_instance_uid,
        relationship_type=relationship,
    )


def with_below(item: ContentItem, below: Sequence[ContentItem]) -> ContentItem:
    """Put items under an item, such as what it was inferred from; OHIF shows the item alone."""
    if below:
        item.ContentSequence = ContentSequence(below)
    return item


def container(name: Code, items: list[ContentItem], *, template: str | None = None) -> ContainerContentItem:
    """Give a contained CONTAINER with its children."""
    item = ContainerContentItem(
        name=CodedConcept.from_code(name),
        template_id=template,
        # Viewers run the items of a CONTINUOUS container together into one paragraph.
        is_content_continuous=False,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    item.ContentSequence = ContentSequence(items)
    return item


def language() -> LanguageOfContentItemAndDescendants:
    """Our texts are English (TID 1204)."""
    return LanguageOfContentItemAndDescendants(CodedConcept("en-US", "RFC5646", "English (United States)"))


def observer(answer: ExamAnswer) -> ObservationContext:
    """Name the node as the device that observed (TID 1001, 1004)."""
    own = answer.equipment
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(own),
        name=plain(own.aet or own.station_name or own.model_name, limit=64),
        manufacturer_name=plain(own.manufacturer, limit=64),
        model_name=plain(own.model_name, limit=64),
        serial_number=plain(own.device_serial_number, limit=64) or None,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=public.DCM.Device, observer_identifying_attributes=device)
    )
