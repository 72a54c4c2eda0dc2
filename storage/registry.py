"""The registry of model bundles: immutable copies by hash, what is known of each, and which one is active.

bundles/<sha256>/   the files of a bundle, read-only
notes/<sha256>/     what is known of it: evaluations, smoke exam, comparisons
gates.toml          what a bundle must reach to be promoted
test_set.json       the test set that all comparisons are made on
active.json         the bundle that the node takes; replaced in one step
journal.jsonl       every change, chained by hashes: the truth, of which the other files are what it says

Whoever changes something holds the lock. The line in the journal is the moment at which a change has happened: what a
killed process leaves before it is taken for nothing, what is missing after it is made up for by the next writer.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dcis_node.errors import StorageError
from storage.activation import Active, active_by, active_stamp, heal_active, read_active, stack_of, write_active
from storage.durable import LOCK, copy_read_only, exclusive, file_sha256, replace_file
from storage.files import sync_folder
from storage.journal import Entry, append_entry, read_journal

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
FOLDERS = ("bundles", "notes", "incoming")
JOURNAL, GATES, TEST_SET = "journal.jsonl", "gates.toml", "test_set.json"


@dataclass(frozen=True)
class Published:
    """One bundle of the registry: when it came, and the digest of each of its files by name."""

    sha256: str
    since: str
    files: dict[str, str]


@dataclass(frozen=True)
class Terms:
    """What the first comparison fixed for all others: digests of the test set and of the gates."""

    test_sha256: str
    gates_sha256: str


@dataclass(frozen=True)
class Registry:
    """A registry that exists; see `create_registry` and `open_registry`."""

    folder: Path

    def bundle_folder(self, sha256: str) -> Path:
        """Give the folder of a bundle, whether or not it is there.

        Raises
        ------
        StorageError
            The text is not a SHA-256 digest.
        """
        return self.folder / "bundles" / _digest(sha256)

    def note_path(self, sha256: str, name: str) -> Path:
        """Give the place of a note on a bundle, whether or not it is there."""
        return self.folder / "notes" / _digest(sha256) / _plain_name(name)

    def entries(self) -> tuple[Entry, ...]:
        """Read the journal; StorageError if it was edited."""
        return read_journal(self.folder / JOURNAL)

    def listed(self) -> tuple[Published, ...]:
        """List the bundles in the order of their publication."""
        return tuple(
            Published(entry.values["bundle"], entry.at, entry.values["files"])
            for entry in self.entries()
            if entry.event == "published"
        )

    def verify(self, sha256: str) -> Path:
        """Hold every file of a bundle to the digest of its publication; give its folder.

        Raises
        ------
        StorageError
            The bundle was never published, or a file is missing or was altered.
        """
        published = next((bundle for bundle in self.listed() if bundle.sha256 == sha256), None)
        if published is None:
            raise StorageError(f"bundle {sha256} is not in the registry")
        folder = self.bundle_folder(sha256)
        for name, told in published.files.items():
            if _digest_of(folder / name) != told:
                raise StorageError(f"bundle {sha256}: {name} is missing or was altered since its publication")
        return folder

    def publish(
        self, source: Path, sha256: str, *, names: Sequence[str], check: Callable[[Path], object], now: float
    ) -> bool:
        """Copy a bundle into the registry; False if it is there already.

        Parameters
        ----------
        source
            Its folder.
        sha256
            Its identity, as its manifest gives it.
        names
            Its files.
        check
            Looks at the finished copy and raises if it is not that bundle; nothing is published then.
        now
            Unix seconds.

        Raises
        ------
        StorageError
            The registry cannot be written, or its journal was edited.
        """
        target = self.bundle_folder(sha256)
        with self._locked():
            if any(bundle.sha256 == sha256 for bundle in self.listed()):
                return False
            part = self.folder / "incoming" / sha256
            # What is here without a line in the journal is of a process that died.
            for leftover in (*(self.folder / "incoming").iterdir(), target):
                shutil.rmtree(leftover, ignore_errors=True)
            part.mkdir()
            files = {name: copy_read_only(source / _plain_name(name), part / name) for name in names}
            check(part)
            sync_folder(part)
            part.rename(target)
            sync_folder(target.parent)
            self._append("published", {"bundle": sha256, "files": files}, now)
        return True

    def note(self, sha256: str, name: str, data: bytes, *, event: str = "noted", now: float) -> bool:
        """Keep a file beside a bundle; a note of that name is replaced. False if these bytes are kept already.

        A process that dies in between leaves a note that does not fit the journal: it is refused until noted again.
        """
        path = self.note_path(sha256, name)
        digest = hashlib.sha256(data).hexdigest()
        with self._locked():
            if sha256 not in {bundle.sha256 for bundle in self.listed()}:
                raise StorageError(f"bundle {sha256} is not in the registry")
            if self.notes_of(sha256).get(name) == digest == _digest_of(path):
                return False
            path.parent.mkdir(exist_ok=True)
            replace_file(path, data, mode=0o444)
            self._append(event, {"bundle": sha256, "name": name, "sha256": digest}, now)
        return True

    def notes_of(self, sha256: str) -> dict[str, str]:
        """Give the digest of each note on a bundle by its name, as the journal has it."""
        return {
            entry.values["name"]: entry.values["sha256"]
            for entry in self.entries()
            if entry.values.get("bundle") == sha256 and "name" in entry.values
        }

    def read_note(self, sha256: str, name: str) -> bytes:
        """Read a note.

        Raises
        ------
        StorageError
            There is none, or it is not what was noted.
        """
        told = self.notes_of(sha256).get(name)
        if told is None:
            raise StorageError(f"bundle {sha256} has no {name}")
        try:
            data = self.note_path(sha256, name).read_bytes()
        except OSError as error:
            raise StorageError(f"bundle {sha256}: {name} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != told:
            raise StorageError(f"bundle {sha256}: {name} was edited: it does not have the hash of the journal")
        return data

    def gates(self) -> bytes:
        """Read the gates.

        Raises
        ------
        StorageError
            They cannot be read, or are not those of the first comparison.
        """
        try:
            data = (self.folder / GATES).read_bytes()
        except OSError as error:
            raise StorageError(f"{self.folder / GATES} cannot be read: {error.strerror}") from error
        terms = self.terms()
        if terms is not None and hashlib.sha256(data).hexdigest() != terms.gates_sha256:
            msg = "was edited after the first comparison: gates are fixed beforehand, others need a new registry"
            raise StorageError(f"{self.folder / GATES} {msg}")
        return data

    def terms(self) -> Terms | None:
        """Give what the first comparison fixed; None before it."""
        fixed = (Terms(**entry.values) for entry in self.entries() if entry.event == "fixed")
        return next(fixed, None)

    def fix_terms(self, terms: Terms, *, now: float) -> None:
        """Fix test set and gates for all comparisons; nothing happens if they are fixed to the same.

        Raises
        ------
        StorageError
            They are fixed to others.
        """
        with self._locked():
            known = self.terms()
            if known == terms:
                return
            if known is not None:
                what = "gates" if known.test_sha256 == terms.test_sha256 else "test set"
                raise StorageError(f"the registry's {what} was fixed by its first comparison; another needs a new one")
            entry = self._append("fixed", asdict(terms), now)
            self._write(TEST_SET, {**entry.values, "since": entry.at})

    @property
    def is_there(self) -> bool:
        """Tell whether the folder is a registry: not missing, and not the empty place of a disk that is not mounted."""
        return (self.folder / JOURNAL).is_file()

    def active(self) -> Active | None:
        """Give the active bundle; None if the shipped one is.

        Raises
        ------
        StorageError
            `active.json` cannot be read, or was not written by the registry.
        """
        return read_active(self.folder, self.entries())

    def stamp(self) -> tuple[int, int, int] | None:
        """Give what changes whenever the active bundle does, at the cost of one look at the folder."""
        return active_stamp(self.folder)

    def previous(self) -> str | None:
        """Give the bundle that a rollback makes active: "" for the shipped one, None if there is none before."""
        stack = stack_of(self.entries())
        return stack[-2] if len(stack) > 1 else None

    def activate(self, sha256: str, *, comparison: str, expected: str, now: float) -> Active:
        """Make a bundle the active one, in one step.

        Parameters
        ----------
        comparison
            Digest of the comparison that allows it.
        expected
            The bundle that the comparison was made against and that must still be active; "" for the shipped one.

        Raises
        ------
        StorageError
            Another bundle became active meanwhile, or the bundle is not in the registry or was altered.
        """
        self.verify(sha256)
        with self._locked():
            current = stack_of(self.entries())[-1]
            if current == sha256:
                raise StorageError(f"bundle {sha256} is the active one already")
            if current != expected:
                raise StorageError("another bundle became active meanwhile: compare with that one")
            return self._switch("promoted", sha256, comparison, now)

    def roll_back(self, *, now: float) -> Active:
        """Make the bundle before the active one active again.

        Raises
        ------
        StorageError
            There is none before, or it is no longer whole.
        """
        with self._locked():
            previous = self.previous()
            if previous is None:
                raise StorageError("nothing to roll back: no bundle was promoted")
            if previous:
                self.verify(previous)
            return self._switch("rolled_back", previous, "", now)

    def _switch(self, event: str, sha256: str, comparison: str, now: float) -> Active:
        active = active_by(self._append(event, {"bundle": sha256, "comparison": comparison}, now))
        write_active(self.folder, active)
        return active

    def _append(self, event: str, values: Mapping[str, Any], now: float) -> Entry:
        return append_entry(self.folder / JOURNAL, event, values, now=now)

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        replace_file(self.folder / name, (json.dumps(values, indent=1, sort_keys=True) + "\n").encode("ascii"))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only writer; first make up for what one that died after its line in the journal left undone."""
        with exclusive(self.folder):
            for entry in self.entries():
                if entry.event == "fixed" and not (self.folder / TEST_SET).exists():
                    self._write(TEST_SET, {**entry.values, "since": entry.at})
            heal_active(self.folder, self.entries())
            yield


