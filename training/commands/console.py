"""What all verbs share: where they write, and how a refusal looks."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from dcis_node.errors import DcisNodeError

RESEARCH_USE = "RESEARCH USE ONLY - not for clinical use"


def console() -> Console:
    """Give a console on standard error: standard output is for what another program may read."""
    return Console(stderr=True)


@contextmanager
def refusals(where: Console) -> Iterator[None]:
    """Turn an error of ours into one clear line and exit code 1; anything else is a defect and shows its trace.

    Raises
    ------
    typer.Exit
        With code 1, for any `DcisNodeError`.
    """
    try:
        yield
    except DcisNodeError as error:
        where.print(f"[red]refused:[/red] {error}", highlight=False, markup=True)
        raise typer.Exit(1) from error
