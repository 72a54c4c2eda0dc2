import struct
import warnings
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from dcis_node.errors import HeaderError
from dcis_node.receive import header as header_module
from dcis_node.receive.header import MOST_DEPTH, quiet, read_part
from tests.receive.helpers import image, saved


def test_everything_before_the_pixels_is_read(tmp_path: Path) -> None:
    ds = image(Rows=77)
    read = read_part(saved(ds, tmp_path / "x"))
    assert read.Rows == 77
    assert read.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID
    assert "PixelData" not in read


def test_pixels_that_are_missing_do_not_hinder(tmp_path: Path) -> None:
    path = saved(image(), tmp_path / "x")
    path.write_bytes(path.read_bytes()[:-1000])
    assert read_part(path).Rows == 32


@pytest.mark.parametrize("content", [b"", b"not DICOM" * 100])
def test_what_is_no_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(HeaderError, match="header cannot be read"):
        read_part(path)


@pytest.mark.parametrize("depth", [MOST_DEPTH, MOST_DEPTH + 1])
def test_sequences_may_be_nested_as_deep_as_the_limit(tmp_path: Path, depth: int) -> None:
    path = saved(image(), tmp_path / "x")
    whole = path.read_bytes()
    start = whole.index(b"\x08\x00\x16\x00UI")
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    path.write_bytes(whole[:start] + opened * depth + closed * depth + whole[start:])
    if depth <= MOST_DEPTH:
        assert read_part(path).Rows == 32
        return
    with pytest.raises(HeaderError, match="nested more than 64 deep"):
        read_part(path)


def test_sequences_a_thousand_deep_are_refused(tmp_path: Path) -> None:
    path = saved(image(), tmp_path / "x")
    deep = b"".join([b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"] * 5000)
    whole = path.read_bytes()
    start = whole.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(whole[:start] + deep)
    with pytest.raises(HeaderError, match="RecursionError"):
        read_part(path)


def test_a_header_longer_than_the_limit_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(header_module, "MOST_HEADER_BYTES", 5000)
    items = [Dataset() for _ in range(100)]
    for item in items:
        item.TextValue = "x" * 100
    path = saved(image(ContentSequence=Sequence(items)), tmp_path / "x")
    with pytest.raises(HeaderError, match="longer than 5000 bytes"):
        read_part(path)


def test_a_header_of_too_many_elements_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(header_module, "MOST_READS", 200)
    ds = image(ContentSequence=Sequence([Dataset() for _ in range(300)]))
    ds["ContentSequence"].is_undefined_length = True  # one of known length is passed over, or read when asked for
    path = saved(ds, tmp_path / "x")
    with pytest.raises(HeaderError, match="more than 100 elements"):
        read_part(path)


def test_a_large_private_value_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(header_module, "MOST_HEADER_BYTES", 200_000)
    ds = image()
    ds.private_block(0x0019, "VENDOR", create=True).add_new(1, "OB", bytes(1_000_000))
    assert read_part(saved(ds, tmp_path / "x")).Rows == 32


def test_a_value_that_only_claims_to_be_large_is_no_allocation(tmp_path: Path) -> None:
    path = saved(image(), tmp_path / "x")
    whole = path.read_bytes()
    start = whole.index(b"\x10\x00\x20\x00LO")
    lie = b"\x10\x00\x10\x10UN\0\0" + struct.pack("<L", 0xFFFFFFF0)
    path.write_bytes(whole[:start] + lie + b"short")
    # What stands before is read; what is missing is found by its absence.
    assert "PatientID" not in read_part(path)


def test_a_length_beyond_the_limit_and_the_file_is_no_fault_of_length(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(header_module, "MOST_HEADER_BYTES", 10_000)
    path = saved(image(), tmp_path / "x")
    whole = path.read_bytes()
    start = whole.index(b"\x10\x00\x20\x00LO")
    path.write_bytes(whole[:start] + b"\x10\x00\x10\x10UN\0\0" + struct.pack("<L", 60_000) + b"short")
    assert "PatientID" not in read_part(path)


def test_no_warning_quotes_a_value(recwarn: pytest.WarningsRecorder) -> None:
    with quiet():
        warnings.warn("CANARY", UserWarning, stacklevel=1)
    assert not recwarn.list
