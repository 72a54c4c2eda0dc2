"""The bill of materials (CycloneDX) of an installation, made by cyclonedx-bom and held against its schema."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply.closure import ROOT, installed, plain

SPEC = SchemaVersion.V1_6


def make(folder: Path, extras: tuple[str, ...], *, project: Path) -> dict[str, Any]:
    """Write the bill of what dcis-node with these extras consists of here; give its content.

    The environment of the tests has more in it. So the tool is shown one that holds the metadata of the wanted
    distributions only, as links.
    """
    site = folder / "environment"
    site.mkdir(parents=True, exist_ok=True)
    for dist in installed(extras).values():
        source = metadata_folder(dist)
        link = site / source.name
        if not link.exists():
            link.symlink_to(source, target_is_directory=True)
    out = folder / f"sbom-{'-'.join(('node', *extras))}.json"
    command = [sys.executable, "-I", "-c", LISTING, str(site)]
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(project / "pyproject.toml")]
    options = [
        "--no-validate",
        "--mc-type",
        "application",
        "--output-reproducible",
        "--spec-version",
        SPEC.to_version(),
    ]
    interpreter = folder / "python"
    interpreter.write_text(f"#!/bin/sh\nexec {' '.join(map(_quoted, command))}\n", encoding="utf-8")
    interpreter.chmod(0o755)
    done = subprocess.run(
        [*tool, *options, "--spec-version", SPEC.to_version(), "--output-file", str(out), str(interpreter)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(out.read_text(encoding="utf-8"))


# What the tool asks an environment's interpreter for: its search path, as JSON.
LISTING = "import json, sys; json.dump([sys.argv[1]], sys.stdout)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def metadata_folder(dist: Distribution) -> Path:
    """Give the .dist-info (or .egg-info) folder of a distribution."""
    return Path(str(dist._path))  # type: ignore[attr-defined]  # importlib.metadata has no other way


def faults(bill: Mapping[str, Any], extras: tuple[str, ...]) -> list[str]:
    """List what is wrong with a bill: what it lacks, what it has too much, and where it breaks its schema."""
    return differences(bill, extras) + invalid(json.dumps(bill))


def differences(bill: Mapping[str, Any], extras: tuple[str, ...]) -> list[str]:
    """Hold the components of a bill against what is installed."""
    there = {plain(one["name"]): one for one in bill["components"]}
    wanted = {name: dist.version for name, dist in installed(extras).items() if name != ROOT}
    told = [
        f"{name} {version} is installed and not in the bill"
        for name, version in sorted(wanted.items())
        if there.get(name, {}).get("version") != version
    ]
    return told + [f"{name} is in the bill and not required" for name in sorted(set(there) - set(wanted))]


def invalid(text: str) -> list[str]:
    """Hold a CycloneDX file against its schema."""
    error = JsonStrictValidator(SPEC).validate_str(text)
    return [] if error is None else [f"not CycloneDX {SPEC.to_version()}: {str(error)[:500]}"]
