"""The command line of training: `dcis-train`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

import dcis_node
from dcis_node.errors import DcisNodeError
from training.card import model_card
from training.commands.bundle import bundle
from training.commands.compare import compare
from training.commands.evaluate import evaluate
from training.commands.fit import fit
from training.commands.import_cohort import import_cohort
from training.commands.list_bundles import list_bundles
from training.commands.phantoms import phantoms
from training.commands.promote import promote
from training.commands.publish import publish
from training.commands.report import report
from training.commands.rollback import rollback
from training.commands.show import show
from training.commands.split import split
from training.demo_bundle import make_demo_bundle
from training.plan import demo_plan, quick_plan
from training.progress import Progress as Line

app = typer.Typer(
    help="Train the models that dcis-node runs. RESEARCH USE ONLY.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _about() -> None:
    """Train the models that dcis-node runs. RESEARCH USE ONLY."""


# In the order in which a researcher needs them.
app.command("phantoms")(phantoms)
app.command("import")(import_cohort)
app.command("split")(split)
app.command("fit")(fit)
app.command("bundle")(bundle)
app.command("evaluate")(evaluate)
app.command("report")(report)
app.command("publish")(publish)
app.command("list")(list_bundles)
app.command("show")(show)
app.command("compare")(compare)
app.command("promote")(promote)
app.command("rollback")(rollback)


@app.command("demo-bundle")
def demo_bundle(
    out: Annotated[Path, typer.Option(help="Folder for the bundle; new or empty. Bundles are never overwritten.")],
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds draw equal phantoms, folds and steps.")] = 1,
    work: Annotated[
        Path, typer.Option(help="Folder for crops and weights, about 12 GB. A run that died goes on from it.")
    ] = Path("training-work"),
    card: Annotated[Path | None, typer.Option(help="Write the model card (Markdown) here.")] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = dcis_node.__version__,
    processes: Annotated[int, typer.Option(min=1, help="Single-thread processes at once: free cores.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few phantoms, few steps: some minutes, to see the chain. Knows little.")
    ] = False,
) -> None:
    """Make the synthetic demo model: phantoms, two training stages, five folds, calibration, held-out figures.

    No data is needed: every image is drawn by the phantom generator. On two free cores it takes up to 90 minutes; all
    along, bars show what is done. It ends with a bundle that `dcis-node` loads (set `model.bundle` to its folder) and
    that says in every result that it is synthetic. Its figures are figures of phantoms, never clinical ones.
    """
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[loss]}"),
        console=console,
    )
    known: dict[str, TaskID] = {}

    def tell(name: str, line: Line | None, done: bool) -> None:
        if name not in known:
            known[name] = bars.add_task(name, total=None, loss="")
        if line is not None:
            bars.update(known[name], description=_words(name, line), completed=line.step, total=line.steps)
            bars.update(known[name], loss=_loss(line))
        if done and not console.is_terminal:
            console.print(f"done: {name}")

    try:
        with bars:
            made = make_demo_bundle(
                out,
                seed=seed,
                plan=quick_plan() if quick else demo_plan(),
                work=work,
                version=version,
                processes=processes,
                report=tell,
            )
    except DcisNodeError as error:
        console.print(f"[red]stopped:[/red] {error}")
        raise typer.Exit(1) from error
    text = model_card(made)
    if card is not None:
        card.write_text(text, encoding="utf-8")
    given, found = made.figures["given_lesion"], made.figures["found_lesion"]
    typer.echo(f"{made.name} {made.version} (SYNTHETIC, research use only) in {out}")
    typer.echo(f"bundle {made.sha256}")
    typer.echo(f"lesion given: patient AUC {given['patient_auc']['value']:.3f}, Dice {given['dice_mean']:.3f}")
    typer.echo(f"lesion found: first mark right {found['hit_rate_first']}, false marks {found['false_marks_per_view']}")


def _words(name: str, line: Line) -> str:
    return line.task if ":" in line.task or "," in line.task or line.task == name else f"{name} {line.task}"


def _loss(line: Line) -> str:
    if not line.segmentation_loss:
        return ""
    image = f" image {line.classification_loss:.3f}" if line.classification_loss else ""
    return f"loss: pixels {line.segmentation_loss:.3f}{image}"


def main() -> None:
    """Run the command line."""
    app()
