"""Other AEs: send to them, ask whether they are there."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from dcis_node.cli.common import DONE, NOT_DONE, ConfigOption, JsonOption, print_json
from dcis_node.config import load_configuration

ToOption = Annotated[
    str | None, typer.Option("--to", help="HOST:PORT of the storage SCP; with --aet.", metavar="HOST:PORT")
]
AetOption = Annotated[str | None, typer.Option("--aet", help="AE title of the peer (the called one).")]
CallingOption = Annotated[str, typer.Option("--calling-aet", help="AE title to call as.")]


def send(
    folder: Annotated[Path, typer.Argument(help="A DICOM file, or a folder that is searched for DICOM files.")],
    to: ToOption = None,
    aet: AetOption = None,
    calling_aet: CallingOption = "DCIS_SEND",
    destination: Annotated[
        str, typer.Option("--destination", help="A destination of config.toml, with all its settings; not with --to.")
    ] = "",
    config: ConfigOption = Path("config.toml"),
    as_json: JsonOption = False,
) -> None:
    """Send DICOM files: to --to and --aet by C-STORE, as they are, or to a destination. Exit code 1 if not all arrived.

    To a destination they go as its results do (TLS, AE titles, syntaxes), past the outbox: nothing is recorded.
    """
    from dcis_node.deliver.outcome import PeerAddress
    from dcis_node.operate.sending import destination_of, route_to, send_folder

    if destination and (to or aet):
        raise typer.BadParameter("--destination does not go with --to and --aet")
    if destination:
        configuration = load_configuration(config)
        lines = send_folder(folder, route_to(configuration, destination_of(configuration, destination)))
    elif to and aet:
        host, port = _host_port(to)
        lines = send_folder(folder, PeerAddress(host=host, port=port, aet=aet, calling_aet=calling_aet))
    else:
        raise typer.BadParameter("where to? Give --to and --aet, or --destination")
    if as_json:
        print_json({"sent": [line.to_json() for line in lines]})
    else:
        for line in lines:
            typer.echo(f"{'stored' if line.stored else 'NOT STORED'}  {line.path}  {line.text}")
        typer.echo(f"{sum(line.stored for line in lines)} of {len(lines)} stored")
    raise typer.Exit(DONE if lines and all(line.stored for line in lines) else NOT_DONE)


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
    from dcis_node.operate.sending import route_to

    if (to is None) != (aet is None):
        raise typer.BadParameter("--to and --aet go together; without both, the destinations of config.toml are asked")
    if to is not None and aet is not None:
        host, port = _host_port(to)
        answers = {to: verify(PeerAddress(host=host, port=port, aet=aet, calling_aet=calling_aet))}
    else:
        configuration = load_configuration(config)
        answers = {d.name: route_to(configuration, d).probe() for d in configuration.destinations}
    if as_json:
        print_json({"peers": {name: {"ok": answer.ok, "text": answer.text} for name, answer in answers.items()}})
    else:
        for name, answer in answers.items():
            typer.echo(f"{'ok  ' if answer.ok else 'FAIL'}  {name}: {answer.text}")
        if not answers:
            typer.echo("config.toml names no destination; use --to HOST:PORT --aet AET", err=True)
    raise typer.Exit(DONE if answers and all(answer.ok for answer in answers.values()) else NOT_DONE)


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT with a port of 1 to 65535")
    return host.strip("[]"), int(port)
