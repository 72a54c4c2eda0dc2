"""`dcis-train bundle`."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import RESEARCH_USE, console, refusals
from training.commands.judging_bar import judging_bar


def bundle(
    run: Annotated[Path, typer.Option(help="Folder of the run, all folds done.")],
    cohort: Annotated[Path, typer.Option(help="Folder of cohort.json.")],
    splits: Annotated[Path, typer.Option(help="splits.json that the run was fitted on.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle; new or empty. Bundles are never overwritten.")],
    name: Annotated[str, typer.Option(help="Name; one made from phantoms must hold the word synthetic.")],
    version: Annotated[str, typer.Option(help="Version of these weights.")],
    images: Annotated[Path | None, typer.Option(help="Where the image files are now, if they were moved.")] = None,
    sweep_patients: Annotated[
        int, typer.Option(min=0, help="Sweep the whole views of so many patients to choose what counts as a mark.")
    ] = 40,
    npv: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="What a low call is to be worth at the operating point.")
    ] = 0.909,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    processes: Annotated[
        int, typer.Option(min=0, help="Single-thread processes at once: free cores. 0: in this one.")
    ] = 2,
) -> None:
    """Calibrate a fitted run on patients that are not the test's, choose its settings and write its bundle.

    RESEARCH USE ONLY. A run that was stopped goes on. `dcis-train evaluate` then judges the bundle on the test set.
    """
    # torch, scipy and scikit-learn take seconds to load: not for --help.
    from training.bundling import BundleRequest, make_bundle  # noqa: PLC0415

    where = console()
    with refusals(where), judging_bar(where) as bar:
        request = BundleRequest(
            run=run,
            cohort=cohort,
            splits=splits,
            name=name,
            version=version,
            images=images,
            sweep_patients=sweep_patients,
            npv=npv,
        )
        made = make_bundle(request, out, device=device, processes=processes, tell=bar)
    where.print(RESEARCH_USE)
    kind = "SYNTHETIC, made from phantoms" if made.synthetic else "not yet tested"
    typer.echo(f"{made.name} {made.version} ({kind}) in {out}")
    typer.echo(f"bundle {made.sha256}")
    figures = made.figures
    where.print(
        f"chosen on {figures['patients']} patients ({figures['chosen_on']}), not held out: "
        f"AUC {figures['auc']['value']}, Dice {figures['dice_mean']}, first mark right {figures['hit_rate_first']}, "
        f"false marks per view {figures['false_marks_per_view']}, threshold {made.threshold}",
        highlight=False,
    )
