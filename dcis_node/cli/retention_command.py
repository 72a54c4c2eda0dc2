"""What may leave the node leaves, or is only listed."""

# ruff: noqa: PLC0415

import time
from pathlib import Path
from typing import Annotated

import typer

from dcis_node.cli.common import DONE, NOT_DONE, ConfigOption, JsonOption, open_index, print_json, require_owner

NAME = "retention-0"


def retention(
    config: ConfigOption = Path("config.toml"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would leave and why the rest stays; nothing is changed.")
    ] = False,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="Remove although the wall clock is doubted: you have looked at it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let leave what [retention] lets leave, as every night; the node may run meanwhile.

    Images of exams that are done (every result proven at its destination) go first, then results, then rows, each after
    its own days, oldest first. What stays is counted by its reason. Every deletion stands in the audit trail. Exit code
    1 if a training cohort cannot be read: no image leaves then; or if the wall clock may be ahead, so that everything
    looks older than it is: nothing leaves then.
    """
    from dcis_node.operate.audit.trail import audit_trail
    from dcis_node.operate.clock_trust import why_doubted
    from dcis_node.operate.lock import NameLock
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.retention import Retained, RetentionOrder, plan_retention, run_retention
    from dcis_node.operate.upkeep import store_of
    from storage.files import FileStore

    configure_logging("CRITICAL")
    with open_index(config) as (configuration, db):
        doubt = "" if trust_clock else why_doubted(db, now=time.time())
        if dry_run:
            retained = plan_retention(configuration, db)
            retained.postponed = doubt
        elif doubt:
            retained = Retained(postponed=doubt)
        else:
            require_owner(configuration)
            with (
                NameLock(configuration.folder, NAME, patience_seconds=0.0),
                audit_trail(configuration, NAME, is_node=False) as trail,
            ):
                order = RetentionOrder(tell=trail.tell)
                retained = run_retention(configuration, db, FileStore(store_of(configuration)), order)
    if as_json:
        print_json(retained.to_json())
    else:
        verb = "would leave" if dry_run else "left"
        for what, gone in retained.gone.items():
            typer.echo(f"{what}: {gone.exams} exams, {gone.files} files, {gone.size_bytes / 1e6:.1f} MB {verb}")
        for reason, exams in sorted(retained.staying.items()):
            typer.echo(f"stay, {reason}: {exams} exams")
        if retained.held:
            typer.echo(f"held by a training cohort: {retained.held} images")
        if retained.short_bytes:
            typer.echo(f"less is free than retention.free_bytes, by {retained.short_bytes / 1e6:.1f} MB")
        if retained.fault:
            typer.echo(retained.fault, err=True)
        if retained.postponed:
            typer.echo(f"{retained.postponed}; --trust-clock if the clock is right", err=True)
    done = retained.ok and (dry_run or not retained.postponed)
    raise typer.Exit(DONE if done else NOT_DONE)
