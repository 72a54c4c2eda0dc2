from io import BytesIO

import gdcm
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dcis_node.errors import PixelError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.mammogram.streams import is_complete, size_of

from .builders import image

ENCODED_BY_PYDICOM = {
    sop.RLE_LOSSLESS: "pydicom",
    sop.JPEG_LS_LOSSLESS: "pyjpegls",
    sop.JPEG_2000_LOSSLESS: "pylibjpeg",
}


@pytest.fixture
def picture():
    """Give (40, 36) uint16 of 12 bits, smooth with detail."""
    rng = np.random.default_rng(7)
    ramp = np.add.outer(np.arange(40) * 30, np.arange(36) * 20)
    return (ramp + rng.integers(0, 1800, ramp.shape)).astype(np.uint16)


def native(array, *, transfer_syntax=sop.EXPLICIT_VR_LITTLE_ENDIAN, vr="OW", **attributes):
    bits = array.dtype.itemsize * 8
    plain = {
        "Rows": array.shape[0],
        "Columns": array.shape[1],
        "BitsAllocated": bits,
        "BitsStored": min(bits, 12),
        "HighBit": min(bits, 12) - 1,
        "PixelRepresentation": int(array.dtype.kind == "i"),
    }
    ds = image(**{**plain, **attributes})
    data = array.tobytes()
    ds.add_new("PixelData", vr, data + b"\0" * (len(data) % 2))
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    return ds


def compressed(array, transfer_syntax, **attributes):
    ds = native(array, **attributes)
    ds.file_meta.TransferSyntaxUID = UID(sop.EXPLICIT_VR_LITTLE_ENDIAN)
    ds.compress(UID(transfer_syntax), encoding_plugin=ENCODED_BY_PYDICOM[transfer_syntax], generate_instance_uid=False)
    return ds


def jpeg_lossless(ds, tmp_path):
    """Compress with GDCM as JPEG lossless, first-order prediction."""
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    reader, writer, change = gdcm.ImageReader(), gdcm.ImageWriter(), gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(tmp_path / "in.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "out.dcm"))
    assert writer.Write()
    return pydicom.dcmread(tmp_path / "out.dcm")


def reason_for(ds, **limits):
    with pytest.raises(PixelError) as caught:
        stored_pixels(ds, **limits)
    return caught.value.reason


# --- what decodes


@pytest.mark.parametrize("transfer_syntax", [sop.EXPLICIT_VR_LITTLE_ENDIAN, sop.IMPLICIT_VR_LITTLE_ENDIAN])
def test_uncompressed_pixels_are_the_bytes(picture, transfer_syntax):
    np.testing.assert_array_equal(stored_pixels(native(picture, transfer_syntax=transfer_syntax)), picture)


def test_big_endian_pixels_are_turned(picture):
    stored = stored_pixels(native(picture.astype(">u2"), transfer_syntax=sop.EXPLICIT_VR_BIG_ENDIAN))
    np.testing.assert_array_equal(stored, picture)
    assert stored.dtype == np.dtype("uint16")


def test_8_bit_pixels_in_big_endian_words_are_turned():
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    words = picture.reshape(-1, 2)[:, ::-1].copy().reshape(3, 4)
    ds = native(words, transfer_syntax=sop.EXPLICIT_VR_BIG_ENDIAN, BitsStored=8, HighBit=7)
    np.testing.assert_array_equal(stored_pixels(ds), picture)


@pytest.mark.parametrize("transfer_syntax", ENCODED_BY_PYDICOM)
@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_lossless_compression_gives_the_same_pixels(transfer_syntax, bits):
    top = 2**bits - 1
    picture = np.random.default_rng(1).integers(0, top, (33, 47), endpoint=True)
    picture = picture.astype(np.uint8 if bits == 8 else np.uint16)
    ds = compressed(picture, transfer_syntax, BitsStored=bits, HighBit=bits - 1)
    np.testing.assert_array_equal(stored_pixels(ds), picture)


def test_jpeg_lossless_gives_the_same_pixels(picture, tmp_path):
    ds = jpeg_lossless(native(picture), tmp_path)
    assert ds.file_meta.TransferSyntaxUID == sop.JPEG_LOSSLESS_SV1
    np.testing.assert_array_equal(stored_pixels(ds), picture)


@pytest.mark.parametrize("transfer_syntax", [sop.JPEG_LS_LOSSLESS, sop.JPEG_2000_LOSSLESS, sop.RLE_LOSSLESS])
def test_signed_pixels_stay_signed(picture, transfer_syntax):
    signed = picture.astype(np.int16) - 2048
    np.testing.assert_array_equal(stored_pixels(compressed(signed, transfer_syntax)), signed)


def test_baseline_jpeg_of_8_bits_is_decoded():
    picture = np.full((16, 16), 90, np.uint8)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=100)
    ds = native(picture, BitsStored=8, HighBit=7)
    ds.PixelData = encapsulate([buffer.getvalue()])
    ds.file_meta.TransferSyntaxUID = UID(sop.JPEG_BASELINE)
    np.testing.assert_allclose(stored_pixels(ds), picture, atol=1)


