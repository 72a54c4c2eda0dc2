"""A known vulnerability stops the check unless docs/vex.json has judged it for that very version."""

import json

import pytest

from tests.supply.__main__ import VEX
from tests.supply.advisories import KEPT, Advisory, concerns, forgotten, kept, told, unjudged
from tests.supply.closure import RUNTIME, installed
from tests.supply.sbom import invalid

VALUES = json.loads(KEPT.read_text(encoding="utf-8"))
STATEMENTS = json.loads(VEX.read_text(encoding="utf-8"))
FLAW = Advisory("torch", "2.13.0+cpu", frozenset({"CVE-2099-1", "GHSA-x"}), "pip-audit")


def vex(state, *, name="CVE-2099-1", ref="pkg:pypi/torch@2.13.0"):
    return {"vulnerabilities": [{"id": name, "analysis": {"state": state}, "affects": [{"ref": ref}]}]}


def test_nothing_known_is_exploitable():
    concerned = kept(installed(RUNTIME), VALUES)
    assert concerned
    assert unjudged(concerned, STATEMENTS) == []
    assert forgotten(concerned, STATEMENTS) == []


def test_the_statements_are_valid_cyclonedx():
    assert invalid(VEX.read_text(encoding="utf-8")) == []
    (first, *_) = STATEMENTS["vulnerabilities"]
    assert invalid(json.dumps({**STATEMENTS, "vulnerabilities": [{**first, "analysis": {"state": "fine"}}]}))


@pytest.mark.parametrize("state", ["exploitable", "in_triage"])
def test_what_is_exploitable_or_not_judged_yet_stops_it(state):
    assert unjudged([FLAW], vex(state))


def test_a_statement_holds_for_its_version_and_its_flaw_only():
    assert unjudged([FLAW], vex("not_affected")) == []
    assert unjudged([FLAW], vex("not_affected", name="GHSA-x")) == []
    assert unjudged([FLAW], vex("not_affected", name="CVE-2099-2"))
    assert unjudged([FLAW], vex("not_affected", ref="pkg:pypi/torch@2.12.0"))
    assert unjudged([FLAW], {"vulnerabilities": []})


def test_a_statement_that_nobody_needs_is_told():
    assert forgotten([], vex("not_affected"))


@pytest.mark.parametrize(
    ("limits", "version", "expected"),
    [
        ({"introduced": "0", "fixed": "2.10.0"}, "2.9.1", True),
        ({"introduced": "0", "fixed": "2.10.0"}, "2.10.0+cpu", False),
        ({"introduced": "3.0.0", "fixed": "3.0.2"}, "2.4.4", False),
        ({"introduced": "1.0.0", "last_affected": "3.0.4"}, "3.0.4", True),
        ({"introduced": "1.0.0", "last_affected": "3.0.4"}, "3.0.5", False),
    ],
)
def test_a_version_lies_in_the_range_or_not(limits, version, expected):
    assert concerns(limits, version) is expected


def test_an_index_that_knows_nothing_is_not_taken_for_a_good_end():
    skipped = [
        {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)"}
    ]
    audit = told({"dependencies": skipped})
    assert not audit.is_reached
    assert audit.not_asked == 1
    assert audit.reason


def test_what_pip_audit_found_is_read():
    vulnerable = {"name": "torch", "version": "2.13.0", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2099-1"]}]}
    audit = told({"dependencies": [vulnerable, {"name": "numpy", "version": "2.4.6", "vulns": []}]})
    assert audit.is_reached
    assert audit.asked == 2
    assert [one.ids for one in audit.found] == [frozenset({"PYSEC-1", "CVE-2099-1"})]
