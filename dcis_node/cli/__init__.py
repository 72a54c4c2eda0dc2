"""The command line of the node. Research use only.

Exit codes: 0 done; 1 not everything was done, or something expected did not come; 2 it could not start (the
configuration, the arguments, the index or the model bundle cannot be used).
"""

import sys
from typing import Annotated

import typer

from dcis_node import __version__
from dcis_node.cli.common import CANNOT_START, DONE, NOT_DONE
from dcis_node.cli.delivery_commands import dismiss, requeue
from dcis_node.cli.exam_commands import exams, preview, retry, trace
from dcis_node.cli.node_commands import check, demo, metrics, reload, run, status, verify_bundle
from dcis_node.cli.peer_commands import echo, send
from dcis_node.cli.retention_command import retention
from dcis_node.cli.upkeep_commands import backup, rebuild_index, restore, sweep
from dcis_node.errors import BundleError, ConfigurationError, DcisNodeError, StorageError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="""DICOM node: outlines calcifications on mammograms, estimates whether a biopsy-proven DCIS is high-risk.

RESEARCH USE ONLY - not for clinical use.

Try it: `dcis-node demo`. Then write your PACS into config.toml, `dcis-node check`, `dcis-node run`, send it an exam.

Exit codes: 0 done; 1 not everything was done; 2 it could not start.""",
)

# In the order in which `--help` lists them: as one meets the node.
for command in (
    demo,
    check,
    run,
    reload,
    status,
    metrics,
    exams,
    trace,
    preview,
    retry,
    requeue,
    dismiss,
    send,
    echo,
    sweep,
    retention,
    backup,
    restore,
    rebuild_index,
):
    app.command()(command)
app.command(hidden=True)(verify_bundle)


def main() -> None:
    """Run the command line; errors of ours become one clear line and an exit code."""
    try:
        app()
    except (ConfigurationError, BundleError, StorageError) as error:
        typer.echo(str(error), err=True)
        sys.exit(CANNOT_START)
    except DcisNodeError as error:
        typer.echo(str(error), err=True)
        sys.exit(NOT_DONE)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"dcis-node {__version__} (research use only)")
        raise typer.Exit(DONE)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""
