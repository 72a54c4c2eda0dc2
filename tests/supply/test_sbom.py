"""The bill of materials names everything that is installed, and nothing else."""

import copy

import pytest

from tests.supply.__main__ import PROJECT
from tests.supply.closure import RUNTIME, installed, plain
from tests.supply.sbom import differences, faults, invalid, make


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    return make(tmp_path_factory.mktemp("supply"), RUNTIME, project=PROJECT)


def test_it_is_whole_and_valid(bill):
    assert faults(bill, RUNTIME) == []
    assert bill["metadata"]["component"]["name"] == "dcis-node"


def test_every_runtime_distribution_is_in_it_with_version_and_licence(bill):
    there = {plain(one["name"]): one for one in bill["components"]}
    wanted = {name: dist.version for name, dist in installed(RUNTIME).items() if name != "dcis-node"}
    assert {name: one["version"] for name, one in there.items()} == wanted
    assert all(one["purl"].startswith("pkg:pypi/") for one in there.values())


def test_tools_of_the_tests_are_not_in_it(bill):
    assert not {"pytest", "mypy", "pip-audit"} & {plain(one["name"]) for one in bill["components"]}


def test_what_is_missing_or_too_much_is_told(bill):
    other = copy.deepcopy(bill)
    gone = other["components"].pop()
    other["components"].append({"name": "planted", "version": "1"})
    missing, planted = differences(other, RUNTIME)
    assert plain(gone["name"]) in missing
    assert "planted" in planted


def test_what_is_no_bill_is_told():
    assert invalid('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": "none"}')
