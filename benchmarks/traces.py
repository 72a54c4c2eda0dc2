"""What a trace of system calls (strace -f -y) says about the order in which an object was made durable."""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# What is traced; everything that puts bytes, names or answers anywhere.
TRACED = (
    "openat", "open", "creat", "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg",
    "fsync", "fdatasync", "syncfs", "rename", "renameat", "renameat2", "ftruncate",
)  # fmt: skip
# A page of SQLite (4096 bytes) whole, and the beginning of a file with its identifiers.
STRING_BYTES = 4200
WRITES = frozenset({"write", "writev", "pwrite64", "pwritev"})
SENDS = WRITES | {"sendto", "sendmsg"}
SYNCS = frozenset({"fsync", "fdatasync"})
RENAMES = frozenset({"rename", "renameat", "renameat2"})
OPENS = frozenset({"openat", "open", "creat"})
# PS3.7 E.1: Status (0000,0900), 2 bytes, 0x0000; in implicit VR little endian, as command sets are.
STATUS_SUCCESS = bytes.fromhex("00000009020000000000")

_LINE = re.compile(r"(?P<thread>\d+) +[\d.]+ (?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<rest>.*)")
_RESULT = re.compile(r"\) += (?P<result>-?\d+)[^=]*$")
_DESCRIPTOR = re.compile(r"\d+<(?P<path>[^>]*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """One system call: it began at line `begin` of the trace and returned at line `end`."""

    name: str
    arguments: str
    begin: int
    end: int
    result: int

    @property
    def path(self) -> str:
        """The path of the descriptor that it was given first; "" where it has none."""
        found = _DESCRIPTOR.match(self.arguments)
        return found["path"] if found else ""

    @property
    def strings(self) -> tuple[bytes, ...]:
        """The bytes of its string arguments, as far as they were traced."""
        return tuple(codecs.escape_decode(text.encode())[0] for text in _STRING.findall(self.arguments))

    @property
    def data(self) -> bytes:
        """The bytes of its string arguments, one behind the other."""
        return b"".join(self.strings)


def parse(lines: Iterable[str]) -> Iterator[Call]:
    """Read a trace; calls that failed or never returned are left out."""
    waiting: dict[str, tuple[str, str, int]] = {}
    for number, line in enumerate(lines):
        matched = _LINE.match(line)
        if matched is None:
            continue
        thread, rest = matched["thread"], matched["rest"].rstrip("\n")
        resumed = _RESUMED.match(rest)
        if resumed:
            name, arguments, begin = waiting.pop(thread, (resumed["name"], "", number))
            whole = arguments + resumed["rest"]
        else:
            called = _CALL.match(rest)
            if called is None:
                continue
            name, whole, begin = called["name"], called["rest"], number
            if whole.endswith("<unfinished ...>"):
                waiting[thread] = (name, whole.removesuffix("<unfinished ...>"), begin)
                continue
        result = _RESULT.search(whole)
        if result is not None and int(result["result"]) >= 0:
            yield Call(name, whole, begin, number, int(result["result"]))


@dataclass(frozen=True)
class Step:
    """One thing that has to be on disk before the answer; `held` is the line at which it was, or None."""

    name: str
    held: int | None


def answered_at(calls: Sequence[Call], uid: str) -> int | None:
    """Find the line at which the success of an object was first sent."""
    named = uid.encode()
    for call in calls:
        if call.name in SENDS and "socket:" in call.path and named in call.data and STATUS_SUCCESS in call.data:
            return call.begin
    return None


def steps_of(calls: Sequence[Call], uid: str, *, index: str) -> list[Step]:
    """Follow one object to its disk: file, name, folder, index, each begun when the one before had ended.

    Parameters
    ----------
    index
        File name of the SQLite index. With a rollback journal its commit is: journal synced, pages written and synced,
        journal cut to nothing, and that synced too (else it could come back and undo the commit); with a write-ahead
        log: log written and synced.

    Returns
    -------
    list of Step
        `file`, `name`, `folder`, `journal`, `index`. Without a rename the file has its name from its creation; a
        write-ahead log needs no `journal`.
    """
    named = uid.encode()
    names = (index, f"{index}-journal", f"{index}-wal")
    files = [call for call in calls if call.name in WRITES and PurePosixPath(call.path).name not in names]
    first = next((call for call in files if call.path.startswith("/") and named in call.data), None)
    if first is None:
        return [Step("file", None)]
    rename = next((call for call in calls if call.name in RENAMES and _renamed(call)[0] == first.path), None)
    until = rename.begin if rename else calls[-1].end
    last = max(call.end for call in files if call.path == first.path and call.begin < until)
    file = _sync(calls, first.path, last)
    if rename is None:
        named_at, final = _created(calls, first.path), first.path
    else:
        in_order = file is not None and file < rename.begin
        named_at, final = (rename.end if in_order else None), _renamed(rename)[1]
    folder = _sync(calls, str(PurePosixPath(final).parent), named_at)
    behind = max((at for at in (file, folder) if at is not None), default=None) if rename is None else folder
    return [Step("file", file), Step("name", named_at), Step("folder", folder), *_commit(calls, named, names, behind)]


def _commit(calls: Sequence[Call], named: bytes, names: tuple[str, str, str], behind: int | None) -> list[Step]:
    """Follow a row to the disk, from the first write of it into the index after line `behind`."""
    index, journal, log = names
    if behind is None:
        return [Step("index", None)]
    pages = (call for call in calls if call.name in WRITES and _is(call, index, log) and named in call.data)
    page = next(pages, None)
    if page is None or page.begin < behind:
        return [Step("index", None)]
    synced = _sync(calls, page.path, page.end)
    if _is(page, log):
        return [Step("index", synced)]
    cut = next((c for c in calls if c.name == "ftruncate" and _is(c, journal) and c.begin > (synced or c.begin)), None)
    gone = _sync(calls, cut.path, cut.end) if cut else None
    return [Step("journal", _journal_synced(calls, journal, page)), Step("index", gone)]


def _journal_synced(calls: Sequence[Call], journal: str, page: Call) -> int | None:
    """Find where the journal was synced after its last bytes and before the page that it can restore."""
    before = [call for call in calls if _is(call, journal) and call.end < page.begin]
    written = [call.end for call in before if call.name in WRITES]
    return _sync(before, before[-1].path, written[-1]) if written else None


def _is(call: Call, *names: str) -> bool:
    return PurePosixPath(call.path).name in names


def _renamed(call: Call) -> tuple[str, str]:
    strings = call.strings
    return (strings[0].decode(), strings[-1].decode()) if len(strings) > 1 else ("", "")


def _sync(calls: Sequence[Call], path: str, behind: int | None) -> int | None:
    """Give the line at which a path was on disk, by a sync that began after line `behind`."""
    if behind is None:
        return None
    return next((c.end for c in calls if c.name in SYNCS and c.path == path and c.begin > behind), None)


def _created(calls: Sequence[Call], path: str) -> int | None:
    return next((c.end for c in calls if c.name in OPENS and "O_CREAT" in c.arguments and path in c.arguments), None)


def faults_of(calls: Sequence[Call], uid: str, *, index: str) -> list[str]:
    """Name the steps that were not done, or not in order, when the success of an object was sent; [] = none."""
    answer = answered_at(calls, uid)
    if answer is None:
        return ["answer"]
    return [step.name for step in steps_of(calls, uid, index=index) if step.held is None or step.held >= answer]
