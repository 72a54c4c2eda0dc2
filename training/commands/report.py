"""`dcis-train report`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from training.commands.console import RESEARCH_USE, console, refusals


def report(
    evaluation: Annotated[Path, typer.Option(help="Folder of the evaluation, or its evaluation.json.")],
    run: Annotated[Path, typer.Option(help="Folder of the run that the bundle was made from.")],
    cohort: Annotated[Path, typer.Option(help="Folder of the cohort.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle that was evaluated.")],
    out: Annotated[Path, typer.Option(help="The report: one HTML file that needs no other.")],
    card: Annotated[Path, typer.Option(help="The model card: Markdown.")],
    cases: Annotated[
        int, typer.Option(min=0, help="How many of the worst cases are drawn; each is judged again by the bundle.")
    ] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda: where the cases are judged.")] = "auto",
) -> None:
    """Write the report and the model card of an evaluation.

    Every figure is taken from the evaluation; evaluation, bundle, cohort and run must belong together. RESEARCH USE
    ONLY.
    """
    # Torch and matplotlib take seconds to import; `dcis-train --help` must not.
    from training.report.writing import write_report  # noqa: PLC0415 - as said above

    screen = console()
    with refusals(screen):
        made = write_report(
            evaluation,
            run=run,
            cohort=cohort,
            bundle=bundle,
            out=out,
            card=card,
            cases=cases,
            device=device,
            now=datetime.now(UTC),
            follow=lambda listed: track(listed, description="worst cases", console=screen),
        )
    synthetic = " SYNTHETIC: no figure is a clinical one." if made.synthetic else ""
    typer.echo(f"{out}\n{card}\n{RESEARCH_USE}.{synthetic}")