def test_a_stream_in_several_fragments_is_one_frame(picture):
    ds = compressed(picture, sop.JPEG_2000_LOSSLESS)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([frame], fragments_per_frame=3)
    np.testing.assert_array_equal(stored_pixels(ds), picture)


# --- bits


def test_unused_high_bits_are_cleared(picture):
    dirty = picture | np.uint16(0xA000)
    np.testing.assert_array_equal(stored_pixels(native(dirty)), picture)
    np.testing.assert_array_equal(stored_pixels(compressed(dirty, sop.RLE_LOSSLESS)), picture)


def test_a_high_bit_above_the_stored_bits_is_shifted_down(picture):
    np.testing.assert_array_equal(stored_pixels(native(picture << 4, HighBit=15)), picture)


def test_twos_complement_of_12_bits_is_extended():
    raw = np.array([[0x0FFF, 0x0800], [0x07FF, 0]], np.uint16)
    ds = native(raw, PixelRepresentation=1)
    np.testing.assert_array_equal(stored_pixels(ds), [[-1, -2048], [2047, 0]])


def test_an_unsigned_jpeg_2000_stream_of_signed_pixels_is_extended():
    raw = np.tile(np.array([0x0FFF, 0x0800, 0x07FF, 0], np.uint16), (40, 10))
    for written_bits in (12, 16):
        ds = compressed(raw, sop.JPEG_2000_LOSSLESS, BitsStored=written_bits, HighBit=written_bits - 1)
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 1
        np.testing.assert_array_equal(stored_pixels(ds), np.tile([-1, -2048, 2047, 0], (40, 10)))


def test_a_signed_jpeg_2000_stream_of_unsigned_pixels_is_read_as_unsigned():
    raw = np.tile(np.array([-1, -2048, 2047, 0], np.int16), (40, 10))
    ds = compressed(raw, sop.JPEG_2000_LOSSLESS)
    ds.PixelRepresentation = 0
    np.testing.assert_array_equal(stored_pixels(ds), np.tile([0x0FFF, 0x0800, 0x07FF, 0], (40, 10)))


def test_a_jpeg_2000_stream_of_more_bits_than_the_header_says_is_believed(picture):
    bright = picture + np.uint16(4096)
    ds = compressed(bright, sop.JPEG_2000_LOSSLESS, BitsStored=16, HighBit=15)
    ds.BitsStored, ds.HighBit = 12, 11
    np.testing.assert_array_equal(stored_pixels(ds), bright)


def test_an_overlay_in_the_unused_bits_is_not_part_of_the_pixels(picture):
    ds = compressed(picture | np.uint16(0x8000), sop.JPEG_2000_LOSSLESS, BitsStored=16, HighBit=15)
    ds.BitsStored, ds.HighBit = 12, 11
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    np.testing.assert_array_equal(stored_pixels(ds), picture)


def test_overlay_planes_of_their_own_are_ignored(picture):
    ds = native(picture)
    ds.add_new(0x60000010, "US", 900)
    ds.add_new(0x60000011, "US", 900)
    ds.add_new(0x60000050, "SS", [-40, 4000])
    ds.add_new(0x60000102, "US", 0)
    ds.add_new(0x60003000, "OW", b"\xff" * 8)
    np.testing.assert_array_equal(stored_pixels(ds), picture)


