"""Known vulnerabilities of what is installed, and what docs/vex.json says of each.

pip-audit asks the package index. An index that mirrors packages only answers "not found" for every one of them, which
pip-audit takes for a good end: here that is told as what it is, and the list that is kept by hand
(tests/supply/advisories.json) is all that was asked.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.supply.closure import plain

KEPT = Path(__file__).with_name("advisories.json")
# What stops a release is everything else: exploitable, in triage, or not judged at all.
HARMLESS = frozenset({"false_positive", "not_affected", "resolved", "resolved_with_pedigree"})
AUDIT_SECONDS = 150


@dataclass(frozen=True)
class Advisory:
    """One vulnerability that concerns an installed version."""

    name: str
    version: str
    ids: frozenset[str]
    source: str


@dataclass(frozen=True)
class Audit:
    """What pip-audit could say: how many it could ask for, how many not, and what it found."""

    asked: int
    not_asked: int
    found: tuple[Advisory, ...]
    reason: str = ""

    @property
    def is_reached(self) -> bool:
        """True if the service knows the packages at all."""
        return self.asked > 0


def kept(installed: Mapping[str, Distribution], values: Mapping[str, Any]) -> tuple[Advisory, ...]:
    """Give those of a list kept by hand that concern what is installed."""
    return tuple(
        Advisory(name, installed[name].version, frozenset({one["id"], *one["aliases"]}), f"list of {values['read']}")
        for one in values["advisories"]
        if (name := plain(one["name"])) in installed and concerns(one, installed[name].version)
    )


def concerns(advisory: Mapping[str, Any], version: str) -> bool:
    """Tell whether a version lies in the range; the local part (+cpu) says nothing of what is in it."""
    here = Version(Version(version).public)
    if here < Version(advisory["introduced"]):
        return False
    if "fixed" in advisory:
        return here < Version(advisory["fixed"])
    return here <= Version(advisory["last_affected"])


def ask(installed: Mapping[str, Distribution]) -> Audit:
    """Run pip-audit over exactly what is installed."""
    lines = [
        f"{name}=={Version(dist.version).public}\n" for name, dist in sorted(installed.items()) if name != "dcis-node"
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(lines)
        file.flush()
        options = [
            "--requirement",
            file.name,
            "--no-deps",
            "--disable-pip",
            "--format",
            "json",
            "--progress-spinner",
            "off",
        ]
        command = [sys.executable, "-m", "pip_audit", *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return Audit(0, len(lines), (), f"no answer within {AUDIT_SECONDS} s")
    try:
        return told(json.loads(done.stdout))
    except ValueError:
        return Audit(
            0, len(lines), (), done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else "no answer"
        )


def told(answer: Mapping[str, Any]) -> Audit:
    """Read pip-audit's JSON."""
    asked = [one for one in answer["dependencies"] if "vulns" in one]
    found = tuple(
        Advisory(one["name"], one["version"], frozenset({vuln["id"], *vuln["aliases"]}), "pip-audit")
        for one in asked
        for vuln in one["vulns"]
    )
    skipped = [one["skip_reason"] for one in answer["dependencies"] if "skip_reason" in one]
    reason = "the index knows none of the packages' vulnerabilities" if skipped and not asked else ""
    return Audit(len(asked), len(skipped), found, reason)


def unjudged(advisories: Iterable[Advisory], vex: Mapping[str, Any]) -> list[str]:
    """List those that docs/vex.json does not call harmless for that very version."""
    judged = {
        (one["id"], target["ref"])
        for one in vex["vulnerabilities"]
        if one["analysis"]["state"] in HARMLESS
        for target in one["affects"]
    }
    return [
        f"{one.name} {one.version}: {', '.join(sorted(one.ids))} ({one.source}) is not judged harmless in docs/vex.json"
        for one in advisories
        if not any((name, f"pkg:pypi/{one.name}@{Version(one.version).public}") in judged for name in one.ids)
    ]


def forgotten(advisories: Iterable[Advisory], vex: Mapping[str, Any]) -> list[str]:
    """List the statements that concern nothing any more: a statement that nobody needs hides the next flaw."""
    known = {name for one in advisories for name in one.ids}
    return [
        f"docs/vex.json: {one['id']} concerns nothing here" for one in vex["vulnerabilities"] if one["id"] not in known
    ]
