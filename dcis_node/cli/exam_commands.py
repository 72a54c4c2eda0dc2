"""The exams of the index: list them, tell all about one, look at it, have it decided again."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from dcis_node.cli.common import (
    NOT_DONE,
    ConfigOption,
    JsonOption,
    UidArgument,
    console,
    open_index,
    print_json,
)

# Those of dcis_node.results.profiles, whose import takes a second.
PROFILES = ("generic", "ohif", "mammo-workstation", "archive")


def retry(
    uid: UidArgument,
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Have an exam decided again that got no answer, or one without its analysis or that of a view: after a repair.

    The node does it as soon as it runs. An answer that differs from the last is sent as a new version. Exit code 1 if
    the UID is unknown, or nothing of that exam had failed.
    """
    from storage.overview import exam_ids
    from storage.work import retry_exam

    with open_index(config) as (_, db):
        with db.read() as session:
            found = exam_ids(session, uid)
        again = [number for number in found if retry_exam(db, number)]
    if as_json:
        print_json({"exams": again})
    else:
        for number in again:
            typer.echo(f"exam {number} is decided again")
    if not again:
        typer.echo("the index knows no such exam that had failed", err=True)
        raise typer.Exit(NOT_DONE)


def exams(
    config: ConfigOption = Path("config.toml"),
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the exams of the index, newest first: state, decision, deliveries."""
    from storage.overview import last_exams

    with open_index(config) as (_, db), db.read() as session:
        values = last_exams(session, limit=limit)
    if as_json:
        print_json({"exams": values})
    else:
        from dcis_node.operate.tables import exams_view

        console().print(exams_view(values))


def trace(
    uid: UidArgument,
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Tell all about the exam a UID belongs to. Exit code 1 if the UID is unknown.

    Each instance (used or not, why, tags read and by which rule), its analysis, the results, and every delivery
    attempt with its status.
    """
    from storage.overview import trace as trace_exams

    with open_index(config) as (_, db), db.read() as session:
        values = trace_exams(session, uid)
    if as_json:
        print_json({"exams": values})
    elif values:
        from dcis_node.operate.tables import trace_view

        console().print(trace_view(values))
    if not values:
        typer.echo("the index knows no such UID", err=True)
        raise typer.Exit(NOT_DONE)


def preview(
    uid: UidArgument,
    profile: Annotated[str, typer.Option("--profile", help=f"One of: {', '.join(PROFILES)}.")],
    out: Annotated[Path, typer.Option("--out", help="The picture, a PNG; an earlier one is replaced.")] = Path(
        "preview.png"
    ),
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Write what the user of a profile's viewer sees of an exam's last report, as a picture.

    Drawn from the very objects that the profile sends; those that no destination was sent are built for it. Index and
    files stay as they are. Exit code 1 if the UID is unknown, there is no report yet, or the exam has changed since.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r} is no profile; allowed: {', '.join(PROFILES)}")
    from dcis_node.operate.preview import preview as make_preview
    from dcis_node.results.profiles import Profile

    with open_index(config) as (configuration, db):
        made = make_preview(configuration, db, uid, Profile(profile))
    try:
        made.picture.save(out, format="PNG")
    except OSError as error:
        typer.echo(f"{out}: cannot be written ({error.strerror or type(error).__name__})", err=True)
        raise typer.Exit(NOT_DONE) from error
    values = {**made.to_json(), "out": str(out)}
    if as_json:
        print_json(values)
    else:
        from dcis_node.operate.tables import preview_view

        console().print(preview_view(values), soft_wrap=True)
