"""Content items that both reports use, in the words of PS3.3 C.17.3."""

import textwrap

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.codedict import codes as public
from pydicom.sr.coding import Code

from dcis_node.results.answer import ExamAnswer
from dcis_node.results.identity import derived_uid, plain

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
        uid=derived_uid("device", own.manufacturer, own.model_name, own.device_serial_number),
        name=plain(own.aet or own.station_name or own.model_name, limit=64),
        manufacturer_name=plain(own.manufacturer, limit=64),
        model_name=plain(own.model_name, limit=64),
        serial_number=plain(own.device_serial_number, limit=64) or None,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=public.DCM.Device, observer_identifying_attributes=device)
    )
