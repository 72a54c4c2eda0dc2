"""Every dependency has a licence that is known and allowed."""

from email.message import Message

import pytest

from tests.supply.closure import RUNTIME, TOOLS, installed, is_installed
from tests.supply.licences import ALLOWED_TOOLS, REFUSED_NAMES, faults, is_allowed, licence_of, table


class Package:
    """What the metadata of a distribution say."""

    def __init__(self, *lines):
        self.metadata = Message()
        self.version = "1.0"
        for name, value in lines:
            self.metadata[name] = value


def test_what_a_hospital_runs_is_allowed():
    assert faults(installed(RUNTIME)) == []


def test_the_tools_of_the_tests_are_allowed():
    assert faults(installed(TOOLS), ALLOWED_TOOLS) == []


def test_the_gpl_decoder_is_not_here():
    assert not any(is_installed(name) for name in REFUSED_NAMES)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("LGPL-3.0-or-later", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_an_expression_is_allowed_if_it_can_be_met(expression, expected):
    assert is_allowed(expression) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "GPL")], "MIT OR Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: BSD License")], "BSD-3-Clause"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)")], "GPL-3.0-only"),
        ([("License", "see the file")], ""),
    ],
)
def test_a_licence_is_read_from_what_the_metadata_have(lines, expected):
    assert licence_of(Package(*lines)) == expected


@pytest.mark.parametrize(
    ("name", "package", "said"),
    [
        ("new", Package(("License", "ask us")), "name no licence"),
        ("new", Package(("License-Expression", "GPL-3.0-only")), "GPL-3.0-only is not allowed"),
        ("pylibjpeg-libjpeg", Package(("License-Expression", "MIT")), "GPL-3.0"),
    ],
)
def test_what_is_not_allowed_is_told(name, package, said):
    (fault,) = faults({name: package})
    assert said in fault


def test_the_table_has_a_line_for_each():
    lines = table(installed(RUNTIME)).splitlines()
    assert len(lines) == 1 + len(installed(RUNTIME))
    assert any(line.startswith("pydicom,3.") and line.endswith(",MIT") for line in lines)
