"""Which audit message an event becomes: PS3.15 A.5.3, message by message.

A.5.3.3 and A.5.3.7 want the patient's number (M) in a message about instances. It is not there: the audit trail
leaves the machine and outlives the images, and who watches transfers need not know whose they are. The patient object
is present, with the number of the exam in this node's index where that is known; it and the Study Instance UID lead
those who may ask the node or the PACS to the patient.
"""

from dataclasses import replace

from dcis_node.deliver.events import ResultsSending, ResultsSent
from dcis_node.operate.audit import codes
from dcis_node.operate.audit.codes import Code
from dcis_node.operate.audit.events import Event, NodeStarted, NodeStopped, RecordingGap, RefusedAgain, StudyRemoved
from dcis_node.operate.audit.message import (
    AuditMessage,
    AuditSource,
    Outcome,
    Participant,
    ParticipantObject,
    timestamp,
)
from dcis_node.receive.events import PeerRefused, StudyReceived
from dcis_node.retrieve.events import TRANSFER_SYNTAX, SourceQueried

EXECUTE, CREATE, READ, DELETE = "E", "C", "R", "D"
# Refused for who the peer is or says it is; the other rules are about what it does.
IDENTITY_RULES = frozenset({"address", "called_aet", "calling_aet", "certificate", "tls_handshake"})
WITHHELD = "withheld"


def messages_of(event: Event, source: AuditSource, *, at: float) -> tuple[AuditMessage, ...]:
    """Say an event as audit messages: more than one where part of it has failed (A.5.2, EventOutcomeIndicator).

    Parameters
    ----------
    source
        This process: it takes part in all that it tells.
    at
        When it happened, Unix seconds.
    """
    if isinstance(event, ResultsSent):
        return _sent(event, source, at)
    return (_message(event, source, at),)


def _message(event: Event, source: AuditSource, at: float) -> AuditMessage:
    match event:
        case NodeStarted():
            return _activity(codes.APPLICATION_START, source, at)
        case NodeStopped():
            return _activity(codes.APPLICATION_STOP, source, at)
        case PeerRefused():
            return _alert(event, event.text, source, at)
        case RefusedAgain():
            return _alert(event.refused, _again(event), source, at)
        case RecordingGap():
            return _gap(event, source, at)
        case StudyReceived():
            return _received(event, source, at)
        case StudyRemoved():
            return _removed(event, source, at)
        case ResultsSending():
            return _sending(event, source, at)
        case SourceQueried():
            return _queried(event, source, at)
    raise AssertionError


def _node(source: AuditSource, *, is_requestor: bool, role: Code | None = None, aet: str = "") -> Participant:
    return Participant(
        str(source.pid), is_requestor=is_requestor, role=role, aets=(aet or source.aet,), name=source.process
    )


def _peer(aet: str, address: str, *, is_requestor: bool, role: Code | None = None) -> Participant:
    """Say who the peer is: its process is not known here, so its AE title stands for it, or its address."""
    aets = (aet,) if aet else ()
    return Participant(aet or address or "unknown", is_requestor=is_requestor, role=role, aets=aets, address=address)


