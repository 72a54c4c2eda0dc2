"""All checks of the supply chain; `make supply-chain`.

    python -m tests.supply [FOLDER]

Writes the bills of materials (a node, a node with everything) and the table of licences into the folder (build/supply),
and ends with exit code 1 if something known and exploitable, not allowed or not known is in what a node consists of.
"""

import json
import shutil
import sys
from pathlib import Path

from tests.supply import advisories, licences, pickles, sbom
from tests.supply.closure import RUNTIME, TOOLS, installed

PROJECT = Path(__file__).resolve().parents[2]
VEX = PROJECT / "docs" / "vex.json"


def main() -> int:
    """Check, tell, and fail if there is a fault."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "build" / "supply"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runtime = installed(RUNTIME)
    faults = _vulnerabilities()
    for extras in ((), RUNTIME):
        bill = sbom.make(folder, extras, project=PROJECT)
        faults += sbom.faults(bill, extras)
        _tell(f"bill of materials: {len(bill['components'])} components, CycloneDX {bill['specVersion']}")
    shutil.copy(VEX, folder)
    faults += sbom.invalid(VEX.read_text(encoding="utf-8"))
    (folder / "licences.csv").write_text(licences.table(runtime), encoding="utf-8")
    faults += licences.faults(runtime) + licences.faults(installed(TOOLS), licences.ALLOWED_TOOLS)
    _tell(f"licences: {len(runtime)} distributions of a node with everything, {len(installed(TOOLS))} with the tools")
    found = pickles.findings(PROJECT)
    faults += [f"{one.path}:{one.line}: {one.what}" for one in found]
    _tell(f"pickle: {len(found)} places")
    for fault in faults:
        _tell(f"FAULT: {fault}")
    _tell(f"supply chain: {'faults: ' + str(len(faults)) if faults else 'no fault'}; files in {folder}")
    return int(bool(faults))


def _vulnerabilities() -> list[str]:
    runtime = installed(RUNTIME)
    vex = json.loads(VEX.read_text(encoding="utf-8"))
    values = json.loads(advisories.KEPT.read_text(encoding="utf-8"))
    by_hand = advisories.kept(runtime, values)
    audit = advisories.ask(runtime)
    if audit.is_reached:
        left_out = f"; {audit.not_asked} it does not know" if audit.not_asked else ""
        _tell(f"pip-audit: asked for {audit.asked} distributions, {len(audit.found)} advisories{left_out}")
    else:
        _tell(f"pip-audit: NOT ASKED ({audit.reason}); judged by the list of {values['read']} only")
    concerned = (*by_hand, *audit.found)
    _tell(
        f"list of {values['read']}: {len(values['advisories'])} advisories, {len(by_hand)} concern installed versions"
    )
    faults = advisories.unjudged(concerned, vex)
    _tell(f"known exploitable: {len(faults)}")
    return faults + advisories.forgotten(concerned, vex)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
