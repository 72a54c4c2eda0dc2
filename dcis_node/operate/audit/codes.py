"""The codes of audit messages: PS3.16 CID 400, 401, 402 and 404, defined in PS3.16 Annex D."""

from typing import Final, NamedTuple


class Code(NamedTuple):
    """A coded value: code, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


# Events: CID 400
APPLICATION_ACTIVITY: Final = Code("110100", "DCM", "Application Activity")
INSTANCES_ACCESSED: Final = Code("110103", "DCM", "DICOM Instances Accessed")
STUDY_DELETED: Final = Code("110105", "DCM", "DICOM Study Deleted")
BEGIN_TRANSFERRING: Final = Code("110102", "DCM", "Begin Transferring DICOM Instances")
INSTANCES_TRANSFERRED: Final = Code("110104", "DCM", "DICOM Instances Transferred")
QUERY: Final = Code("110112", "DCM", "Query")
SECURITY_ALERT: Final = Code("110113", "DCM", "Security Alert")

# Types of events: CID 401
APPLICATION_START: Final = Code("110120", "DCM", "Application Start")
APPLICATION_STOP: Final = Code("110121", "DCM", "Application Stop")
NODE_AUTHENTICATION: Final = Code("110126", "DCM", "Node Authentication")
RESTRICTED_FUNCTION: Final = Code("110132", "DCM", "Use of Restricted Function")
RECORDING_STOPPED: Final = Code("110133", "DCM", "Audit Recording Stopped")

# Roles of participants: CID 402
APPLICATION: Final = Code("110150", "DCM", "Application")
DESTINATION: Final = Code("110152", "DCM", "Destination Role ID")
SOURCE: Final = Code("110153", "DCM", "Source Role ID")

# What an object is known by: CID 404, and RFC 3881 5.5.4
STUDY_INSTANCE_UID: Final = Code("110180", "DCM", "Study Instance UID")
SOP_CLASS_UID: Final = Code("110181", "DCM", "SOP Class UID")
NODE_ID: Final = Code("110182", "DCM", "Node ID")
PATIENT_NUMBER: Final = Code("2", "RFC-3881", "Patient Number")
