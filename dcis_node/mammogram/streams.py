"""Look into a compressed stream before a decoder may: its size, and whether it is all there.

A decoder allocates what the stream says, not what the header says, so the two are held against each other first.
"""

from typing import Final

from dcis_node.mammogram import storage_classes as sop

JPEG_2000: Final = (sop.JPEG_2000_LOSSLESS, sop.JPEG_2000)
# Both kinds end with this marker: EOC of JPEG 2000 (ISO 15444-1 A.4.4), EOI of JPEG and JPEG-LS (ISO 10918-1 B.1).
_END: Final = b"\xff\xd9"
_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
# Start-of-frame markers (ISO 10918-1 table B.1: C0 to CF without DHT, JPG and DAC; ISO 14495-1: F7).
_STARTS_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xDA)))


def is_complete(stream: bytes) -> bool:
    """Tell whether the stream ends with its end marker, padding aside."""
    return _END in stream[-16:].rstrip(b"\0")[-4:]


def size_of(stream: bytes, transfer_syntax: str) -> tuple[int, int, int] | None:
    """Read (rows, columns, components) from the stream's own header; None if it has none that can be read."""
    return _size_of_jpeg_2000(stream) if transfer_syntax in JPEG_2000 else _size_of_jpeg(stream)


def _size_of_jpeg_2000(stream: bytes) -> tuple[int, int, int] | None:
    """Read the SIZ segment (ISO 15444-1 A.5.1): image extent less offset, and the number of components."""
    # A stream in JP2 boxes, which PS3.5 A.4.4 forbids, has its codestream behind them.
    start = stream.find(_SOC_SIZ, 0, 4096)
    if start < 0 or len(stream) < start + 42:
        return None
    columns, rows, left, top = (int.from_bytes(stream[start + at : start + at + 4], "big") for at in range(8, 24, 4))
    return rows - top, columns - left, int.from_bytes(stream[start + 40 : start + 42], "big")


def _size_of_jpeg(stream: bytes) -> tuple[int, int, int] | None:
    """Walk the marker segments up to the start of frame (ISO 10918-1 B.2.2)."""
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 10 <= len(stream):
        if stream[at] != 0xFF:
            return None
        marker = stream[at + 1]
        if marker in _STARTS_OF_FRAME:
            rows, columns = (int.from_bytes(stream[at + n : at + n + 2], "big") for n in (5, 7))
            return rows, columns, stream[at + 9]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(int.from_bytes(stream[at + 2 : at + 4], "big"), 2)
    return None