def _activity(kind: Code, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.1."""
    application = _node(source, is_requestor=False, role=codes.APPLICATION)
    return AuditMessage(codes.APPLICATION_ACTIVITY, EXECUTE, Outcome.SUCCESS, at, (application,), types=(kind,))


def _alert(refused: PeerRefused, text: str, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.11; a minor failure is one whose mitigation was effective: the peer did not get in."""
    kind = codes.NODE_AUTHENTICATION if refused.rule in IDENTITY_RULES else codes.RESTRICTED_FUNCTION
    subject = ParticipantObject(
        "2", "13", codes.NODE_ID, refused.address or "unknown", refused.calling_aet or "not given",
        details={"Alert Description": text, "Rule": refused.rule, "Called AE Title": refused.called_aet or "not given"},
    )  # fmt: skip
    return AuditMessage(
        codes.SECURITY_ALERT,
        EXECUTE,
        Outcome.MINOR_FAILURE,
        at,
        (
            _node(source, is_requestor=False, role=codes.DESTINATION),
            _peer(refused.calling_aet, refused.address, is_requestor=True, role=codes.SOURCE),
        ),
        types=(kind,),
        description=text,
        objects=(subject,),
    )


def _again(event: RefusedAgain) -> str:
    from_where = f" from {event.addresses} addresses" if event.addresses > 1 else ""
    return f"{event.times} more in {event.seconds:.0f} s{from_where}, the last: {event.refused.text}"


def _gap(event: RecordingGap, source: AuditSource, at: float) -> AuditMessage:
    text = f"audit messages could not be written from {timestamp(event.since)} on: {event.why}; lost: {event.lost}"
    subject = ParticipantObject(
        "2", "13", codes.NODE_ID, source.host, "audit trail", details={"Alert Description": text}
    )
    return AuditMessage(
        codes.SECURITY_ALERT,
        EXECUTE,
        Outcome.SERIOUS_FAILURE if event.lost else Outcome.MINOR_FAILURE,
        at,
        (_node(source, is_requestor=False),),
        types=(codes.RECORDING_STOPPED,),
        description=text,
        objects=(subject,),
    )


def _received(event: StudyReceived, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.7, told by the receiver: C where the instances are new here, R where it holds them already.

    Other bytes under a known UID are a minor failure: what is held stays, the others are kept aside.
    """
    conflict = event.outcome == "conflict"
    details = {"Association": str(event.association)} if event.association else {}
    return AuditMessage(
        codes.INSTANCES_TRANSFERRED,
        CREATE if event.outcome == "new" else READ,
        Outcome.MINOR_FAILURE if conflict else Outcome.SUCCESS,
        at,
        (
            _peer(event.calling_aet, event.address, is_requestor=True, role=codes.SOURCE),
            _node(source, is_requestor=False, role=codes.DESTINATION),
        ),
        description="other bytes under known SOP Instance UIDs: kept aside" if conflict else "",
        objects=(
            _study(event.study_instance_uid, event.sop_classes, details),
            _patient(f"exam-{event.exam}" if event.exam else WITHHELD),
        ),
    )


def _removed(event: StudyRemoved, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.8 if nothing of the study is here any more, which A.5.3.6 demands; else A.5.3.6 with the action D."""
    return AuditMessage(
        codes.STUDY_DELETED if event.whole else codes.INSTANCES_ACCESSED,
        DELETE,
        Outcome.SUCCESS,
        at,
        (_node(source, is_requestor=True),),
        objects=(
            _study(event.study_instance_uid, event.sop_classes, {"Removed": f"{event.what}, by the rule of retention"}),
            _patient(f"exam-{event.exam}"),
        ),
    )


def _queried(event: SourceQueried, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.10, told by who asks, before it does; the query is there without the values that identify the patient."""
    details = {"TransferSyntax": TRANSFER_SYNTAX, "Source": event.source, "Exam": f"exam-{event.exam}"}
    return AuditMessage(
        codes.QUERY,
        EXECUTE,
        Outcome.SUCCESS,
        at,
        (
            _node(source, is_requestor=True, role=codes.SOURCE, aet=event.calling_aet),
            _peer(event.called_aet, event.host, is_requestor=False, role=codes.DESTINATION),
        ),
        objects=(
            ParticipantObject(
                "2", "3", codes.SOP_CLASS_UID, event.sop_class_uid, "", details=details, query=event.keys
            ),
        ),
    )


def _sending(event: ResultsSending, source: AuditSource, at: float) -> AuditMessage:
    """A.5.3.3."""
    return AuditMessage(
        codes.BEGIN_TRANSFERRING,
        EXECUTE,
        Outcome.SUCCESS,
        at,
        _both_ends(event, source),
        objects=_results(event),
    )


def _sent(event: ResultsSent, source: AuditSource, at: float) -> tuple[AuditMessage, ...]:
    """A.5.3.7, told by the sender, who does not know what the receiver held before: R."""
    outcomes = ((event.taken, Outcome.SUCCESS, ""), (event.not_taken, Outcome.MINOR_FAILURE, event.text))
    return tuple(
        AuditMessage(
            codes.INSTANCES_TRANSFERRED,
            READ,
            outcome,
            at,
            _both_ends(event.sending, source),
            description=text,
            objects=_results(replace(event.sending, sop_classes=sop_classes)),
        )
        for sop_classes, outcome, text in outcomes
        if sop_classes
    )


def _both_ends(event: ResultsSending, source: AuditSource) -> tuple[Participant, Participant]:
    return (
        _node(source, is_requestor=True, role=codes.SOURCE, aet=event.calling_aet),
        _peer(event.called_aet, event.host, is_requestor=False, role=codes.DESTINATION),
    )


def _results(event: ResultsSending) -> tuple[ParticipantObject, ParticipantObject]:
    study = _study(event.study_instance_uid, event.sop_classes, {"Destination": event.destination})
    return study, _patient(WITHHELD)


def _study(uid: str, sop_classes: tuple[tuple[str, int], ...], details: dict[str, str]) -> ParticipantObject:
    return ParticipantObject("2", "3", codes.STUDY_INSTANCE_UID, uid, "study", details=details, sop_classes=sop_classes)


def _patient(number: str) -> ParticipantObject:
    return ParticipantObject("1", "1", codes.PATIENT_NUMBER, number, WITHHELD)
