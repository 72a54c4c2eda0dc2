"""One event of each kind, and who tells them."""

from dcis_node.deliver.events import ResultsSending, ResultsSent
from dcis_node.operate.audit.events import NodeStarted, NodeStopped, RecordingGap, RefusedAgain, StudyRemoved
from dcis_node.operate.audit.message import AuditSource
from dcis_node.receive.events import PeerRefused, StudyReceived
from dcis_node.retrieve.events import SourceQueried

MG = "1.2.840.10008.5.1.4.1.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.34"
SOURCE = AuditSource("DCIS_NODE", "node.example", "receive-0", 4711, site="Hospital")
REFUSED = PeerRefused("calling_aet", "10.1.2.3", "STRANGER", "DCIS_NODE", "calling AE title 'STRANGER' is not known")
RECEIVED = StudyReceived(7, "10.1.2.3", "PACS", "1.2.3.4", ((MG, 4),), exam=12)
SENDING = ResultsSending("pacs", "10.1.2.4", "PACS", "DCIS_NODE", "1.2.3.4", ((SR, 2),))
WEB = ResultsSending("web", "pacs.example", "", "", "1.2.3.4", ((SR, 2),))
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
QUERIED = SourceQueried("archive", "10.1.2.5", "ARCHIVE", "DCIS_NODE", 12, FIND, b"\x08\0R\0CS")

EVENTS = {
    "started": NodeStarted(),
    "stopped": NodeStopped(),
    "refused": REFUSED,
    "refused before anything was said": PeerRefused("address", "10.9.9.9", "", "", "not an address of any peer"),
    "limit": PeerRefused("limit", "10.1.2.3", "PACS", "DCIS_NODE", "50 associations are open"),
    "handshake": PeerRefused("tls_handshake", "10.1.2.3", "", "", "the peer showed no certificate"),
    "again": RefusedAgain(REFUSED, 17, 60.0),
    "gap": RecordingGap(3, 1.0, "ENOSPC"),
    "received": RECEIVED,
    "received again": StudyReceived(0, "10.1.2.3", "PACS", "1.2.3.4", ((MG, 4),), outcome="duplicate"),
    "conflict": StudyReceived(7, "10.1.2.3", "PACS", "1.2.3.4", ((MG, 1),), outcome="conflict"),
    "images removed": StudyRemoved("images", 12, "1.2.3.4", ((MG, 4),)),
    "results removed": StudyRemoved("results", 12, "1.2.3.4", ((SR, 2),), whole=True),
    "rows removed": StudyRemoved("rows", 12, "1.2.3.4", whole=True),
    "queried": QUERIED,
    "sending": SENDING,
    "sent": ResultsSent(SENDING, ((SR, 2),)),
    "not sent": ResultsSent(SENDING, (), ((SR, 2),), "pacs refused the connection"),
    "sent by DICOMweb": ResultsSent(WEB, ((SR, 2),)),
    "sent in part": ResultsSent(SENDING, ((SR, 1),), ((SR, 1),), "pacs is out of resources"),
}
