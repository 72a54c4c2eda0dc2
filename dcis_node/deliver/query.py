"""Ask a peer by C-FIND whether it has what it has taken (PS3.4 C.4.1, Study Root, IMAGE level)."""

import random
import re
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom.association import Association

from storage.proofs import Unproven

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # PS3.6: Study Root Query/Retrieve Information Model - FIND
MOST_RESPONSES = 10_000  # a peer that gives more than it was asked for is cut off here
TOO_SLOW = "the destination answers queries too slowly"
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
    """A query failed; the text says how.

    Parameters
    ----------
    listed
        What the peer had listed until we cut it off.
    """

    def __init__(self, text: str, listed: Set[str] = frozenset()) -> None:
        super().__init__(text)
        self.listed = listed


@dataclass(frozen=True)
class _Questions:
    """An association on which questions are asked until a moment of `clock`."""

    association: Association
    until: float
    clock: Callable[[], float]

    @property
    def are_over(self) -> bool:
        return self.clock() >= self.until


def find(
    association: Association,
    rows: Sequence[Unproven],
    *,
    until: float,
    rng: random.Random,
    clock: Callable[[], float] = time.monotonic,
) -> QueryAnswer:
    """Ask after objects, a query for each series.

    Objects that a list of UIDs does not bring (PS3.4 C.2.2.2.2; some peers know no lists) are asked after by all of
    the series, and then one by one: only what all three ways leave out is missing.

    Parameters
    ----------
    association
        Established, with an accepted context for `STUDY_ROOT_FIND`.
    until
        Moment of `clock` after which no query is begun, and one that is answered in parts is cut off at the next part.
        What was not answered by then is neither found nor missing. Each part is waited for as the association says.
    rng
        Gives the order of the questions. Which of them come last, or after one that ends the association, is another
        matter each time: none is kept from its turn for ever.
    """
    questions = _Questions(association, until, clock)
    found: set[str] = set()
    missing: set[str] = set()
    failure = ""
    for (study, series), wanted in _by_series(rows, rng).items():
        if questions.are_over:
            failure = failure or TOO_SLOW
            break
        there, absent, fault = _find_series(questions, study, series, wanted)
        found |= there
        missing |= absent
        failure = failure or fault
        if not association.is_established:
            break
    return QueryAnswer(frozenset(found), frozenset(missing), failure)


def _by_series(rows: Sequence[Unproven], rng: random.Random) -> dict[tuple[str, str], list[str]]:
    mixed = list(rows)
    rng.shuffle(mixed)
    series: dict[tuple[str, str], list[str]] = {}
    for row in mixed:
        series.setdefault((row.study_instance_uid, row.series_instance_uid), []).append(row.sop_instance_uid)
    return series


def _find_series(
    questions: _Questions, study: str, series: str, wanted: Sequence[str]
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
        if questions.are_over:
            failure = failure or TOO_SLOW
            break
        try:
            listed = _ask(questions, study, series, uids)
        except _NoAnswer as error:  # the peer does not bear this way of asking; the next is tried
            failure = str(error)
            there |= error.listed & left
            if not questions.association.is_established:
                break
            continue
        there |= listed & left
        if len(uids) == 1:
            missing |= {uids[0]} - listed
    return there, missing - there, failure


def _ask(questions: _Questions, study: str, series: str, uids: Sequence[str]) -> set[str]:
    """Send one query; gives the SOP Instance UIDs of its answers.

    Raises
    ------
    _NoAnswer
        It failed, was not answered, or was answered without end.
    """
    association = questions.association
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
            if questions.are_over:
                association.abort()
                raise _NoAnswer(TOO_SLOW, listed)
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
