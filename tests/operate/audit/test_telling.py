"""Each event becomes the message that PS3.15 A.5.3 describes, in the schema of A.5.1, on one line."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.operate.audit.message import to_xml
from dcis_node.operate.audit.syslog import BOM, framed, syslog_line
from dcis_node.operate.audit.telling import messages_of
from dcis_node.receive.events import PeerRefused
from tests.operate.audit.events_told import EVENTS, QUERIED, SOURCE
from tests.operate.audit.schema import details, faults, parsed

AT = 1795457687.25


def told(event):
    return [to_xml(message, SOURCE) for message in messages_of(event, SOURCE, at=AT)]


def the_one(event):
    (xml,) = told(event)
    return parsed(xml)


@pytest.mark.parametrize("name", EVENTS)
def test_every_message_fits_the_schema_and_the_table_of_its_event(name):
    assert [fault for xml in told(EVENTS[name]) for fault in faults(xml)] == []


GOOD = told(EVENTS["received"])[0]
BAD = {
    "no action": (' EventActionCode="C"', ""),
    "another action": ('EventActionCode="C"', 'EventActionCode="E"'),
    "an unknown outcome": ('EventOutcomeIndicator="0"', 'EventOutcomeIndicator="1"'),
    "a date only": ("2026-11-23T", "2026-11-23"),
    "no source": ("AuditSourceIdentification", "AuditSource"),
    "no user": (' UserID="PACS"', ""),
    "an attribute of its own": (' UserID="PACS"', ' UserID="PACS" Patient="X"'),
    "a role too few": ('csd-code="110152"', 'csd-code="110151"'),
    "no study": ('csd-code="110180"', 'csd-code="110181"'),
    "no patient": ('ParticipantObjectTypeCode="1"', 'ParticipantObjectTypeCode="2"'),
    "an object without a name": ("<ParticipantObjectName>study</ParticipantObjectName>", ""),
    "a detail that is not base64": ('type="Association" value="Nw=="', 'type="Association" value="7 "'),
    "text where none may be": ("</EventIdentification>", "x</EventIdentification>", "<EventID", "y<EventID"),
    "a code without its meaning": (' originalText="Study Instance UID"', ""),
    "another order": ("<AuditMessage>", "<AuditMessage><AuditSourceIdentification AuditSourceID='x'/>"),
    "another event": ('csd-code="110104"', 'csd-code="110199"'),
}


@pytest.mark.parametrize("name", BAD)
def test_the_judge_finds_every_fault(name):
    bad = GOOD
    for before, after in zip(BAD[name][::2], BAD[name][1::2], strict=True):
        assert before in bad
        bad = bad.replace(before, after)
    assert faults(bad)


def test_a_refused_peer_is_a_node_authentication_and_a_full_node_is_not():
    kinds = {
        name: the_one(EVENTS[name]).find("EventIdentification/EventTypeCode").get("csd-code")
        for name in ("refused", "handshake", "limit")
    }
    assert kinds == {"refused": "110126", "handshake": "110126", "limit": "110132"}


def test_the_alert_says_rule_and_reason():
    assert details(the_one(EVENTS["refused"])) == {
        "Alert Description": "calling AE title 'STRANGER' is not known",
        "Rule": "calling_aet",
        "Called AE Title": "DCIS_NODE",
    }


def test_new_images_are_created_known_ones_read_and_other_bytes_a_minor_failure():
    events = {
        name: the_one(EVENTS[name]).find("EventIdentification") for name in ("received", "received again", "conflict")
    }
    codes = [(e.get("EventActionCode"), e.get("EventOutcomeIndicator")) for e in events.values()]
    assert codes == [("C", "0"), ("R", "0"), ("R", "4")]


def test_what_leaves_is_a_deletion_of_the_study_only_if_nothing_of_it_is_left():
    found = [
        (event.get("EventActionCode"), event.find("EventID").get("csd-code"))
        for event in (
            the_one(EVENTS[f"{what} removed"]).find("EventIdentification") for what in ("images", "results", "rows")
        )
    ]
    assert found == [("D", "110103"), ("D", "110105"), ("D", "110105")]


def test_what_was_taken_and_what_was_not_are_two_messages():
    outcomes = [
        parsed(xml).find("EventIdentification").get("EventOutcomeIndicator") for xml in told(EVENTS["sent in part"])
    ]
    assert outcomes == ["0", "4"]


def test_a_service_without_an_ae_title_is_named_by_its_host_and_we_by_ours():
    us, service = the_one(EVENTS["sent by DICOMweb"]).findall("ActiveParticipant")
    assert (service.get("UserID"), service.get("NetworkAccessPointID")) == ("pacs.example", "pacs.example")
    assert service.get("AlternativeUserID") is None
    assert us.get("AlternativeUserID") == "AETITLES=DCIS_NODE"


def test_no_patient_is_named_and_the_exam_stands_for_her():
    patient = the_one(EVENTS["received"]).findall("ParticipantObjectIdentification")[1]
    assert patient.get("ParticipantObjectID") == "exam-12"
    assert patient.findtext("ParticipantObjectName") == "withheld"


@given(st.text(max_size=2000), st.text(max_size=2000), st.text(max_size=2000))
def test_whatever_a_peer_says_gives_one_line_of_good_xml_below_32768_octets(text, aet, address):
    (message,) = messages_of(PeerRefused("protocol", address, aet, aet, text), SOURCE, at=AT)
    line = syslog_line(message, SOURCE, number=1)
    assert b"\n" not in line
    assert b"\r" not in line
    assert len(line) <= 32768
    parsed(line.decode().partition(BOM)[2])


def test_a_syslog_line_has_the_header_of_rfc_5424_and_the_byte_order_mark():
    (message,) = messages_of(EVENTS["received"], SOURCE, at=AT)
    line = syslog_line(message, SOURCE, number=3).decode()
    header, _, xml = line.partition(BOM)
    assert header == (
        '<85>1 2026-11-23T18:14:47.250000Z node.example dcis-node receive-0.4711 DICOM+RFC3881 [meta sequenceId="3"] '
    )
    assert faults(xml) == []


def test_a_frame_is_the_length_in_octets_and_the_line():
    assert framed("ä".encode()) == b"2 \xc3\xa4"


def test_an_address_is_an_address_and_a_name_a_name():
    kinds = {
        host: re.search('NetworkAccessPointTypeCode="(.)"', told(PeerRefused("limit", host, "", "", "x"))[0]).group(1)
        for host in ("10.1.2.3", "::1", "pacs.example")
    }
    assert kinds == {"10.1.2.3": "2", "::1": "2", "pacs.example": "1"}


def test_a_query_names_who_asks_whom_with_which_class_and_keys():
    message = the_one(EVENTS["queried"])
    thing = message.find("ParticipantObjectIdentification")
    assert thing.get("ParticipantObjectID") == "1.2.840.10008.5.1.4.1.2.2.1"
    assert base64.b64decode(thing.find("ParticipantObjectQuery").text) == QUERIED.keys
    assert details(message) == {"TransferSyntax": "1.2.840.10008.1.2.1", "Source": "archive", "Exam": "exam-12"}
    asking, asked = message.findall("ActiveParticipant")
    assert (asking.get("UserIsRequestor"), asking.get("AlternativeUserID")) == ("true", "AETITLES=DCIS_NODE")
    assert (asked.get("UserIsRequestor"), asked.get("NetworkAccessPointID")) == ("false", "10.1.2.5")
