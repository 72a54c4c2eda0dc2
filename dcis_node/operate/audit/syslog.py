"""Audit messages as syslog messages: RFC 5424, framed for TCP (RFC 6587) and TLS (RFC 5425) by their length."""

import re

from dcis_node.operate.audit.message import AuditMessage, AuditSource, timestamp, to_xml

# PS3.15 A.6: facility 10 (security), severity 5 (normal but significant); 8 * 10 + 5.
PRIORITY = 85
APP_NAME = "dcis-node"
MSGID = "DICOM+RFC3881"  # PS3.15 A.6
# RFC 5424 6: a message in UTF-8 begins with the byte order mark.
BOM = "\ufeff"
LONGEST_HOST, LONGEST_PROCID = 255, 128
LAST_SEQUENCE_ID = 2147483647  # RFC 5424 7.3.1
_NOT_PRINTED = re.compile(r"[^\x21-\x7e]")


def syslog_line(message: AuditMessage, source: AuditSource, *, number: int) -> bytes:
    """Write a message as it is kept and sent: one line in UTF-8 without its end.

    Parameters
    ----------
    number
        Counts the messages of one process from 1. With host, process id and time it names the message, so that one that
        was sent twice can be told: the two are the same bytes.
    """
    host = _printed(source.host, LONGEST_HOST)
    process = _printed(f"{source.process}.{source.pid}", LONGEST_PROCID)
    sequence = (number - 1) % LAST_SEQUENCE_ID + 1
    header = f"<{PRIORITY}>1 {timestamp(message.at)} {host} {APP_NAME} {process} {MSGID}"
    return f'{header} [meta sequenceId="{sequence}"] {BOM}{to_xml(message, source)}'.encode()


def framed(line: bytes) -> bytes:
    """Put the length before a message (RFC 6587 3.4.1 and RFC 5425 4.3: octet counting)."""
    return b"%d %b" % (len(line), line)


def _printed(text: str, longest: int) -> str:
    return _NOT_PRINTED.sub("?", text)[:longest] or "-"
