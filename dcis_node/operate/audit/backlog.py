"""What the audit trail says in `status` and in the metrics."""

from pathlib import Path
from typing import Any

from dcis_node.config import Configuration
from dcis_node.operate.audit.folder import audit_folder
from dcis_node.operate.audit.journal import journals
from dcis_node.operate.audit.progress import read_progress

PIECE_BYTES = 1024 * 1024
# A repository that takes nothing for so long is a matter for a person; nothing is lost meanwhile.
LONG_SECONDS = 3600.0


def audit_status(configuration: Configuration, *, now: float) -> dict[str, Any]:
    """Say how many messages wait, and how sending goes.

    Returns
    -------
    dict
        `repository` as configured ("" = kept here only); `kept_bytes` on this disk; `waiting` messages (0 without a
        repository); `sent_at` in Unix seconds or None; `failed_at` and `failure` if the last try failed; `alarm` if it
        did and nothing was taken for an hour.
    """
    folder = audit_folder(configuration)
    progress = read_progress(folder)
    files = [(path, path.stat().st_size) for path in journals(folder)]
    counted = files if configuration.audit.repository else []
    return {
        "repository": configuration.audit.repository,
        "kept_bytes": sum(size for _, size in files),
        "waiting": sum(_messages(path, progress.offsets.get(path.name, 0), size) for path, size in counted),
        "sent_at": progress.sent_at,
        "failed_at": progress.failed_at,
        "failure": progress.failure,
        "alarm": bool(progress.failure) and now - (progress.sent_at or 0.0) >= LONG_SECONDS,
    }


def _messages(path: Path, offset: int, size: int) -> int:
    if offset >= size:
        return 0
    with path.open("rb") as file:
        file.seek(offset)
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(PIECE_BYTES), b""))
