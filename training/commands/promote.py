"""`dcis-train promote`."""

import time
from typing import Annotated

import typer
from rich.console import Console

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import BundleArgument, DeviceOption, RegistryOption


def promote(
    bundle: BundleArgument,
    registry: RegistryOption,
    first: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--first", help="The registry has no active bundle yet.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Make a compared bundle the active one, if it passes every gate. RESEARCH USE ONLY.

    A running node takes it for its next exam. Refused: no comparison with the bundle that is active now, another test
    set, anything edited since, a gate not passed. No flag changes that.
    """
    # torch takes seconds to load: not for --help.
    from dcis_node.model.device import choose_device  # noqa: PLC0415
    from dcis_node.model.predict import Ensemble  # noqa: PLC0415
    from storage.registry import open_registry  # noqa: PLC0415
    from training.commands.comparison_view import gates_view  # noqa: PLC0415
    from training.promotion.lookup import find_bundle  # noqa: PLC0415
    from training.promotion.promote import judge  # noqa: PLC0415
    from training.promotion.promote import promote as switch  # noqa: PLC0415
    from training.promotion.smoke import smoke_exam  # noqa: PLC0415

    where = console()
    with refusals(where):
        opened = open_registry(registry)
        judgement = judge(
            opened,
            find_bundle(opened, bundle),
            first=first,
            smoke=lambda loaded: smoke_exam(Ensemble(loaded, choose_device(device))),
        )
        where.print(RESEARCH_USE)
        Console().print(gates_view(judgement.verdicts))
        active = switch(opened, judgement, now=time.time())
    typer.echo(f"active: {active.sha256} since {active.since}")
