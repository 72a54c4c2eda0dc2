"""What the files of the backups no longer need: that whose leaving the node's own files tell, long enough ago.

Only what the node has removed on purpose goes, and only if no backup that stays can name it: the record of its leaving
(see `storage.removals`) must be older than the oldest of them by a day. A node that has lost its files tells of no
leaving, so nothing of its backups goes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dcis_node.errors import StorageError
from storage.files import FileStore
from storage.records import Record, RecordedAnalysis, RecordedReport, Records
from storage.removals import REMOVED, RETIRED

# Retention tells on disk that something leaves before the index says so; one run of it takes hours at most.
MARGIN_SECONDS = 86400.0


@dataclass
class Pruned:
    """What has left the files of the backups."""

    files: int = 0
    records: int = 0
    size_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return dict(vars(self))


def prune(source: FileStore, target: FileStore, *, oldest: float) -> Pruned:
    """Remove from the files of the backups what had left the node before the oldest backup was made.

    Files go before the record that names them, so that whoever is killed in between finds them the next time.

    Parameters
    ----------
    source, target
        The node's files, and those of its backups; nobody else writes the latter meanwhile.
    oldest
        When the oldest backup that stays was made (Unix seconds).

    Raises
    ------
    OSError
        The disk refused; what is left goes the next time.
    """
    pruned, records, kept = Pruned(), Records(source), Records(target)
    before = oldest - MARGIN_SECONDS
    for number in range(256):
        here = set(records.names_of(number))
        for name in sorted(set(kept.names_of(number)) - here):
            record = _read(kept, name)
            if record is not None and _have_retired(records, _subjects(record), before):
                _remove_files(source, target, record.files, pruned)
                kept.remove(name)
                pruned.records += 1
        gone = {name.partition(".")[0] for name in here if name.endswith((REMOVED, RETIRED))}
        images = [sha256 for sha256 in sorted(gone) if target.exists(sha256)]
        _remove_files(source, target, [sha256 for sha256 in images if _left_before(records, sha256, before)], pruned)
    return pruned


def _read(records: Records, name: str) -> Record | None:
    try:
        return records.read(name)
    except StorageError:
        return None


def _subjects(record: Record) -> frozenset[str]:
    """Give the digests of the received objects that a record is about."""
    if isinstance(record, RecordedReport):
        return frozenset([record.exam, *(image.sha256 for image in record.images)])
    return frozenset([record.key.instance_sha256 if isinstance(record, RecordedAnalysis) else record.sha256])


def _have_retired(records: Records, digests: Collection[str], before: float) -> bool:
    moments = [records.retired_at(sha256) for sha256 in digests]
    return all(moment is not None and moment < before for moment in moments)


def _left_before(records: Records, sha256: str, before: float) -> bool:
    removal = records.removal(sha256)
    moment = records.retired_at(sha256) if removal is None else removal.removed_at
    return moment is not None and moment < before


def _remove_files(source: FileStore, target: FileStore, digests: Collection[str], pruned: Pruned) -> None:
    """Remove files that the node does not have either: one that it has is another record's too, or came again."""
    for sha256 in digests:
        if target.exists(sha256) and not source.exists(sha256):
            path = target.path(sha256)
            pruned.size_bytes += path.stat().st_size
            path.unlink()
            pruned.files += 1
