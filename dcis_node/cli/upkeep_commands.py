"""Keep what the node has: index and files held together, the index made again, backed up and restored."""

# ruff: noqa: PLC0415

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from dcis_node.cli.common import DONE, NOT_DONE, ConfigOption, JsonOption, open_index, print_json, require_owner
from dcis_node.config import load_configuration

FOLDERS = 256


def sweep(
    config: ConfigOption = Path("config.toml"),
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file and hold it to its digest: as long as the disk takes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold index and files against each other, as the node does at its start and every night; it may run meanwhile.

    A received file that a crash left without its row gets it, files of work that was never finished are removed, what
    is nothing of ours goes to store/quarantine. Exit code 1 if a row's file is missing, a file is damaged, or
    store/quarantine is not empty: a person has to look.
    """
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.upkeep import SweepOrder, run_sweep, store_of
    from storage.files import FileStore

    configure_logging("CRITICAL")
    with open_index(config) as (configuration, db), _progress("folders") as show:
        require_owner(configuration)
        order = SweepOrder(verify=verify, progress=lambda done: show(done, FOLDERS))
        swept = run_sweep(configuration, db, FileStore(store_of(configuration)), order)
    if as_json:
        print_json({"ok": swept.ok, **swept.to_json()})
    else:
        values = swept.to_json()
        for name, count in values.items():
            if not isinstance(count, list):
                typer.echo(f"{name}: {count}")
        for sort in ("missing", "damaged", "set_aside"):
            for name in values[sort]:
                typer.echo(f"{sort}: {name}")
    raise typer.Exit(DONE if swept.ok else NOT_DONE)


def rebuild_index(
    config: ConfigOption = Path("config.toml"),
    assume_delivered: Annotated[
        bool,
        typer.Option(
            "--assume-delivered",
            help="Send nothing again. Left out: the results of each exam's last answer are sent once more.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the index again from the files alone, when it is lost and there is no backup. The node must not run.

    The new index is made beside the old one, checked, and put in its place in one step; the old one is kept beside it.
    Results that are sent once more are the same bytes under the same UIDs. Exit code 1 if there are files that could
    not be read or placed, 2 if it was not made.
    """
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.upkeep import make_index_again, rebuilt_to_json

    configure_logging("CRITICAL")
    configuration = load_configuration(config)
    require_owner(configuration)
    started = time.monotonic()
    with _progress("files") as show:
        rebuilt = make_index_again(configuration, delivered=assume_delivered, progress=show)
    values = rebuilt_to_json(rebuilt, seconds=time.monotonic() - started)
    _print_flat(values, as_json=as_json)
    raise typer.Exit(DONE if rebuilt.ok else NOT_DONE)


def backup(
    config: ConfigOption = Path("config.toml"),
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the backups; left out: maintenance.backup_folder.")
    ] = None,
    scope: Annotated[
        str,
        typer.Option("--files", help="Which files go with the index: own (results, outlines, records), all, none."),
    ] = "own",
    as_json: JsonOption = False,
) -> None:
    """Back up the index and the files that only this node has, as every night; the node may run meanwhile.

    The copy is checked before it gets its name; then older ones go but the newest maintenance.backups_kept. Images are
    the PACS's too: --files all copies them as well. What a backup before has copied is not copied again. Exit code 1 if
    files could not be copied, 2 if no backup was made.
    """
    scopes = {"own": "own", "all": "all", "none": "index"}
    if scope not in scopes:
        raise typer.BadParameter(f"{scope!r}: allowed: {', '.join(scopes)}")
    from dcis_node.operate.backups import backup_by_hand
    from dcis_node.operate.logs import configure_logging
    from storage.backup import Scope

    configure_logging("CRITICAL")
    started = time.monotonic()
    configuration = load_configuration(config)
    require_owner(configuration)
    made = backup_by_hand(configuration, scope=Scope(scopes[scope]), folder=to)
    _print_flat({**made.to_json(), "seconds": round(time.monotonic() - started, 2)}, as_json=as_json)
    raise typer.Exit(DONE if made.ok else NOT_DONE)


def restore(
    name: Annotated[
        str, typer.Argument(metavar="BACKUP", help="latest, a name in maintenance.backup_folder, or the path of one.")
    ],
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of the index. The node must not run.

    The backup is verified and made ready first; the present index is kept beside. Files that are missing come back from
    the backup, and what is in the files and newer than the backup is taken up: images are received again, answers keep
    their objects. Results that the backup has not seen delivered are sent again: the same bytes. Exit code 1 if a
    person has to look (see `sweep`), 2 if nothing was changed.
    """
    from dcis_node.operate.backups import backup_named, restore_node
    from dcis_node.operate.logs import configure_logging

    configure_logging("CRITICAL")
    configuration = load_configuration(config)
    require_owner(configuration)
    values = restore_node(configuration, backup_named(configuration, name))
    _print_flat(values, as_json=as_json)
    raise typer.Exit(DONE if values["ok"] else NOT_DONE)


def _print_flat(values: dict[str, Any], *, as_json: bool) -> None:
    """Print values, one a line; those of a group after its name."""
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        group = value if isinstance(value, dict) else {}
        shown = ", ".join(f"{key} {count}" for key, count in group.items() if not isinstance(count, list))
        typer.echo(f"{name}: {shown or value}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal, on standard error; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
