import hashlib
import os
from pathlib import Path

import pytest

from dcis_node.errors import StorageError
from storage import files as files_module
from storage.files import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def test_bytes_come_back_by_their_digest(store: FileStore) -> None:
    digest = store.put(b"image")
    assert digest == hashlib.sha256(b"image").hexdigest()
    assert store.read(digest) == b"image"
    assert store.exists(digest)
    assert list(store.incoming.iterdir()) == []


def test_the_same_bytes_twice_are_one_file(store: FileStore) -> None:
    assert store.put(b"image") == store.put(b"image")
    assert len(list(store.digests())) == 1


def test_files_and_folders_are_for_this_user_only(store: FileStore) -> None:
    path = store.path(store.put(b"image"))
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (path.parent, store.incoming, store.root):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_damage_is_found_when_reading(store: FileStore) -> None:
    digest = store.put(b"image")
    store.path(digest).write_bytes(b"imagf")
    with pytest.raises(StorageError, match="damaged"):
        store.read(digest)
    assert store.read(digest, verify=False) == b"imagf"


def test_storing_again_heals_a_damaged_file(store: FileStore) -> None:
    digest = store.put(b"image")
    store.path(digest).write_bytes(b"")
    store.put(b"image")
    assert store.read(digest) == b"image"


def test_a_missing_file_is_told(store: FileStore) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        store.read("0" * 64)
    assert not store.exists("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_a_digest_is_a_name(store: FileStore, name: str) -> None:
    with pytest.raises(StorageError, match="not a SHA-256"):
        store.path(name)


def test_the_file_is_on_disk_before_its_name_and_the_name_before_the_return(store: FileStore, monkeypatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def traced_fsync(descriptor: int) -> None:
        done.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(store.root.parent)}")
        fsync(descriptor)

    def traced_replace(source: Path, target: Path) -> Path:
        done.append("rename")
        return replace(source, target)

    monkeypatch.setattr(files_module.os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "replace", traced_replace)
    digest = store.put(b"image")

    assert done[0].startswith("fsync files/incoming/")
    assert done[1:] == ["rename", f"fsync files/{digest[:2]}"]


def test_a_full_disk_leaves_nothing(store: FileStore, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put(b"image")
    assert list(store.incoming.iterdir()) == []
    assert list(store.digests()) == []


def test_parts_of_dead_processes_are_swept_and_live_ones_stay(store: FileStore) -> None:
    pid = os.fork()
    if pid == 0:
        store.new_part()
        os._exit(0)  # dies with the part half written
    os.waitpid(pid, 0)
    alive, descriptor = store.new_part()

    assert store.sweep_incoming() == 1
    assert list(store.incoming.iterdir()) == [alive]
    os.close(descriptor)
    assert store.sweep_incoming() == 1


def test_a_part_that_a_sweep_took_at_its_birth_is_made_anew(store: FileStore, monkeypatch) -> None:
    lock, calls = files_module._lock, []

    def swept_first(descriptor: int) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:
            return False
        if len(calls) == 2:
            for part in store.incoming.glob("*.part"):
                part.unlink()
        return lock(descriptor)

    monkeypatch.setattr(files_module, "_lock", swept_first)
    part, descriptor = store.new_part()
    assert part.exists()
    assert len(calls) == 3
    os.close(descriptor)


def test_a_part_that_vanishes_under_the_sweep_is_no_fault(store: FileStore, monkeypatch) -> None:
    gone = store.incoming / "gone.part"
    assert not files_module._remove_if_dead(gone)
