"""Send DICOM files to a peer as they are.

No data set is decoded or re-encoded on the way, but for a peer that takes Implicit VR only and is configured so.
"""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from dcis_node.deliver.implicit import implicit_copy
from dcis_node.deliver.outcome import EchoResult, Failure, Outgoing, PeerAddress, Sent
from dcis_node.deliver.policy import judge_failure, judge_rejection
from dcis_node.deliver.transport import Refused, associate, leave
from dcis_node.errors import DeliveryError

__all__ = ["Outgoing", "PeerAddress", "Sent", "echo", "outgoing_from_file", "send_files"]

# With this, `send_c_store(path)` streams the encoded data set from the file, and asks for its exact transfer syntax.
_config.STORE_SEND_CHUNKED_DATASET = True

MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd context IDs 1 to 255
SLOWEST_BYTES_PER_SECOND = 125_000  # a line of 1 Mbit/s; time for the transfer is added to the wait for the answer
SYNTAX_REFUSED = 4  # PS3.8 Table 9-18: transfer syntaxes not supported (3: abstract syntax not supported)
VERIFICATION = "1.2.840.10008.1.1"  # PS3.6: Verification SOP Class
_UID = re.compile(r"[0-9.]{1,64}")


def outgoing_from_file(path: Path) -> Outgoing:
    """Read from the file meta information of a DICOM file what is needed to send it.

    Raises
    ------
    DeliveryError
        The file cannot be read, is not a DICOM file (PS3.10), or its meta information lacks a UID.
    """
    try:
        meta = read_file_meta_info(path)
        # Raw values: pydicom's conversion would warn about a bad UID, and quote it.
        values = [meta.get_item(tag).value for tag in (0x00020002, 0x00020003, 0x00020010)]
        uids = [value.decode("ascii").rstrip("\0 ") for value in values]
    except OSError as error:
        raise DeliveryError(f"cannot be read: {error.strerror}", permanent=True) from error
    except Exception as error:  # the edge to foreign files: pydicom raises many kinds on garbage
        raise DeliveryError("not a DICOM file with file meta information", permanent=True) from error
    if not all(_UID.fullmatch(uid) for uid in uids):
        raise DeliveryError("not a DICOM file with valid UIDs in its file meta information", permanent=True)
    sop_class, sop_instance, transfer_syntax = uids
    return Outgoing(sop_class, sop_instance, transfer_syntax, path)


def send_files(items: Sequence[Outgoing], peer: PeerAddress) -> Iterator[Sent]:
    """Send files over one association.

    More than 128 presentation contexts take several associations. If one is lost in the middle, the next object goes
    over a new one, so that an object the peer cannot bear does not stop the others. If none comes about, all that is
    left gets that outcome.

    Parameters
    ----------
    items
        The files. Objects with the same class and syntax share a context.
    peer
        Where to.

    Yields
    ------
    Sent
        One for each item as soon as it is known; in the order of `items` unless there are too many contexts.
        Closing the iterator early releases the association. Nothing is raised for a failure of peer or network.
    """
    for group in split(items):
        rest = group
        while rest:
            done = 0
            for sent in _over_one_association(rest, peer):
                done += 1
                yield sent
            rest = rest[done:]


def echo(peer: PeerAddress) -> EchoResult:
    """Ask a peer by C-ECHO whether it is there."""
    started = time.monotonic()
    try:
        association = associate(peer, [build_context(VERIFICATION)])
    except Refused as refused:
        without_service = refused.failure is Failure.CLASS_NOT_ACCEPTED
        if refused.rejection is not None:
            text = judge_rejection(refused.rejection, peer).text
        elif without_service:
            text = f"{peer} is there, but does not offer the verification service (C-ECHO)"
        else:
            text = judge_failure(refused.failure, peer, detail=refused.detail).text
        return EchoResult(ok=False, text=text, seconds=time.monotonic() - started, reached=without_service)
    try:
        answer = association.send_c_echo()
    except RuntimeError:  # the peer was faster in ending the association
        answer = Dataset()
    finally:
        leave(association)
    seconds = time.monotonic() - started
    status = answer.Status if "Status" in answer else None
    if status == 0x0000:
        return EchoResult(ok=True, text=f"{peer} answered", seconds=seconds)
    text = f"{peer} answered C-ECHO with " + ("nothing" if status is None else f"status 0x{status:04X}")
    return EchoResult(ok=False, text=text, seconds=seconds, reached=status is not None)


def longest_seconds(size_bytes: int, peer: PeerAddress) -> float:
    """Give the longest time that a peer may take to answer for an object of a size, in seconds."""
    return peer.timeout_seconds + size_bytes / SLOWEST_BYTES_PER_SECOND


def split(items: Sequence[Outgoing]) -> list[tuple[Outgoing, ...]]:
    """Group items so that each group needs at most 128 presentation contexts; as few groups as first-fit gives."""
    groups: list[list[Outgoing]] = []
    offered: list[set[tuple[str, str]]] = []
    for item in items:
        pairs = _pairs(item)
        fits = (number for number, known in enumerate(offered) if len(known | pairs) <= MOST_CONTEXTS)
        number = next(fits, len(groups))
        if number == len(groups):
            groups.append([])
            offered.append(set())
        groups[number].append(item)
        offered[number] |= pairs
    return [tuple(group) for group in groups]


