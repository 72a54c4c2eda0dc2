"""The outbox: revive what was given up."""

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
    from dcis_node.operate.requeueing import requeue_results

    with open_index(config) as (configuration, db):
        revived = requeue_results(configuration, db, destination=destination, exam=exam, now=time.time())
    if as_json:
        print_json({"revived": revived.dead, "hastened": revived.waiting})
    else:
        typer.echo(f"{revived.dead} dead results are due again, {revived.waiting} that wait are tried at once")
    if not (revived.dead or revived.waiting):
        raise typer.Exit(NOT_DONE)
