"""What a process had received over associations that it could not close: for the audit trail of its successor."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from storage.schema import Association, Instance, Study

# Instances are numbered in the order of their commits, which differs from that of their arrival by less than this.
SLACK_SECONDS = 60.0
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class LeftOpen:
    """New instances of one study and exam that one open association had brought.

    Parameters
    ----------
    sop_classes
        SOP Class UID and number of instances, sorted by UID.
    """

    calling_aet: str
    address: str
    study_instance_uid: str
    exam_id: int
    sop_classes: tuple[tuple[str, int], ...]


def left_open(session: Session, owner: str) -> list[LeftOpen]:
    """Give what the open associations of a process have brought; empty if it closed all of them.

    Read from the newest instance backwards, so that the cost is that of what has come since, however large the index.
    """
    rows = session.scalars(select(Association).where(Association.owner == owner, Association.closed_at.is_(None))).all()
    if not rows:
        return []
    open_ones = {row.id: row for row in rows}
    counted: Counter[tuple[int, str, int, str]] = Counter()
    earliest = min(row.opened_at for row in rows) - SLACK_SECONDS
    for instance in _newest_first(session):
        if instance.received_at < earliest:
            break
        if instance.association_id in open_ones:
            place = (instance.association_id, instance.study_instance_uid, instance.exam_id)
            counted[(*place, instance.sop_class_uid)] += 1
    places = dict.fromkeys(key[:3] for key in sorted(counted))
    return [
        LeftOpen(
            open_ones[place[0]].calling_aet,
            open_ones[place[0]].address,
            place[1],
            place[2],
            tuple((key[3], count) for key, count in sorted(counted.items()) if key[:3] == place),
        )
        for place in places
    ]


def _newest_first(session: Session) -> Iterator[Row[tuple[int | None, int, str, str, float]]]:
    return iter(
        session.execute(
            select(
                Instance.association_id,
                Instance.exam_id,
                Instance.sop_class_uid,
                Study.study_instance_uid,
                Instance.received_at,
            )
            .join(Study, Study.id == Instance.study_id)
            .order_by(Instance.id.desc())
            .execution_options(yield_per=ROWS_AT_ONCE)
        )
    )
