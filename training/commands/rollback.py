"""`dcis-train rollback`."""

import time

import typer

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import RegistryOption


def rollback(registry: RegistryOption) -> None:
    """Make the bundle before the active one active again. RESEARCH USE ONLY.

    A running node takes it for its next exam. Before the first promotion that is the bundle shipped with the node.
    """
    from storage.registry import open_registry  # noqa: PLC0415 - no verb loads more than it needs

    where = console()
    with refusals(where):
        active = open_registry(registry).roll_back(now=time.time())
    where.print(RESEARCH_USE)
    typer.echo(f"active: {active.sha256 or 'the bundle shipped with the node'} since {active.since}")
