"""Which bundle of a registry is active: one small file, replaced in one step, that says what the journal says."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dcis_node.errors import StorageError
from storage.durable import replace_file
from storage.journal import Entry

ACTIVE = "active.json"
SWITCHES = ("promoted", "rolled_back")


@dataclass(frozen=True)
class Active:
    """Which bundle the node takes.

    Parameters
    ----------
    sha256
        The bundle; "" for the one that is shipped with the node.
    since
        ISO 8601, UTC.
    comparison
        Digest of the comparison by which it was promoted; "" after a rollback to the shipped one.
    entry
        Digest of the journal's line that says so.
    """

    sha256: str
    since: str
    comparison: str
    entry: str


def read_active(folder: Path, entries: Sequence[Entry]) -> Active | None:
    """Read `active.json`; None if it is not there, or names the shipped bundle.

    Raises
    ------
    StorageError
        It cannot be read, or the journal knows of no such switch.
    """
    active = _read(folder / ACTIVE)
    if active is None:
        return None
    if active not in [active_by(entry) for entry in entries if entry.event in SWITCHES]:
        raise StorageError(f"{folder / ACTIVE} was edited: the journal knows of no such switch")
    return active if active.sha256 else None


def write_active(folder: Path, active: Active) -> None:
    """Replace `active.json`."""
    replace_file(folder / ACTIVE, (json.dumps(asdict(active), indent=1) + "\n").encode("ascii"))


def heal_active(folder: Path, entries: Sequence[Entry]) -> None:
    """Write what the last switch of the journal says, if its process died before it could or the file was edited."""
    switches = [active_by(entry) for entry in entries if entry.event in SWITCHES]
    if switches and _readable(folder / ACTIVE) != switches[-1]:
        write_active(folder, switches[-1])


def active_stamp(folder: Path) -> tuple[int, int, int] | None:
    """Give what changes whenever the active bundle does, at the cost of one look at the folder."""
    try:
        found = (folder / ACTIVE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def active_by(entry: Entry) -> Active:
    """Give what is active after a switch."""
    return Active(entry.values["bundle"], entry.at, entry.values["comparison"], entry.sha256)


def stack_of(entries: Sequence[Entry]) -> list[str]:
    """Give the bundles that were active one after the other, without those taken back; the first is the shipped one."""
    stack = [""]
    for entry in entries:
        if entry.event == "promoted":
            stack.append(entry.values["bundle"])
        elif entry.event == "rolled_back":
            stack.pop()
    return stack


def _read(path: Path) -> Active | None:
    try:
        return Active(**json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {type(error).__name__}") from error


def _readable(path: Path) -> Active | None:
    try:
        return _read(path)
    except StorageError:
        return None
