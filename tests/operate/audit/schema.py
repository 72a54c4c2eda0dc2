"""The schema of PS3.15 A.5.1 as a table, and what A.5.3 demands of single messages: a judge of audit messages.

Written from the standard, without a look at the program. Each element: its attributes (a pattern; "?" before the name:
optional) and its children in order, with the least and the most of each.
"""

import base64
import re
from xml.etree.ElementTree import Element, fromstring

WORDS = r"\S(.*\S)?"
TEXT = r"(.|\n)*"
UID = r"[0-2](\.(0|[1-9][0-9]*))*"
DATE_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?"
BASE64 = r"[A-Za-z0-9+/]*={0,2}"
MANY = 10**9

CODED = ({"csd-code": WORDS, "codeSystemName": WORDS, "?displayName": WORDS, "originalText": WORDS}, [])
NAMED_UID = ({"UID": UID}, [])
FLAG = ({}, [], r"true|false|0|1")

ELEMENTS = {
    "AuditMessage": (
        {},
        [
            ("EventIdentification", 1, 1),
            ("ActiveParticipant", 1, MANY),
            ("AuditSourceIdentification", 1, 1),
            ("ParticipantObjectIdentification", 0, MANY),
        ],
    ),
    "EventIdentification": (
        {"?EventActionCode": "[CRUDE]", "EventDateTime": DATE_TIME, "EventOutcomeIndicator": "0|4|8|12"},
        [("EventID", 1, 1), ("EventTypeCode", 0, MANY), ("EventOutcomeDescription", 0, 1)],
    ),
    "EventID": CODED,
    "EventTypeCode": CODED,
    "EventOutcomeDescription": ({}, [], TEXT),
    "ActiveParticipant": (
        {
            "UserID": TEXT,
            "?AlternativeUserID": TEXT,
            "?UserName": TEXT,
            "UserIsRequestor": "true|false|0|1",
            "?NetworkAccessPointID": WORDS,
            "?NetworkAccessPointTypeCode": "[1-5]",
        },
        [("RoleIDCode", 0, MANY), ("MediaIdentifier", 0, 1)],
    ),
    "RoleIDCode": CODED,
    "MediaIdentifier": ({}, [("MediaType", 1, 1)]),
    "MediaType": CODED,
    "AuditSourceIdentification": (
        {"?AuditEnterpriseSiteID": WORDS, "AuditSourceID": WORDS},
        [("AuditSourceTypeCode", 0, MANY)],
    ),
    "AuditSourceTypeCode": (
        {"csd-code": WORDS, "?codeSystemName": WORDS, "?displayName": WORDS, "?originalText": WORDS},
        [],
    ),
    "ParticipantObjectIdentification": (
        {
            "ParticipantObjectID": WORDS,
            "?ParticipantObjectTypeCode": "[1-4]",
            "?ParticipantObjectTypeCodeRole": "[1-9]|1[0-9]|2[0-6]",
            "?ParticipantObjectDataLifeCycle": "[1-9]|1[0-5]",
            "?ParticipantObjectSensitivity": WORDS,
        },
        [
            ("ParticipantObjectIDTypeCode", 1, 1),
            ("ParticipantObjectName", 0, 1),
            ("ParticipantObjectQuery", 0, 1),
            ("ParticipantObjectDetail", 0, MANY),
            ("ParticipantObjectDescription", 0, MANY),
        ],
    ),
    "ParticipantObjectIDTypeCode": CODED,
    "ParticipantObjectName": ({}, [], WORDS),
    "ParticipantObjectQuery": ({}, [], BASE64),
    "ParticipantObjectDetail": ({"type": WORDS, "value": BASE64}, []),
    "ParticipantObjectDescription": (
        {},
        [
            ("MPPS", 0, MANY),
            ("Accession", 0, MANY),
            ("SOPClass", 0, MANY),
            ("ParticipantObjectContainsStudy", 0, 1),
            ("Encrypted", 0, 1),
            ("Anonymized", 0, 1),
        ],
    ),
    "MPPS": NAMED_UID,
    "Accession": ({"Number": WORDS}, []),
    "SOPClass": ({"?UID": UID, "NumberOfInstances": r"\d+"}, [("Instance", 0, MANY)]),
    "Instance": NAMED_UID,
    "ParticipantObjectContainsStudy": ({}, [("StudyIDs", 0, MANY)]),
    "StudyIDs": NAMED_UID,
    "Encrypted": FLAG,
    "Anonymized": FLAG,
}