# --- what does not


def test_more_pixels_than_allowed_are_refused_before_anything_is_looked_at():
    ds = image(Rows=65_535, Columns=65_535)
    ds.PixelData = b"\0\0"
    for transfer_syntax in (sop.RLE_LOSSLESS, sop.EXPLICIT_VR_LITTLE_ENDIAN, sop.JPEG_2000):
        ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
        assert reason_for(ds) == Reason.PIXELS_OVER_LIMIT


def test_frames_count_towards_the_limit(picture):
    assert reason_for(native(picture, NumberOfFrames=1000), max_pixels=10_000) == Reason.PIXELS_OVER_LIMIT
    assert reason_for(native(picture, NumberOfFrames=2)) == Reason.PIXELS_UNDECODABLE


def test_the_limit_is_inclusive(picture):
    assert stored_pixels(native(picture), max_pixels=picture.size).shape == picture.shape
    assert reason_for(native(picture), max_pixels=picture.size - 1) == Reason.PIXELS_OVER_LIMIT


def test_truncated_native_pixels_have_their_reason(picture):
    ds = native(picture)
    ds.PixelData = ds.PixelData[:-2]
    assert reason_for(ds) == Reason.PIXELS_TRUNCATED


@pytest.mark.filterwarnings("ignore:End of file reached")
@pytest.mark.parametrize("transfer_syntax", [sop.EXPLICIT_VR_LITTLE_ENDIAN, sop.JPEG_2000_LOSSLESS, sop.RLE_LOSSLESS])
def test_a_file_that_was_cut_in_its_pixels_is_truncated(picture, transfer_syntax, tmp_path):
    ds = native(picture) if transfer_syntax in sop.UNCOMPRESSED else compressed(picture, transfer_syntax)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(tmp_path / "whole.dcm", enforce_file_format=True)
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "whole.dcm").read_bytes()[:-200])
    assert reason_for(pydicom.dcmread(tmp_path / "cut.dcm")) == Reason.PIXELS_TRUNCATED


def test_excess_native_bytes_are_padding(picture):
    ds = native(picture)
    ds.PixelData += b"\xff" * 100
    np.testing.assert_array_equal(stored_pixels(ds), picture)


@pytest.mark.parametrize("value", [None, b""])
@pytest.mark.parametrize("transfer_syntax", [sop.EXPLICIT_VR_LITTLE_ENDIAN, sop.JPEG_2000_LOSSLESS])
def test_missing_pixels_have_their_reason(picture, value, transfer_syntax):
    ds = native(picture, transfer_syntax=transfer_syntax)
    del ds.PixelData
    if value is not None:
        ds.PixelData = value
    assert reason_for(ds) == Reason.PIXELS_MISSING


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.100", "", "DOE^JANE"])
def test_a_deflated_unknown_or_absent_transfer_syntax_has_its_reason(picture, transfer_syntax):
    ds = native(picture)
    del ds.file_meta.TransferSyntaxUID
    if transfer_syntax:
        ds.file_meta.add_new("TransferSyntaxUID", "UT", transfer_syntax)
    assert reason_for(ds) == Reason.UNSUPPORTED_TRANSFER_SYNTAX


def test_a_dataset_without_meta_information_has_its_reason(picture):
    ds = native(picture)
    del ds.file_meta
    assert reason_for(ds) == Reason.UNSUPPORTED_TRANSFER_SYNTAX


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 0},
        {"Columns": None},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "RGB"},
        {"PhotometricInterpretation": None},
        {"BitsAllocated": 12},
        {"BitsAllocated": None},
        {"BitsStored": 20},
        {"HighBit": 3},
        {"HighBit": 16},
        {"PixelRepresentation": 7},
    ],
)
def test_a_layout_that_makes_no_sense_is_undecodable(picture, attributes):
    assert reason_for(native(picture, **attributes)) == Reason.PIXELS_UNDECODABLE


