"""The command line of training: `dcis-train`."""

import typer

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


def main() -> None:
    """Run the command line."""
    app()
