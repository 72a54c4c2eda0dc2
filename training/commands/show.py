"""`dcis-train show`."""

import json

import typer

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import BundleArgument, JsonOption, RegistryOption


def show(bundle: BundleArgument, registry: RegistryOption, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Show one bundle of the registry: files, notes, figures, history; every hash is checked. RESEARCH USE ONLY."""
    # torch takes seconds to load: not for --help.
    from storage.registry import open_registry  # noqa: PLC0415
    from training.promotion.describe import describe  # noqa: PLC0415
    from training.promotion.lookup import find_bundle  # noqa: PLC0415

    where = console()
    with refusals(where):
        opened = open_registry(registry)
        told = describe(opened, find_bundle(opened, bundle))
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    where.print(RESEARCH_USE)
    for name in ("sha256", "name", "version", "scenario", "synthetic", "threshold", "since", "active"):
        typer.echo(f"{name:>10}  {told[name]}")
    for name, sha256 in (told["files"] | told["notes"]).items():
        typer.echo(f"{'intact':>10}  {name}  {sha256}")
    for evaluation in told["evaluations"]:
        typer.echo(f"{'judged':>10}  {evaluation['sha256'][:12]} on test set {evaluation['test_sha256'][:12]}")
        typer.echo(f"{'':>10}  AUC lesion given {evaluation['given_auc']}, found {evaluation['found_auc']}")
    for event in told["history"]:
        typer.echo(f"{'history':>10}  {event['at']} {event['event']} {event['name']}")
