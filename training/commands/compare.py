"""`dcis-train compare`."""

import json
import time
from typing import Annotated

import typer
from rich.console import Console

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import BundleArgument, JsonOption, RegistryOption


def compare(
    candidate: BundleArgument,
    registry: RegistryOption,
    champion: Annotated[
        str | None, typer.Option(help="SHA-256 of the champion. Left out: the bundle that a node uses now.")
    ] = None,
    absolute: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--absolute", help="For the first promotion, where the gates allow it: no champion.")
    ] = False,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Compare candidate and champion on the same locked test set, and keep that beside the candidate.

    RESEARCH USE ONLY. Differences are paired by patient: bootstrap intervals, DeLong's test of the AUCs. The first
    comparison of a registry fixes its test set and its gates.
    """
    # scipy and scikit-learn take seconds to load: not for --help.
    from storage.registry import open_registry  # noqa: PLC0415
    from training.commands.comparison_view import comparison_view  # noqa: PLC0415
    from training.promotion.compare import compare_bundles, default_champion  # noqa: PLC0415
    from training.promotion.lookup import find_bundle  # noqa: PLC0415

    where = console()
    with refusals(where):
        opened = open_registry(registry)
        other = None
        if not absolute:
            other = find_bundle(opened, champion) if champion else default_champion(opened)
        found = compare_bundles(opened, find_bundle(opened, candidate), other, now=time.time())
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    where.print(RESEARCH_USE)
    Console().print(comparison_view(found))
