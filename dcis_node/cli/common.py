"""What every command has in common: options, exit codes, and how it prints."""

# Heavy modules (torch takes seconds to import) are imported by the commands that need them, so that `status` is quick.
# ruff: noqa: PLC0415

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcis_node.config import Configuration, load_configuration, parse_configuration
from dcis_node.errors import DcisNodeError, StorageError

if TYPE_CHECKING:
    from rich.console import Console

DONE, NOT_DONE, CANNOT_START = 0, 1, 2

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DCIS_NODE_CONFIG", help="The settings; config.toml explains every key."),
]
ConfigFdOption = Annotated[int | None, typer.Option("--config-fd", hidden=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
UidArgument = Annotated[str, typer.Argument(help="UID of a study, series, image or result; or the number of an exam.")]


@contextmanager
def open_index(config: Path) -> Iterator[tuple[Configuration, Any]]:
    """Open the index of a configuration for one command."""
    from storage.database import open_database

    configuration = load_configuration(config)
    db = open_database(configuration.index_url)
    try:
        yield configuration, db
    finally:
        db.close()


def require_owner(configuration: Configuration) -> None:
    """Refuse to write into a data folder that belongs to somebody else.

    What root leaves there (0700 for root) would stop the node at its next start, at a time when nobody thinks of it.

    Raises
    ------
    StorageError
        It is so; the text says as whom to run the command.
    """
    folder = configuration.folder
    if not folder.exists() or folder.stat().st_uid == os.geteuid():
        return
    try:
        owner = folder.owner()
    except KeyError:
        owner = f"user {folder.stat().st_uid}"
    raise StorageError(f"{folder} belongs to {owner}: run this as that user, such as by `runuser -u {owner} -- ...`")


def configuration_of(config: Path, descriptor: int | None) -> Configuration:
    """Read the settings: the file, or those that a supervisor has taken from it and hands on."""
    if descriptor is None:
        return load_configuration(config)
    # Several processes share the position in the file, so it is read without one.
    return parse_configuration(os.pread(descriptor, os.fstat(descriptor).st_size, 0), config)


@contextmanager
def last_words() -> Iterator[None]:
    """Tell the supervisor, if there is one, by which error this process ends."""
    from dcis_node.operate.pulse import LastWords, Pulse

    try:
        yield
    except Exception as error:
        # Our own texts hold no patient data; of others the kind is enough.
        text = str(error) if isinstance(error, DcisNodeError) else ""
        Pulse.of(os.environ).leave(LastWords(type(error).__name__, text))
        raise


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage of a short command lie.

    To look for it while libraries are loaded takes a tenth of the command's time, and at the end of the process, where
    Python looks through all of them once more, a fifth.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def console() -> "Console":
    """Keep a terminal's width; a pipe gets lines wide enough to be searched."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160)


def print_json(values: object) -> None:
    """Print one JSON object."""
    typer.echo(json.dumps(values, indent=2, sort_keys=True))
