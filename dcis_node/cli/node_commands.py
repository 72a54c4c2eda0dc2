"""The node itself: run it, try it, ask how it is."""

# ruff: noqa: PLC0415

import re
from pathlib import Path
from typing import Annotated

import typer

from dcis_node.cli.common import (
    DONE,
    NOT_DONE,
    ConfigFdOption,
    ConfigOption,
    JsonOption,
    configuration_of,
    console,
    last_words,
    open_index,
    print_json,
    require_owner,
    uncollected,
)
from dcis_node.config import load_configuration

ROLES = ("receive", "retrieve", "analyse", "deliver", "clock")


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


def run(
    role: Annotated[
        str | None, typer.Argument(help=f"One process alone: {', '.join(ROLES)}. Left out: the whole node.")
    ] = None,
    config: ConfigOption = Path("config.toml"),
    name: Annotated[
        str, typer.Option("--name", help="Name of a process that is run alone, such as receive-1; unique in the index.")
    ] = "",
    listen_fd: Annotated[int | None, typer.Option("--listen-fd", hidden=True)] = None,
    tls_listen_fd: Annotated[int | None, typer.Option("--tls-listen-fd", hidden=True)] = None,
    lifeline_fd: Annotated[int | None, typer.Option("--lifeline-fd", hidden=True)] = None,
    config_fd: ConfigFdOption = None,
) -> None:
    """Run the node until SIGTERM or Ctrl-C: receivers, analysis, courier and clock under one supervisor.

    On SIGTERM each process finishes its current item and leaves. On SIGHUP (`dcis-node reload`) the settings and the
    bundle are taken anew. A process that dies or hangs is started again and its work is picked up. Every process can
    also be run alone, on several hosts that share the index and the files.
    """
    if role is not None and role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role; allowed: {', '.join(ROLES)}")
    if name and not re.fullmatch(rf"{role}-[A-Za-z0-9._-]+", name):
        raise typer.BadParameter(f"{name!r}: the name of this process begins with {role}-: `status` tells roles by it")
    if role == "receive" and lifeline_fd is not None:  # alone, it prepares the index first, and needs more for that
        from dcis_node.operate.decoders import shut_out_decoders

        shut_out_decoders()
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.role import run_role

    configuration = configuration_of(config, config_fd)
    require_owner(configuration)
    process = name or f"{role}-0"
    configure_logging(configuration.node.log_level, name=process if role else "supervisor")
    if role is None or lifeline_fd is None:
        from dcis_node.operate.node import prepare, run_node

        if role is None:
            run_node(configuration, config.resolve())
            return
        prepare(configuration)
    with last_words():
        run_role(role, configuration, process, listen_fd=listen_fd, tls_listen_fd=tls_listen_fd, lifeline=lifeline_fd)


def reload(
    config: ConfigOption = Path("config.toml"),
    seconds: Annotated[float, typer.Option("--timeout", min=1, help="How long to wait for the outcome.")] = 600.0,
) -> None:
    """Let the running node take its settings and its model bundle anew, without dropping an association.

    Exit code 1 if they were refused (the node goes on with the old ones), or no node runs.
    """
    from dcis_node.operate.reload_request import request_reload

    outcome = request_reload(config, seconds=seconds)
    typer.echo(outcome.text)
    raise typer.Exit(DONE if outcome.done else NOT_DONE)


def verify_bundle(config: ConfigOption = Path("config.toml"), config_fd: ConfigFdOption = None) -> None:
    """Load the bundle of the configuration and print its name, version and hash."""
    from dcis_node.operate.bundles import bundle_of

    bundle = bundle_of(configuration_of(config, config_fd))
    typer.echo(f"{bundle.name} {bundle.version} sha256={bundle.sha256}")


def status(config: ConfigOption = Path("config.toml"), as_json: JsonOption = False) -> None:
    """Show the model, the processes, the queues and the last exams.

    Exit code 1 if whatever stands in red needs a person: no node runs, a process is silent or in a crash loop, the last
    reload was refused, the analysis runs on the CPU as its device failed, a destination has not answered for an hour, a
    result has waited for an hour or is dead, images are refused because the disk is nearly full, our TLS certificate
    has expired or a new one cannot be used, the model that should judge was refused, the work of the night failed or is
    overdue, a job of the clock failed, is late or hangs, the audit repository has taken nothing for an hour, an exam
    has waited four hours too long for its answer, or got none, or one without its analysis (`retry` decides it again,
    `dismiss` says that a person has looked).
    """
    with uncollected():
        from dcis_node.operate.status import node_status, wants_a_person

        with open_index(config) as (configuration, db):
            values = node_status(configuration, db)
        if as_json:
            print_json(values)
        else:
            from dcis_node.operate.tables import status_view

            console().print(status_view(values))
    raise typer.Exit(NOT_DONE if wants_a_person(values) else DONE)


def metrics(config: ConfigOption = Path("config.toml")) -> None:
    """Print the figures that a monitoring system gets at [metrics] host and port, in Prometheus' format."""
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.metrics import metrics_text

    configure_logging("ERROR")
    with open_index(config) as (configuration, db):
        typer.echo(metrics_text(configuration, db), nl=False)


def check(config: ConfigOption = Path("config.toml"), as_json: JsonOption = False) -> None:
    """Try every part: settings, folder, index, each decoder, bundle and hash, device, port, audit, peers by C-ECHO.

    Exit code 1 if one part fails; a warning is no failure.
    """
    from dcis_node.operate.doctor import examine
    from dcis_node.operate.findings import Verdict
    from dcis_node.operate.logs import configure_logging
    from dcis_node.operate.tables import finding_line

    configure_logging("ERROR")
    configuration = load_configuration(config)
    shown = console()
    findings = []
    for finding in examine(configuration):
        findings.append(finding)
        if not as_json:
            shown.print(finding_line(finding))
    if as_json:
        print_json({"checks": [{"check": f.check, "verdict": f.verdict.value, "detail": f.detail} for f in findings]})
    raise typer.Exit(NOT_DONE if any(f.verdict is Verdict.FAIL for f in findings) else DONE)
