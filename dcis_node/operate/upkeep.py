"""Index and files of a node held together: the sweep, and the index made again."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.config import Configuration
from dcis_node.errors import HeaderError, StorageError
from dcis_node.operate.lock import folder_in_use
from dcis_node.operate.site import equipment_of
from dcis_node.receive.describe import describe
from dcis_node.receive.header import quiet, read_part
from storage.database import Database, open_database
from storage.files import FileStore
from storage.maintenance import WorkDone, record_work
from storage.rebuild import Progress, Rebuilt, is_index_lost, rebuild_index
from storage.replay import Describe, Looked, Stray
from storage.sweep import GRACE_SECONDS, Broom, Swept, sweep

log = logging.getLogger(__name__)

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class SweepOrder:
    """How a sweep is to be done (see `storage.sweep.Broom`)."""

    verify: bool = False
    grace_seconds: float = GRACE_SECONDS
    should_stop: Callable[[], bool] = lambda: False
    progress: Callable[[int], object] = lambda _: None


def store_of(configuration: Configuration) -> Path:
    """Name the folder of images, results and records."""
    return configuration.folder / "store"


def run_sweep(configuration: Configuration, db: Database, files: FileStore, order: SweepOrder | None = None) -> Swept:
    """Hold index and files against each other, and keep in the index how it went.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        A folder cannot be read, or the disk is full.
    """
    started = time.time()
    broom = Broom(
        db,
        files,
        describe_file(configuration),
        now=started,
        merge_same_day=configuration.exam.merge_same_day,
        **vars(order or SweepOrder()),
    )
    try:
        swept = sweep(broom)
    except (StorageError, OSError) as error:
        text = str(error) if isinstance(error, StorageError) else f"disk: {error.strerror or type(error).__name__}"
        with db.write() as session:
            record_work(session, WorkDone("sweep", started, time.time(), ok=False, detail={"error": text}))
        raise
    if not swept.stopped:
        with db.write() as session:
            record_work(session, WorkDone("sweep", started, time.time(), swept.ok, swept.to_json()))
    _log(swept, time.time() - started)
    return swept


def _log(swept: Swept, seconds: float) -> None:
    counts = {name: value for name, value in swept.to_json().items() if not isinstance(value, list)}
    told = " ".join(f"{name}={value}" for name, value in counts.items())
    log.log(logging.INFO if swept.ok else logging.ERROR, "event=swept ok=%s seconds=%.1f %s", swept.ok, seconds, told)
    for sort, names in (("missing", swept.missing), ("damaged", swept.damaged), ("set_aside", swept.set_aside)):
        for name in names:
            log.error("event=store_fault fault=%s file='%s'", sort, name)


def make_index_again(
    configuration: Configuration, *, delivered: bool, progress: Progress = lambda _done, _all: None
) -> Rebuilt:
    """Make the index again from the files of a node that does not run (see `storage.rebuild`).

    Raises
    ------
    StorageError
        The node runs, there are no files, or the new index cannot be written; the old one is in its place.
    """
    store = store_of(configuration)
    if not store.is_dir():
        raise StorageError(f"there is no {store}: nothing to make an index from")
    with folder_in_use(configuration.folder, alone=True, patience_seconds=0.0):
        try:
            return rebuild_index(
                configuration.index_url,
                FileStore(store),
                describe_file(configuration),
                stamp=time.strftime("%Y%m%dT%H%M%S"),
                merge_same_day=configuration.exam.merge_same_day,
                delivered=delivered,
                priors=configuration.retrieve.priors,
                progress=progress,
            )
        except OSError as error:
            raise StorageError(f"the index cannot be made again: {error.strerror or type(error).__name__}") from error


def rebuilt_to_json(rebuilt: Rebuilt, *, seconds: float) -> dict[str, Any]:
    """Give plain values of what a rebuild came to."""
    tally = vars(rebuilt.tally)
    return {
        "ok": rebuilt.ok,
        "seconds": round(seconds, 1),
        "old_index": "" if rebuilt.aside is None else str(rebuilt.aside),
        "rows": rebuilt.rows,
        "assumed_delivered": rebuilt.assumed_delivered,
        **{name: len(value) if isinstance(value, list) else value for name, value in tally.items()},
        "unreadable": tally["foreign"],
        "damaged_record_names": tally["damaged_records"],
    }


def refuse_lost_index(configuration: Configuration) -> None:
    """Refuse to start with an empty index beside files that were answered: they would be answered anew.

    Raises
    ------
    StorageError
        It is so; the text says what to do.
    """
    store = store_of(configuration)
    if not store.is_dir():
        return
    db = open_database(configuration.index_url)
    try:
        if is_index_lost(db, FileStore(store)):
            text = "make it again by `dcis-node rebuild-index`, or restore a backup"
            raise StorageError(f"the index is empty, but {store} holds images that were answered: {text}")
    finally:
        db.close()


def describe_file(configuration: Configuration) -> Describe:
    """Give what says of a file what it is, as reception would."""
    own = equipment_of(configuration)

    def described(path: Path, sha256: str) -> Looked | Stray:
        try:
            with path.open("rb") as file:
                if file.read(len(PNG)) == PNG:
                    return Stray.PICTURE
            header = read_part(path)
            with quiet():
                named = (header.get("ManufacturerModelName"), header.get("DeviceSerialNumber"))
                received = describe(header, sha256=sha256, size_bytes=path.stat().st_size, calling_aet="")
        except (HeaderError, OSError):
            return Stray.FOREIGN
        except Exception as error:  # noqa: BLE001 -- pydicom reads values late: foreign bytes, named by their digest
            log.warning("event=file_unreadable file=%s error=%s", sha256, type(error).__name__)
            return Stray.FOREIGN
        return Looked(received, made_here=named == (own.model_name, own.device_serial_number))

    return described
