"""What one association has brought, counted for the audit trail."""

from collections import Counter

from dcis_node.receive.events import Notify, StudyReceived
from storage.database import Database
from storage.index import ReceivedInstance, Recorded
from storage.left_open import left_open

# Studies whose counts are held; an association that brings more is told in parts.
MOST_STUDIES = 256


class Brought:
    """Counts the stored instances of one association, by study, exam and outcome; in one thread."""

    def __init__(self) -> None:
        self._studies: dict[tuple[str, int, str], Counter[str]] = {}

    @property
    def is_full(self) -> bool:
        """True if it should be told before the association ends."""
        return len(self._studies) >= MOST_STUDIES

    def add(self, received: ReceivedInstance, recorded: Recorded) -> None:
        """Count one instance that file and index hold."""
        key = (received.study_instance_uid, recorded.exam_id, recorded.outcome)
        self._studies.setdefault(key, Counter())[received.sop_class_uid] += 1

    def tell(self, notify: Notify, *, association: int, calling_aet: str, address: str) -> None:
        """Tell what was counted, a study at a time, and begin anew."""
        studies, self._studies = self._studies, {}
        for (study, exam, outcome), classes in studies.items():
            notify(
                StudyReceived(
                    association,
                    address,
                    calling_aet,
                    study,
                    tuple(sorted(classes.items())),
                    outcome=outcome,
                    exam=exam,
                )
            )


def tell_left_open(db: Database, owner: str, notify: Notify) -> None:
    """Tell what a predecessor that was killed had received and not told, as the index has it.

    It may have told some of it: told twice is better than not at all. What it had received again (duplicates) stands
    in no association's row, and is told by nobody.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    with db.read() as session:
        found = left_open(session, owner)
    for one in found:
        notify(
            StudyReceived(0, one.address, one.calling_aet, one.study_instance_uid, one.sop_classes, exam=one.exam_id)
        )