@pytest.mark.parametrize("transfer_syntax", [sop.JPEG_LS_LOSSLESS, sop.JPEG_2000_LOSSLESS])
def test_a_stream_that_ends_early_is_truncated(picture, transfer_syntax):
    ds = compressed(picture, transfer_syntax)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([frame[: len(frame) // 2]])
    assert reason_for(ds) == Reason.PIXELS_TRUNCATED


def test_run_lengths_that_end_early_are_refused(picture):
    ds = compressed(picture, sop.RLE_LOSSLESS)
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([frame[: len(frame) // 2]])
    assert reason_for(ds) == Reason.PIXELS_UNDECODABLE


@pytest.mark.parametrize("transfer_syntax", [sop.JPEG_LS_LOSSLESS, sop.JPEG_2000_LOSSLESS])
def test_a_stream_of_another_size_than_the_header_is_never_decoded(picture, transfer_syntax):
    ds = compressed(picture, transfer_syntax)
    ds.Rows -= 1
    assert reason_for(ds) == Reason.PIXELS_UNDECODABLE


def test_garbage_in_a_jpeg_2000_stream_is_undecodable(picture):
    ds = compressed(picture, sop.JPEG_2000_LOSSLESS)
    frame = bytearray(pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1))
    start = frame.index(b"\xff\x52")  # COD: the coding style
    frame[start + 4 : start + 12] = b"\xff" * 8
    ds.PixelData = encapsulate([bytes(frame)])
    assert reason_for(ds) == Reason.PIXELS_UNDECODABLE


def test_12_bit_jpeg_extended_with_the_broken_scan_header_is_undecodable(picture):
    # SOF1 of 12 bits and a scan whose spectral end is 0: what the public samples carry.
    rows, columns = picture.shape
    frame = b"\xff\xd8\xff\xc1" + bytes([0, 11, 12, 0, rows, 0, columns, 1, 1, 0x11, 0])
    frame += b"\xff\xda" + bytes([0, 8, 1, 1, 0, 0, 0, 0]) + b"\x12\x34" + b"\xff\xd9"
    ds = native(picture, transfer_syntax=sop.JPEG_EXTENDED)
    ds.PixelData = encapsulate([frame])
    assert reason_for(ds) == Reason.PIXELS_UNDECODABLE


@pytest.mark.parametrize("transfer_syntax", sorted(set(sop.DECODED) - set(sop.UNCOMPRESSED)))
@given(data=st.binary(min_size=1, max_size=400))
def test_no_garbage_gives_anything_but_a_reason(transfer_syntax, data):
    ds = native(np.zeros((8, 8), np.uint16), transfer_syntax=transfer_syntax)
    for value in (data, encapsulate([data])):
        ds.PixelData = value
        assert reason_for(ds) in (Reason.PIXELS_UNDECODABLE, Reason.PIXELS_TRUNCATED)


def test_no_value_of_the_dataset_stands_in_the_error(picture):
    ds = native(picture, PhotometricInterpretation=None)
    ds.PatientName = "CANARY"
    ds.add_new("PhotometricInterpretation", "UT", "CANARY")
    with pytest.raises(PixelError) as caught:
        stored_pixels(ds)
    assert "CANARY" not in str(caught.value)


# --- streams


def test_a_jpeg_start_of_frame_is_found_behind_other_segments():
    stream = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xfe\x00\x03c\xff\xc3\x00\x0b\x10\x01\x02\x03\x04\x01\x01\x11\x00"
    assert size_of(stream, sop.JPEG_LOSSLESS) == (258, 772, 1)


def test_a_jpeg_2000_stream_inside_boxes_is_found():
    stream = (
        b"\0\0\0\x0cjP  \r\n\x87\n"
        b"\xff\x4f\xff\x51\0\x29\0\0"
        + b"".join(value.to_bytes(4, "big") for value in (100, 50, 10, 5, 1, 1, 0, 0))
        + b"\0\1\x0b\1\1"
    )
    assert size_of(stream, sop.JPEG_2000) == (45, 90, 1)


@pytest.mark.parametrize(
    ("tail", "complete"), [(b"\xff\xd9", True), (b"\xff\xd9\0", True), (b"\xff\xd9\0\0\0\0", True), (b"\xff", False)]
)
def test_the_end_marker_may_be_followed_by_padding(tail, complete):
    assert is_complete(b"\x01" * 30 + tail) is complete