# A.5.3: by EventID, what each message must have: action codes, types of the event, roles of its participants, and the
# participant objects by (type, role, ID type).
STUDY, PATIENT, NODE = ("2", "3", "110180"), ("1", "1", "2"), ("2", "13", "110182")
QUERY = ("2", "3", "110181")
MESSAGES = {
    "110100": ({"E"}, {"110120", "110121"}, {"110150"}, set()),
    "110102": ({"E"}, None, {"110152", "110153"}, {STUDY, PATIENT}),
    "110104": ({"C", "R", "U"}, None, {"110152", "110153"}, {STUDY, PATIENT}),
    "110103": ({"C", "R", "U", "D"}, None, set(), {STUDY, PATIENT}),
    "110105": ({"D"}, None, set(), {STUDY, PATIENT}),
    "110112": ({"E"}, None, {"110152", "110153"}, {QUERY}),
    "110113": ({"E"}, {"110126", "110132", "110133"}, set(), {NODE}),
}


def parsed(xml: str) -> Element:
    """Read a message; raises ParseError if it is no XML."""
    return fromstring(xml)  # noqa: S314 -- what the program under test has written


def faults(xml: str) -> list[str]:
    """Say what is wrong with an audit message; empty for a good one."""
    root = parsed(xml)
    if root.tag != "AuditMessage":
        return [f"the root is {root.tag}"]
    found = [fault for element in root.iter() for fault in _element_faults(element)]
    return found or _message_faults(root)


def details(element: Element) -> dict[str, str]:
    """Read the details of a participant object."""
    return {d.get("type"): base64.b64decode(d.get("value")).decode() for d in element.iter("ParticipantObjectDetail")}


def _element_faults(element: Element) -> list[str]:
    if element.tag not in ELEMENTS:
        return [f"{element.tag} is unknown"]
    attributes, children, *text = ELEMENTS[element.tag]
    known = {name.lstrip("?"): pattern for name, pattern in attributes.items()}
    found = [f"{element.tag} lacks {name}" for name in attributes if name[0] != "?" and name not in element.attrib]
    found += [f"{element.tag} has {name}" for name in element.attrib if name not in known]
    found += [
        f"{element.tag} {name} is {value!r}"
        for name, value in element.attrib.items()
        if name in known and not re.fullmatch(known[name], value)
    ]
    if not re.fullmatch(text[0] if text else r"\s*", element.text or ""):
        found.append(f"{element.tag} says {element.text!r}")
    if element.tag == "ParticipantObjectIdentification":
        choice = [child.tag for child in element if child.tag in {"ParticipantObjectName", "ParticipantObjectQuery"}]
        found += [] if len(choice) == 1 else [f"a participant object has {choice} and not one of the two"]
    return found + _order_faults(element, children)


def _order_faults(element: Element, children: list[tuple[str, int, int]]) -> list[str]:
    tags = [child.tag for child in element]
    names = [name for name, _, _ in children]
    found = [f"{element.tag} has {tags.count(name)} {name}" for name, least, most in children
             if not least <= tags.count(name) <= most]  # fmt: skip
    found += [f"{element.tag} may not have {tag}" for tag in tags if tag not in names]
    in_order = [tag for name in names for tag in tags if tag == name]
    return found or ([] if in_order == tags else [f"{element.tag}: children in the order {tags}"])


def _message_faults(root: Element) -> list[str]:
    event = root.find("EventIdentification")
    number = event.find("EventID").get("csd-code")
    if number not in MESSAGES:
        return [f"event {number} is unknown"]
    actions, types, roles, objects = MESSAGES[number]
    found = []
    if event.get("EventActionCode") not in actions:
        found.append(f"action {event.get('EventActionCode')} in event {number}")
    told_types = {code.get("csd-code") for code in event.findall("EventTypeCode")}
    if (types is None and told_types) or (types is not None and (not told_types or told_types - types)):
        found.append(f"types {told_types} in event {number}")
    told_roles = {code.get("csd-code") for code in root.iter("RoleIDCode")}
    if roles - told_roles:
        found.append(f"roles {told_roles} in event {number}")
    told_objects = {
        (
            thing.get("ParticipantObjectTypeCode"),
            thing.get("ParticipantObjectTypeCodeRole"),
            thing.find("ParticipantObjectIDTypeCode").get("csd-code"),
        )
        for thing in root.findall("ParticipantObjectIdentification")
    }
    if told_objects != objects:
        found.append(f"objects {told_objects} in event {number}")
    return found
