"""The command line of the node. Research use only.

Exit codes: 0 done; 1 not everything was done, or something expected did not come; 2 it could not start (the
configuration, the arguments, the index or the model bundle cannot be used).
"""

# Heavy modules (torch takes seconds to import) are imported by the commands that need them, so that `status` is quick.
# ruff: noqa: PLC0415

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dcis_node import __version__
from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import BundleError, ConfigurationError, DcisNodeError, StorageError

DONE, NOT_DONE, CANNOT_START = 0, 1, 2
ROLES = ("receive", "analyse", "deliver", "clock")
# Those of dcis_node.results.profiles, whose import takes a second.
PROFILES = ("generic", "ohif", "mammo-workstation", "archive")

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

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The settings; config.toml explains every key.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
ToOption = Annotated[str, typer.Option("--to", help="HOST:PORT of the storage SCP.", metavar="HOST:PORT")]
AetOption = Annotated[str, typer.Option("--aet", help="AE title of the peer (the called one).")]
CallingOption = Annotated[str, typer.Option("--calling-aet", help="AE title to call as.")]


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


@app.command()
def demo(
    exam: Annotated[
        Path | None,
        typer.Option("--exam", help="Folder with the DICOM files of one exam; left out: a synthetic exam is made."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for results, pictures and the node's own data.")] = Path(
        "demo-out"
    ),
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the synthetic exam.")] = 37,
) -> None:
    """Show the whole job: a real node, a stand-in PACS, an exam in, its results back.

    Starts the node as `dcis-node run` does (loopback, free ports, a fresh folder), sends the exam over a real
    association, waits for its results to come back by C-STORE, checks them, prints the figures and writes exam.png.
    Exit code 1 if anything expected did not come back. The bundled model is trained on SYNTHETIC phantoms.
    """
    from dcis_node.demo import run_demo

    raise typer.Exit(DONE if run_demo(exam=exam, out=out, seed=seed, as_json=as_json) else NOT_DONE)


@app.command()
def run(
    role: Annotated[
        str | None, typer.Argument(help=f"One process alone: {', '.join(ROLES)}. Left out: the whole node.")
    ] = None,
    config: ConfigOption = Path("config.toml"),
    name: Annotated[str, typer.Option("--name", help="Name of a process that is run alone; unique in the index.")] = "",
    listen_fd: Annotated[int | None, typer.Option("--listen-fd", hidden=True)] = None,
    lifeline_fd: Annotated[int | None, typer.Option("--lifeline-fd", hidden=True)] = None,
) -> None:
    """Run the node until SIGTERM or Ctrl-C: receivers, analysis, courier and clock under one supervisor.

    On SIGTERM each process finishes its current item and leaves. A process that dies is started again and its work is
    picked up. Every process can also be run alone, on several hosts that share the index and the files.
    """
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.node import prepare, run_node
    from dcis_node.operate.role import run_role

    if role is not None and role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role; allowed: {', '.join(ROLES)}")
    configuration = load_configuration(config)
    process = name or f"{role}-0"
    configure_logging(configuration.node.log_level, name=process if role else "supervisor")
    if role is None:
        run_node(configuration, config.resolve())
        return
    if lifeline_fd is None:
        prepare(configuration)
    run_role(role, configuration, process, listen_fd=listen_fd, lifeline=lifeline_fd)


@app.command(hidden=True)
def verify_bundle(config: ConfigOption = Path("config.toml")) -> None:
    """Load the bundle of the configuration and print its name, version and hash."""
    from dcis_node.operate.bundles import bundle_of

    bundle = bundle_of(load_configuration(config))
    typer.echo(f"{bundle.name} {bundle.version} sha256={bundle.sha256}")


@app.command()
def send(
    folder: Annotated[Path, typer.Argument(help="A DICOM file, or a folder that is searched for DICOM files.")],
    to: ToOption,
    aet: AetOption,
    calling_aet: CallingOption = "DCIS_SEND",
    as_json: JsonOption = False,
) -> None:
    """Send DICOM files by C-STORE, as they are. Exit code 1 if one was not stored."""
    from dcis_node.deliver.outcome import PeerAddress
    from dcis_node.operate.sending import send_folder

    host, port = _host_port(to)
    lines = send_folder(folder, PeerAddress(host=host, port=port, aet=aet, calling_aet=calling_aet))
    if as_json:
        _print_json({"sent": [line.to_json() for line in lines]})
    else:
        for line in lines:
            typer.echo(f"{'stored' if line.stored else 'NOT STORED'}  {line.path}  {line.text}")
        typer.echo(f"{sum(line.stored for line in lines)} of {len(lines)} stored")
    raise typer.Exit(DONE if lines and all(line.stored for line in lines) else NOT_DONE)


@app.command()
def echo(
    to: Annotated[str | None, typer.Option("--to", help="HOST:PORT of the peer.", metavar="HOST:PORT")] = None,
    aet: Annotated[str | None, typer.Option("--aet", help="AE title of the peer (the called one).")] = None,
    calling_aet: CallingOption = "DCIS_NODE",
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Ask peers whether they are there (C-ECHO): one by --to and --aet, or every destination of config.toml."""
    from dcis_node.deliver.outcome import PeerAddress
    from dcis_node.deliver.sender import echo as verify
    from dcis_node.operate.sending import peer_of

    if (to is None) != (aet is None):
        raise typer.BadParameter("--to and --aet go together; without both, the destinations of config.toml are asked")
    if to is not None and aet is not None:
        host, port = _host_port(to)
        peers = {to: PeerAddress(host=host, port=port, aet=aet, calling_aet=calling_aet)}
    else:
        configuration = load_configuration(config)
        peers = {d.name: peer_of(configuration, d) for d in configuration.destinations}
    answers = {name: verify(peer) for name, peer in peers.items()}
    if as_json:
        _print_json({"peers": {name: {"ok": answer.ok, "text": answer.text} for name, answer in answers.items()}})
    else:
        for name, answer in answers.items():
            typer.echo(f"{'ok  ' if answer.ok else 'FAIL'}  {name}: {answer.text}")
        if not answers:
            typer.echo("config.toml names no destination; use --to HOST:PORT --aet AET", err=True)
    raise typer.Exit(DONE if answers and all(answer.ok for answer in answers.values()) else NOT_DONE)


@app.command()
def status(config: ConfigOption = Path("config.toml"), as_json: JsonOption = False) -> None:
    """Show the model, the processes, the queues and the last exams.

    Exit code 1 if a process is silent, a result is dead, the model that should judge was refused, or an exam got no
    answer or one without its analysis (`retry` decides it again).
    """
    from dcis_node.operate.status import node_status

    with _index(config) as (configuration, db):
        values = node_status(configuration, db)
    if as_json:
        _print_json(values)
    else:
        from dcis_node.operate.tables import status_view

        _console().print(status_view(values))
    silent = any(process["state"] != "alive" for process in values["processes"])
    dead = any(counts.get("dead", 0) for counts in values["queues"]["outbox"].values())
    raise typer.Exit(NOT_DONE if silent or dead or values["bundle"]["refused"] or values["failures"] else DONE)


@app.command()
def retry(
    uid: Annotated[str, typer.Argument(help="UID of a study, series, image or result; or the number of an exam.")],
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Have an exam decided again that got no answer, or one without its analysis: after an upgrade, or a repair.

    The node does it as soon as it runs. An answer that differs from the last is sent as a new version. Exit code 1 if
    the UID is unknown, or nothing of that exam had failed.
    """
    from storage.overview import exam_ids
    from storage.work import retry_exam

    with _index(config) as (_, db):
        with db.read() as session:
            found = exam_ids(session, uid)
        again = [number for number in found if retry_exam(db, number)]
    if as_json:
        _print_json({"exams": again})
    else:
        for number in again:
            typer.echo(f"exam {number} is decided again")
    if not again:
        typer.echo("the index knows no such exam that had failed", err=True)
        raise typer.Exit(NOT_DONE)


@app.command()
def exams(
    config: ConfigOption = Path("config.toml"),
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the exams of the index, newest first: state, decision, deliveries."""
    from storage.overview import last_exams

    with _index(config) as (_, db), db.read() as session:
        values = last_exams(session, limit=limit)
    if as_json:
        _print_json({"exams": values})
    else:
        from dcis_node.operate.tables import exams_view

        _console().print(exams_view(values))


@app.command()
def trace(
    uid: Annotated[str, typer.Argument(help="UID of a study, series, image or result; or the number of an exam.")],
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Tell all about the exam a UID belongs to. Exit code 1 if the UID is unknown.

    Each instance (used or not, why, tags read and by which rule), its analysis, the results, and every delivery
    attempt with its status.
    """
    from storage.overview import trace as trace_exams

    with _index(config) as (_, db), db.read() as session:
        values = trace_exams(session, uid)
    if as_json:
        _print_json({"exams": values})
    elif values:
        from dcis_node.operate.tables import trace_view

        _console().print(trace_view(values))
    if not values:
        typer.echo("the index knows no such UID", err=True)
        raise typer.Exit(NOT_DONE)


@app.command()
def preview(
    uid: Annotated[str, typer.Argument(help="UID of a study, series, image or result; or the number of an exam.")],
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

    with _index(config) as (configuration, db):
        made = make_preview(configuration, db, uid, Profile(profile))
    try:
        made.picture.save(out, format="PNG")
    except OSError as error:
        typer.echo(f"{out}: cannot be written ({error.strerror or type(error).__name__})", err=True)
        raise typer.Exit(NOT_DONE) from error
    values = {**made.to_json(), "out": str(out)}
    if as_json:
        _print_json(values)
    else:
        from dcis_node.operate.tables import preview_view

        _console().print(preview_view(values), soft_wrap=True)


@app.command()
def check(config: ConfigOption = Path("config.toml"), as_json: JsonOption = False) -> None:
    """Try every part: settings, folder, disk, index, each decoder, bundle and hash, device, port, peers by C-ECHO.

    Exit code 1 if one part fails; a warning is no failure.
    """
    from dcis_node.operate.doctor import examine
    from dcis_node.operate.findings import Verdict
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.tables import finding_line

    configure_logging("ERROR")
    configuration = load_configuration(config)
    console = _console()
    findings = []
    for finding in examine(configuration):
        findings.append(finding)
        if not as_json:
            console.print(finding_line(finding))
    if as_json:
        _print_json({"checks": [{"check": f.check, "verdict": f.verdict.value, "detail": f.detail} for f in findings]})
    raise typer.Exit(NOT_DONE if any(f.verdict is Verdict.FAIL for f in findings) else DONE)


@contextmanager
def _index(config: Path) -> Iterator[tuple[Configuration, Any]]:
    from storage.database import open_database

    configuration = load_configuration(config)
    db = open_database(configuration.index_url)
    try:
        yield configuration, db
    finally:
        db.close()


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT with a port of 1 to 65535")
    return host.strip("[]"), int(port)


def _console() -> Console:
    """Keep a terminal's width; a pipe gets lines wide enough to be searched."""
    return Console() if sys.stdout.isatty() else Console(width=160)


def _print_json(values: object) -> None:
    typer.echo(json.dumps(values, indent=2, sort_keys=True))