def _pairs(item: Outgoing) -> set[tuple[str, str]]:
    """Name the contexts that an object asks for: its own syntax, and the default one.

    PS3.5 10.1: the default transfer syntax is offered for every abstract syntax. Each syntax has a context of its
    own, so that the peer's choice is never another than the object's.
    """
    return {(item.sop_class_uid, item.transfer_syntax_uid), (item.sop_class_uid, ImplicitVRLittleEndian)}


def _contexts(items: Sequence[Outgoing]) -> list[PresentationContext]:
    pairs = dict.fromkeys(pair for item in items for pair in sorted(_pairs(item)))
    return [build_context(sop_class, syntax) for sop_class, syntax in pairs]


def _over_one_association(items: Sequence[Outgoing], peer: PeerAddress) -> Iterator[Sent]:
    """Send until the association ends; at least one item gets its outcome."""
    try:
        association = associate(peer, _contexts(items))
    except Refused as refused:
        for item in items:
            whole = Sent(item, failure=refused.failure, detail=refused.detail, rejection=refused.rejection)
            yield _not_accepted(item, (), refused.contexts) or whole
        return
    try:
        for number, item in enumerate(items):
            yield _store(association, item, peer, message_id=number % 65535 + 1)
            if not association.is_established:
                return
    finally:
        leave(association)


def _store(association: Association, item: Outgoing, peer: PeerAddress, *, message_id: int) -> Sent:
    try:
        size_bytes = _check(item)
    except DeliveryError as error:
        return Sent(item, failure=Failure.UNREADABLE, detail=str(error))
    refused = _not_accepted(item, association.accepted_contexts, association.rejected_contexts)
    if refused is not None:
        if peer.implicit and _takes_implicit_only(item, association.accepted_contexts):
            return _request_implicit(association, item, peer, size_bytes=size_bytes, message_id=message_id)
        return refused
    return _request(association, item, item.path, peer, size_bytes=size_bytes, message_id=message_id)


def _request_implicit(
    association: Association, item: Outgoing, peer: PeerAddress, *, size_bytes: int, message_id: int
) -> Sent:
    try:
        with implicit_copy(item.path) as copy:
            return _request(association, item, copy, peer, size_bytes=size_bytes, message_id=message_id)
    except OSError as error:  # a full disk, for the copy
        return Sent(item, failure=Failure.UNREADABLE, detail=error.strerror or type(error).__name__)


def _takes_implicit_only(item: Outgoing, accepted: Sequence[PresentationContext]) -> bool:
    """Tell whether an object can go re-encoded: from Explicit VR Little Endian, never from a compressed syntax."""
    taken = [c.transfer_syntax[0] for c in accepted if c.abstract_syntax == item.sop_class_uid]
    return item.transfer_syntax_uid == ExplicitVRLittleEndian and ImplicitVRLittleEndian in taken


def _request(
    association: Association, item: Outgoing, path: Path, peer: PeerAddress, *, size_bytes: int, message_id: int
) -> Sent:
    longest = longest_seconds(size_bytes, peer)
    association.dimse_timeout = longest
    started = time.monotonic()
    try:
        answer = association.send_c_store(path, msg_id=message_id, priority=0)  # PS3.7 9.1.1.1: medium
    except RuntimeError:  # the peer ended the association since the last object
        return Sent(item, failure=Failure.CUT_OFF)
    except OSError as error:  # the file failed in the middle of the message
        association.abort()
        return Sent(item, failure=Failure.UNREADABLE, detail=error.strerror or type(error).__name__)
    if "Status" in answer:
        return Sent(item, status=int(answer.Status))
    association.abort()
    if time.monotonic() - started >= longest:
        return Sent(item, failure=Failure.NO_ANSWER, detail=f"{longest:.0f} s")
    return Sent(item, failure=Failure.CUT_OFF)


def _check(item: Outgoing) -> int:
    """Give the size of the file in bytes; raise DeliveryError if it is not the file that was announced."""
    if outgoing_from_file(item.path) != item:
        raise DeliveryError("its file meta information does not name the object that was to be sent", permanent=True)
    return item.path.stat().st_size


def _not_accepted(
    item: Outgoing, accepted: Sequence[PresentationContext], refused: Sequence[PresentationContext]
) -> Sent | None:
    """Tell why no context is left for an object; None if there is one, or if none of its class were negotiated."""
    taken = [c.transfer_syntax[0] for c in accepted if c.abstract_syntax == item.sop_class_uid]
    if item.transfer_syntax_uid in taken:
        return None
    if taken:
        names = ", ".join(sorted(syntax.name for syntax in taken))
        return Sent(item, failure=Failure.SYNTAX_NOT_ACCEPTED, detail=f"accepted: {names}")
    results = {c.result for c in refused if c.abstract_syntax == item.sop_class_uid}
    if SYNTAX_REFUSED in results:
        return Sent(item, failure=Failure.SYNTAX_NOT_ACCEPTED)
    return Sent(item, failure=Failure.CLASS_NOT_ACCEPTED) if results else None
