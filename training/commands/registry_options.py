"""What the verbs of the registry share."""

from pathlib import Path
from typing import Annotated

import typer

RegistryOption = Annotated[Path, typer.Option("--registry", help="Folder of the registry; config.toml names the same.")]
BundleArgument = Annotated[
    str, typer.Argument(help="A published bundle: the first six digits of its SHA-256 or more, its folder, or `demo`.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N; for the smoke exam.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