def create_registry(folder: Path, *, gates: bytes, now: float) -> Registry:
    """Make a registry in a new or empty folder; one that is there is opened and keeps its gates.

    Raises
    ------
    StorageError
        The folder holds something else, or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    foreign = {path.name for path in folder.iterdir()} - {*FOLDERS, JOURNAL, GATES, f".{GATES}.part", LOCK}
    if foreign and not (folder / JOURNAL).exists():
        raise StorageError(f"{folder} holds other things than a registry: name a new or empty folder")
    with exclusive(folder):
        if not read_journal(folder / JOURNAL):
            for name in FOLDERS:
                (folder / name).mkdir(exist_ok=True)
            replace_file(folder / GATES, gates)
            sync_folder(folder.parent)
            append_entry(folder / JOURNAL, "created", {"gates": hashlib.sha256(gates).hexdigest()}, now=now)
    return Registry(folder)


def open_registry(folder: Path) -> Registry:
    """Open a registry.

    Raises
    ------
    StorageError
        There is none, or its journal was edited.
    """
    if not read_journal(folder / JOURNAL):
        raise StorageError(f"{folder} is no registry of bundles")
    return Registry(folder)


def _digest_of(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _digest(sha256: str) -> str:
    if not _DIGEST.fullmatch(sha256):
        raise StorageError("not a SHA-256 digest")
    return sha256


def _plain_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StorageError(f"{name!r} is no plain file name")
    return name
