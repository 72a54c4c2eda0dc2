"""`dcis-train list`."""

import json

import typer
from rich.console import Console
from rich.table import Table

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import JsonOption, RegistryOption


def list_bundles(registry: RegistryOption, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag of the command line
    """List the registry's bundles, and which one is active. RESEARCH USE ONLY."""
    # torch takes seconds to load: not for --help.
    from storage.registry import open_registry  # noqa: PLC0415
    from training.promotion.describe import list_registry  # noqa: PLC0415

    where = console()
    with refusals(where):
        rows = list_registry(open_registry(registry))
    if as_json:
        typer.echo(json.dumps({"bundles": rows}, indent=1))
        return
    table = Table(title=f"Bundles ({RESEARCH_USE})", title_justify="left", header_style="bold", pad_edge=False)
    # The name of a bundle made from phantoms holds the word synthetic.
    for column in ("bundle", "model", "scenario", "published", "compared with, active"):
        table.add_column(column, overflow="fold", no_wrap=column != "model")
    for row in rows:
        compared = (", ".join(row["compared_with"]) or "-") + (" (active)" if row["active"] else "")
        table.add_row(
            row["sha256"][:12], f"{row['name']} {row['version']}", row["scenario"], row["since"][:10], compared
        )
    Console().print(table)
