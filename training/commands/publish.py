"""`dcis-train publish`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.registry_options import DeviceOption, RegistryOption


def publish(
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle; `demo` is the one shipped with the node.")],
    registry: RegistryOption,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="An evaluation of this bundle, or its folder; may be given again later.")
    ] = None,
    gates: Annotated[
        str | None,
        typer.Option(help="For a new registry: default, demonstration (never with patients) or a .toml file."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Put a bundle with its evaluation into the registry, for good. RESEARCH USE ONLY.

    The copy is read-only and known by its hash. A smoke exam is judged and its answers kept. A registry that is not
    there is made, with its gates: they may be edited until the first comparison fixes them.
    """
    # torch takes seconds to load: not for --help.
    from dcis_node.model.device import choose_device  # noqa: PLC0415
    from dcis_node.model.predict import Ensemble  # noqa: PLC0415
    from training.bundle_word import bundle_folder_of  # noqa: PLC0415
    from training.promotion.gates import registry_with  # noqa: PLC0415
    from training.promotion.publish import publish as put  # noqa: PLC0415
    from training.promotion.smoke import smoke_exam  # noqa: PLC0415

    where = console()
    with refusals(where):
        now = time.time()
        target = registry_with(registry, gates, now=now)
        done = put(
            target,
            bundle_folder_of(bundle),
            evaluation or [],
            smoke=lambda loaded: smoke_exam(Ensemble(loaded, choose_device(device))),
            now=now,
        )
    where.print(RESEARCH_USE)
    kind = " (SYNTHETIC)" if done.bundle.synthetic else ""
    typer.echo(f"{'published' if done.new else 'there already'}: {done.bundle.name} {done.bundle.version}{kind}")
    typer.echo(f"bundle {done.bundle.sha256}")
    for name in done.notes:
        typer.echo(f"kept {name}")
