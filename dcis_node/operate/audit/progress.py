"""How far the audit trail was sent: one small file beside it, replaced after each batch."""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

from storage.durable import replace_file

log = logging.getLogger(__name__)

NAME = "sent.json"


@dataclass(frozen=True)
class Progress:
    """What the repository has.

    Parameters
    ----------
    offsets
        By file: the bytes from its beginning that were taken.
    sent_at
        When it took a batch last, Unix seconds; None if it never did.
    failed_at, failure
        When and why it did not since then; None and "" if it did.
    """

    offsets: dict[str, int] = field(default_factory=dict)
    sent_at: float | None = None
    failed_at: float | None = None
    failure: str = ""


def read_progress(folder: Path) -> Progress:
    """Read what is known; if the file is not there or damaged, nothing was sent: it will be sent again, not lost."""
    try:
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Progress(**values)
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, TypeError) as error:
        log.warning("event=audit_progress_unreadable error=%s text='all is sent again'", type(error).__name__)
        return Progress()


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace what is known, durably.

    Raises
    ------
    OSError
        The disk is full or failed; the file is as it was.
    """
    replace_file(folder / NAME, json.dumps(asdict(progress)).encode(), mode=0o600)
