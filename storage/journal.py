"""An append-only journal of JSON lines, each chained to the one before by its hash, so that an edited line is found.

A line counts once its newline is on disk: whoever died while writing has written nothing. The chain shows edits that
were not meant to deceive; who may write the file can also write all of it anew.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dcis_node.canonical import canonical_json, digest
from dcis_node.errors import StorageError
from storage.files import sync_folder


@dataclass(frozen=True)
class Entry:
    """One line.

    Parameters
    ----------
    number
        1 for the first.
    at
        When it was written, ISO 8601 in UTC.
    event
        What happened.
    values
        To what; plain JSON values.
    previous
        `sha256` of the line before; "" for the first.
    sha256
        Digest of all the rest.
    """

    number: int
    at: str
    event: str
    values: dict[str, Any]
    previous: str
    sha256: str


def read_journal(path: Path) -> tuple[Entry, ...]:
    """Read a journal and check its chain; () if there is none. A last line without its newline is left out.

    Raises
    ------
    StorageError
        It cannot be read, or a line was edited, removed or put in.
    """
    entries: list[Entry] = []
    for line in _whole(path).splitlines():
        entry = _entry(path, len(entries) + 1, line)
        if entry.previous != (entries[-1].sha256 if entries else ""):
            raise _edited(path, entry.number)
        entries.append(entry)
    return tuple(entries)


def append_entry(path: Path, event: str, values: Mapping[str, Any], *, now: float) -> Entry:
    """Write one more line, durably; the caller holds the lock under which alone this journal is written.

    Parameters
    ----------
    values
        Plain JSON values.
    now
        Unix seconds.

    Raises
    ------
    StorageError
        The journal was edited.
    OSError
        The disk is full or failed.
    """
    known = read_journal(path)
    content: dict[str, Any] = {
        "number": len(known) + 1,
        "at": datetime.fromtimestamp(now, tz=UTC).isoformat(timespec="seconds"),
        "event": event,
        "values": dict(values),
        "previous": known[-1].sha256 if known else "",
    }
    entry = Entry(**content, sha256=digest(content))
    whole = len(_whole(path))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(canonical_json(asdict(entry)) + b"\n")
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.parent)
    return entry


def _whole(path: Path) -> bytes:
    """Give the lines that are whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise StorageError(msg) from error
    return data[: data.rfind(b"\n") + 1]


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        entry = Entry(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise _edited(path, number) from error
    values = asdict(entry)
    told = values.pop("sha256")
    if entry.number != number or digest(values) != told:
        raise _edited(path, number)
    return entry


def _edited(path: Path, number: int) -> StorageError:
    return StorageError(f"{path} was edited: line {number} does not fit its hash or the line before it")
