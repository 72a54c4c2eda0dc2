"""What docs/vex.json says of our code is so."""

import ast
import inspect

import pydicom.pixels.decoders.gdcm
import pytest

from dcis_node.receive.header import MOST_DEPTH
from tests.supply.__main__ import PROJECT
from tests.supply.pickles import FOLDERS

# A name, and the flaw that would be reached by it.
NEVER_USED = {
    "pynetdicom.apps": "CVE-2026-56445",
    "torch.jit": "CVE-2025-3000",
    "torch.load": "PYSEC-2026-139",
    "torch.export": "PYSEC-2026-139",
    "torch.package": "PYSEC-2026-139",
    "gdcm.Reader": "CVE-2026-3650",
    "gdcm.ImageReader": "CVE-2026-3650",
    "gdcm.PixmapReader": "CVE-2026-3650",
    "pydicom.fileset": "CVE-2026-32711",
}


def used(text):
    """Name everything that a module imports or reaches by dots."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
    return names


@pytest.fixture(scope="module")
def ours():
    names = set()
    for folder in FOLDERS:
        for path in (PROJECT / folder).rglob("*.py"):
            names |= used(path.read_text(encoding="utf-8"))
    return names


@pytest.mark.parametrize("name", NEVER_USED)
def test_the_flawed_part_is_never_used(ours, name):
    assert {one for one in ours if one == name or one.startswith(f"{name}.")} == set()


def test_a_use_would_be_found():
    assert "pynetdicom.apps.qrscp" in used("from pynetdicom.apps import qrscp")
    assert "torch.jit.script" in used("import torch\ntorch.jit.script(network)")


def test_gdcm_is_given_frames_and_reads_no_file():
    assert "Reader" not in inspect.getsource(pydicom.pixels.decoders.gdcm)


def test_the_depth_of_sequences_has_a_limit():
    assert MOST_DEPTH == 64
