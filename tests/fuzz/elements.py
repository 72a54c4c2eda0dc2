"""Data elements byte by byte (PS3.5 7.1): found without trust in them, and made with anything in them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
PIXEL_DATA = (0x7FE0, 0x0010)


class Element(NamedTuple):
    """Where an element stands: `size` bytes of length at `length_at`, its value behind."""

    tag: tuple[int, int]
    at: int
    vr: bytes
    length_at: int
    size: int
    value_at: int
    length: int

    @property
    def end(self) -> int:
        """Give where its value ends; of a sequence or of pixels without a length, where its header does."""
        return self.value_at + (0 if self.length == UNDEFINED else self.length)


class Coding(NamedTuple):
    """How elements are written."""

    explicit: bool = True
    big: bool = False

    def pack(self, code: str, *values: int) -> bytes:
        return struct.pack((">" if self.big else "<") + code, *values)

    def element(self, tag: tuple[int, int], vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
        """Write an element; `length` in place of the true one."""
        stated = len(value) if length is None else length
        head = self.pack("HH", *tag)
        if tag[0] == 0xFFFE or not self.explicit:
            return head + self.pack("L", stated & 0xFFFFFFFF) + value
        if vr in LONG_VRS:
            return head + vr + bytes(2) + self.pack("L", stated & 0xFFFFFFFF) + value
        return head + vr + self.pack("H", stated & 0xFFFF) + value

    def walk(self, data: bytes) -> Iterator[Element]:
        """Go through the elements, those in sequences too, until the bytes make none."""
        at = 0
        in_pixels = False  # its items are no data sets
        while at + 8 <= len(data):
            group, number = struct.unpack_from(">HH" if self.big else "<HH", data, at)
            vr = data[at + 4 : at + 6] if self.explicit and group != 0xFFFE else b""
            if vr and vr not in LONG_VRS:
                place, size = at + 6, 2
            else:
                place, size = (at + 8, 4) if vr else (at + 4, 4)
            if place + size > len(data):
                return
            length = int.from_bytes(data[place : place + size], "big" if self.big else "little")
            found = Element((group, number), at, vr, place, size, place + size, length)
            yield found
            in_pixels = in_pixels or found.tag == PIXEL_DATA
            into = vr == b"SQ" or (found.tag == ITEM and not in_pixels)
            at = found.value_at if into else found.end
