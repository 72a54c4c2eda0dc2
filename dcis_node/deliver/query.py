"""Ask a peer by C-FIND whether it has what it has taken (PS3.4 C.4.1, Study Root, IMAGE level)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pydicom import Dataset
from pynetdicom.association import Association

from storage.proofs import Unproven

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # PS3.6: Study Root Query/Retrieve Information Model - FIND
MOST_RESPONSES = 10_000  # a peer that gives more than it was asked for is cut off here
_PENDING = (0xFF00, 0xFF01)  # PS3.4 C.4.1.1.4
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class QueryAnswer:
    """What a peer lists.

    Parameters
    ----------
    found
        SOP Instance UIDs that were asked after and that it has.
    missing
        Those that it does not have.
    failure
        Why nothing is known of the others, in an administrator's words.
    """

    found: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    failure: str = ""


class _NoAnswer(Exception):  # noqa: N818 -- an outcome within this module
    """A query failed; the text says how."""


def find(association: Association, rows: Sequence[Unproven]) -> QueryAnswer:
    """Ask after objects, a query for each series.

    Objects that a list of UIDs does not bring (PS3.4 C.2.2.2.2; some peers know no lists) are asked after by all of
    the series, and then one by one: only what all three ways leave out is missing.

    Parameters
    ----------
    association
        Established, with an accepted context for `STUDY_ROOT_FIND`.
    """
    found: set[str] = set()
    missing: set[str] = set()
    failure = ""

    def key(row: Unproven) -> tuple[str, str]:
        return row.study_instance_uid, row.series_instance_uid

    for (study, series), group in groupby(sorted(rows, key=key), key=key):
        wanted = [row.sop_instance_uid for row in group]
        there, absent, fault = _find_series(association, study, series, wanted)
        found |= there
        missing |= absent
        failure = failure or fault
        if not association.is_established:
            break
    return QueryAnswer(frozenset(found), frozenset(missing), failure)


def _find_series(
    association: Association, study: str, series: str, wanted: Sequence[str]
) -> tuple[set[str], set[str], str]:
    """Give those of a series' wanted objects that the peer has, those that it has not, and why it is not known."""
    there: set[str] = set()
    missing: set[str] = set()
    failure = ""
    one_by_one = [[uid] for uid in wanted] if len(wanted) > 1 else []
    for uids in [list(wanted), [], *one_by_one]:
        left = set(wanted) - there
        if not left or (len(uids) == 1 and uids[0] not in left):
            continue
        try:
            listed = _ask(association, study, series, uids)
        except _NoAnswer as error:  # the peer does not bear this way of asking; the next is tried
            failure = str(error)
            if not association.is_established:
                break
            continue
        there |= listed & left
        if len(uids) == 1:
            missing |= {uids[0]} - listed
    return there, missing - there, failure


def _ask(association: Association, study: str, series: str, uids: Sequence[str]) -> set[str]:
    """Send one query; gives the SOP Instance UIDs of its answers.

    Raises
    ------
    _NoAnswer
        It failed, was not answered, or was answered without end.
    """
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = study
    identifier.SeriesInstanceUID = series
    identifier.SOPInstanceUID = list(uids) if uids else ""
    identifier.InstanceAvailability = ""
    listed: set[str] = set()
    answers = 0
    try:
        for status, answer in association.send_c_find(identifier, STUDY_ROOT_FIND):
            if "Status" not in status:
                raise _NoAnswer("the query got no answer")
            if status.Status not in _PENDING:
                if status.Status != 0x0000:
                    raise _NoAnswer(f"the query failed: 0x{status.Status:04X}")
                return listed
            answers += 1
            if answers > MOST_RESPONSES:
                association.abort()
                raise _NoAnswer(f"the query got more than {MOST_RESPONSES} answers")
            listed |= _listed(answer)
    except (RuntimeError, ValueError) as error:  # the peer ended the association meanwhile
        raise _NoAnswer("the association ended before the query was answered") from error
    raise _NoAnswer("the query got no answer")


def _listed(answer: Dataset | None) -> set[str]:
    """Read one answer, raw; nothing for one that cannot be read, or that says that the object cannot be had."""
    if answer is None or _text(answer, 0x00080056) == "UNAVAILABLE":  # Instance Availability, PS3.3 C.4.23
        return set()
    uid = _text(answer, 0x00080018)
    return {uid} if _UID.fullmatch(uid) else set()


def _text(answer: Dataset, tag: int) -> str:
    value = answer.get_item(tag).value if tag in answer else b""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    return text.rstrip("\0 ")
