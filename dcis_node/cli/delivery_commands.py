"""What wants a person: revive what was given up, or dismiss it."""

# ruff: noqa: PLC0415

import time
from pathlib import Path
from typing import Annotated

import typer

from dcis_node.cli.common import NOT_DONE, ConfigOption, JsonOption, open_index, print_json


def requeue(
    destination: Annotated[
        str | None, typer.Option("--destination", help="Of this destination only; left out: of all.")
    ] = None,
    exam: Annotated[
        str | None, typer.Option("--exam", help="Of the exam that this UID belongs to only, or of this number.")
    ] = None,
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Send results again that were given up (dead), and try at once what waits: after a repair at the peer or here.

    The same bytes go out under the same UIDs. The running node does it within a second; a destination whose breaker is
    open is probed first. Exit code 1 if there was nothing to revive or to hasten, or the UID is unknown.
    """
    from dcis_node.operate.by_hand import requeue_results

    with open_index(config) as (configuration, db):
        revived = requeue_results(configuration, db, destination=destination, exam=exam, now=time.time())
    if as_json:
        print_json({"revived": revived.dead, "hastened": revived.waiting})
    else:
        typer.echo(f"{revived.dead} dead results are due again, {revived.waiting} that wait are tried at once")
    if not (revived.dead or revived.waiting):
        raise typer.Exit(NOT_DONE)


def dismiss(
    exam: Annotated[
        str | None, typer.Argument(help="A study, series or SOP instance UID, or the number of an exam.")
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", help="Only its results; without an exam, all its dead ones.")
    ] = None,
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Say that nothing more is to be done about what failed: it is no alarm any more, and its images may leave.

    Of an exam: that it has no answer, or one without its analysis or that of a view, and its dead results. Of a
    destination: its dead results, and all that waits for it if config.toml does not name it any more. Nothing is
    deleted, `trace` shows it, `retry` and `requeue --exam` take it back. Exit code 1 if there was nothing to dismiss,
    or the UID is unknown.
    """
    from dcis_node.operate.by_hand import dismiss as dismiss_them

    if exam is None and destination is None:
        raise typer.BadParameter("name an exam, or a destination by --destination")
    with open_index(config) as (configuration, db):
        done = dismiss_them(configuration, db, exam=exam, destination=destination, now=time.time())
    if as_json:
        print_json({"exams": done.exams, "results": done.results})
    else:
        typer.echo(f"dismissed: the failure of {done.exams} exams, {done.results} results")
    if not (done.exams or done.results):
        raise typer.Exit(NOT_DONE)
