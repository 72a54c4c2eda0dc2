"""One audit message as XML: the schema of PS3.15 A.5.1, whatever the message is about.

What a peer has said (an AE title, say) may stand in a message; nothing of an object's data set but UIDs does.
"""

import base64
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement, tostring

from dcis_node.operate.audit.codes import Code

# Longer texts are cut, so that no message comes near the 32768 octets that every repository takes (PS3.15 A.6).
LONGEST_TEXT = 500
# What XML 1.0 (2.2) cannot hold, and what would break the line that a message stands in.
_NOT_XML = re.compile("[^\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Outcome(StrEnum):
    """EventOutcomeIndicator (A.5.1)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


@dataclass(frozen=True)
class Participant:
    """An ActiveParticipant.

    Parameters
    ----------
    user_id
        The process, or of a peer what is known of it (A.5.2.1).
    aets
        Its AE titles (A.5.2.2).
    address
        An IP address or a machine's name; "" where unknown.
    """

    user_id: str
    is_requestor: bool
    role: Code | None = None
    aets: tuple[str, ...] = ()
    name: str = ""
    address: str = ""


@dataclass(frozen=True)
class ParticipantObject:
    """A ParticipantObjectIdentification.

    Parameters
    ----------
    type_code, role_code
        A.5.1.2 and Table A.5.2.6-1.
    details
        ParticipantObjectDetail: type and value; written in base64, as the schema has it.
    sop_classes
        SOP Class UID and number of instances.
    query
        An encoded query; it stands in the place of the name then (ParticipantObjectQuery).
    """

    type_code: str
    role_code: str
    id_type: Code
    object_id: str
    name: str
    details: Mapping[str, str] = field(default_factory=dict)
    sop_classes: tuple[tuple[str, int], ...] = ()
    query: bytes = b""


@dataclass(frozen=True)
class AuditSource:
    """Who reports: the same in all messages of one process.

    Parameters
    ----------
    aet
        The node's AE title.
    host
        The machine's name.
    process
        `<role>-<number>`.
    pid
        Of the process.
    site
        The institution; "" where not configured.
    """

    aet: str
    host: str
    process: str
    pid: int
    site: str = ""


@dataclass(frozen=True)
class AuditMessage:
    """One event with all that took part in it; `at` is in Unix seconds, `action` one of C, R, U, D, E."""

    event: Code
    action: str
    outcome: Outcome
    at: float
    participants: Sequence[Participant]
    types: tuple[Code, ...] = ()
    description: str = ""
    objects: Sequence[ParticipantObject] = ()


def to_xml(message: AuditMessage, source: AuditSource) -> str:
    """Write a message as one line of XML."""
    root = Element("AuditMessage")
    _event(root, message)
    for participant in message.participants:
        _participant(root, participant)
    site = {"AuditEnterpriseSiteID": clean(source.site)} if source.site else {}
    told = SubElement(root, "AuditSourceIdentification", site, AuditSourceID=clean(f"{source.aet}@{source.host}"))
    SubElement(told, "AuditSourceTypeCode", {"csd-code": "4"})  # application server process
    for thing in message.objects:
        _object(root, thing)
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode")


def clean(text: str) -> str:
    """Make any text fit into one line of XML: what cannot stand there becomes "?", and it is cut at `LONGEST_TEXT`."""
    return _NOT_XML.sub("?", text)[:LONGEST_TEXT]


def timestamp(at: float) -> str:
    """Write Unix seconds as RFC 3339 and XML Schema have them, in UTC with microseconds."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _code(parent: Element, name: str, code: Code) -> None:
    SubElement(parent, name, {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning})


def _event(root: Element, message: AuditMessage) -> None:
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=timestamp(message.at),
        EventOutcomeIndicator=message.outcome.value,
    )
    _code(event, "EventID", message.event)
    for kind in message.types:
        _code(event, "EventTypeCode", kind)
    if message.description:
        SubElement(event, "EventOutcomeDescription").text = clean(message.description)


def _participant(root: Element, participant: Participant) -> None:
    attributes = {"UserID": clean(participant.user_id), "UserIsRequestor": str(participant.is_requestor).lower()}
    if participant.aets:
        attributes["AlternativeUserID"] = clean("AETITLES=" + ";".join(participant.aets))
    if participant.name:
        attributes["UserName"] = clean(participant.name)
    if participant.address:
        kind = "2" if _is_ip_address(participant.address) else "1"
        attributes |= {"NetworkAccessPointID": clean(participant.address), "NetworkAccessPointTypeCode": kind}
    element = SubElement(root, "ActiveParticipant", attributes)
    if participant.role is not None:
        _code(element, "RoleIDCode", participant.role)


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _object(root: Element, thing: ParticipantObject) -> None:
    element = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=clean(thing.object_id),
        ParticipantObjectTypeCode=thing.type_code,
        ParticipantObjectTypeCodeRole=thing.role_code,
    )
    _code(element, "ParticipantObjectIDTypeCode", thing.id_type)
    if thing.query:
        SubElement(element, "ParticipantObjectQuery").text = base64.b64encode(thing.query).decode("ascii")
    else:
        SubElement(element, "ParticipantObjectName").text = clean(thing.name)
    for kind, value in thing.details.items():
        encoded = base64.b64encode(clean(value).encode()).decode("ascii")
        SubElement(element, "ParticipantObjectDetail", type=kind, value=encoded)
    if thing.sop_classes:
        description = SubElement(element, "ParticipantObjectDescription")
        for uid, count in thing.sop_classes:
            SubElement(description, "SOPClass", UID=clean(uid), NumberOfInstances=str(count))
