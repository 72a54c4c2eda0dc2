"""Bad files: each a good object spoiled in a way that its seed and number determine.

The ways go round, so that each comes equally often; the object it is done to goes by chance, and one file in three is
spoiled twice.
"""

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

from tests.fuzz.elements import ITEM, ITEM_END, PIXEL_DATA, SEQUENCE_END, UNDEFINED, Coding
from tests.fuzz.nasty import (
    BOMB_BYTES,
    CHARACTER_SETS,
    DEFLATED,
    DEPTH,
    FRAMES,
    J2K,
    MANY,
    NAMES,
    NASTY_NAMES,
    PREAMBLES,
    RLE,
    SIZES,
)
from tests.fuzz.seeds import Seed, seeds
from tests.fuzz.surgery import BadFile, Way, any_element, elements, inserted, put, top_level, without


def bad_file(seed: int, number: int) -> BadFile:
    """Make one; the same for the same seed and number."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 -- to be repeatable, not secret
    file = _distinct(_good(rng.choice(seeds()), number), seed)
    ways = [tuple(WAYS)[number % len(WAYS)]]
    if rng.random() < 1 / 3:
        ways.append(rng.choice(tuple(WAYS)))
    for way in ways:
        file = WAYS[way](rng, file)
    return replace(file, ways=tuple(ways))


def _good(seed: Seed, number: int) -> BadFile:
    return BadFile(
        number=number,
        seed=seed.name,
        ways=(),
        sop_class=seed.sop_class.encode(),
        instance=seed.instance.encode(),
        context=seed.sop_class,
        syntax=seed.syntax,
        before=seed.before,
        data_set=seed.data_set,
    )


def _distinct(file: BadFile, seed: int) -> BadFile:
    """Give it a SOP Instance UID, a study and a patient of its own: files of one object or exam would say less."""
    uid = f"2.25.{seed}.{file.number}".encode()
    file = put(file, (0x0020, 0x000D), b"UI", uid + b".1")
    file = put(file, (0x0010, 0x0020), b"LO", b"FUZZ-%d" % file.number)
    return replace(put(file, (0x0008, 0x0018), b"UI", uid), instance=uid)


def _truncated(rng: random.Random, file: BadFile) -> BadFile:
    most = len(file.data_set) if rng.random() < 0.5 else min(len(file.data_set), 600)
    return replace(file, data_set=file.data_set[: rng.randrange(most + 1)])


def _changed(rng: random.Random, file: BadFile, change: Callable[[int], int], *, most: int) -> BadFile:
    data = bytearray(file.data_set)
    for _ in range(rng.choice((1, 1, 4, 32)) if data else 0):
        at = rng.randrange(min(len(data), most))
        data[at] = change(data[at])
    return replace(file, data_set=bytes(data))


def _length_lies(rng: random.Random, file: BadFile) -> BadFile:
    element = any_element(rng, file)
    if element is None:
        return file
    true = element.length
    lie = rng.choice((0, 1, true - 1, true + 1, true + 2, true * 2, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED, 0xFFFF, 0x10000))
    field = (lie % (1 << 8 * element.size)).to_bytes(element.size, "big" if file.coding.big else "little")
    data = file.data_set
    return replace(file, data_set=data[: element.length_at] + field + data[element.length_at + element.size :])


def _endless(rng: random.Random, file: BadFile) -> BadFile:
    """Sequence, item, pixel data or unknown bytes of undefined length, whose end does not come."""
    coding = file.coding
    inside = coding.element(ITEM, b"", b"", length=UNDEFINED) * rng.choice((0, 1, 50))
    tag, vr = rng.choice(
        (((0x0008, 0x1140), b"SQ"), ((0x0009, 0x1010), b"UN"), (PIXEL_DATA, b"OB"), ((0x0010, 0x0010), b"PN"))
    )
    value = inside + rng.randbytes(rng.choice((0, 3, 4000)))
    return replace(put(file, tag, vr, b""), data_set=put(file, tag, vr, value, length=UNDEFINED).data_set)


def _deep(rng: random.Random, file: BadFile) -> BadFile:
    coding = file.coding
    tag, depth = rng.choice(((0x0008, 0x1140), (0x0040, 0xA730), (0x0009, 0x1001))), rng.choice((300, DEPTH))
    opened = coding.element(tag, b"SQ", b"", length=UNDEFINED) + coding.element(ITEM, b"", b"", length=UNDEFINED)
    closed = coding.element(ITEM_END, b"", b"") + coding.element(SEQUENCE_END, b"", b"")
    return inserted(file, tag, opened * depth + rng.choice((closed * depth, b"")))


def _deep_with_lengths(rng: random.Random, file: BadFile) -> BadFile:
    coding, depth = file.coding, rng.choice((300, 3000))
    per_level = len(coding.element((8, 0x1140), b"SQ", b"") + coding.element(ITEM, b"", b""))
    parts = []
    for level in range(depth, 0, -1):
        inner = per_level * (level - 1)
        item = coding.element(ITEM, b"", b"", length=inner)
        parts.append(coding.element((8, 0x1140), b"SQ", b"", length=inner + len(item)) + item)
    return inserted(file, (8, 0x1140), b"".join(parts))


def _many(rng: random.Random, file: BadFile) -> BadFile:
    coding = file.coding
    kind = rng.randrange(3)
    if kind == 0:
        return inserted(file, (0x0009, 0), coding.element((0x0009, 0x1001), b"LO", b"") * MANY)
    if kind == 1:
        items = coding.element(ITEM, b"", b"") * MANY
        return inserted(file, (0x0008, 0x1140), coding.element((0x0008, 0x1140), b"SQ", items))
    value = b"\\" * 60_000
    return put(file, rng.choice(((0x0008, 0x0008), (0x0010, 0x0020), (0x0018, 0x1164))), b"CS", value)


def _wrong_vr(rng: random.Random, file: BadFile) -> BadFile:
    found = [e for e in elements(file) if e.vr]
    if not found:
        return file
    element, data = rng.choice(found), file.data_set
    vr = rng.choice(
        (b"SQ", b"UN", b"OB", b"FD", b"US", b"AT", b"DS", b"IS", b"DA", b"PN", b"??", b"\0\0", b"ox", b"UI")
    )
    return replace(file, data_set=data[: element.at + 4] + vr + data[element.at + 6 :])


def _nasty_value(rng: random.Random, file: BadFile) -> BadFile:
    found = [e for e in top_level(file) if e.length not in (UNDEFINED, 0) and e.tag != PIXEL_DATA]
    if not found:
        return file
    element = rng.choice(found)
    value = rng.choice((*NASTY_NAMES, *NAMES, b"\\" * 70, b"9" * 17, b"1e999", b"-0", b"99999999", b"250000.9999999"))
    return put(file, element.tag, element.vr or b"UN", value)


def _sized(rng: random.Random, file: BadFile, *, rows: int, columns: int) -> BadFile:
    for tag, value in (((0x0028, 0x0010), rows), ((0x0028, 0x0011), columns)):
        vr, code = (b"US", "H") if value >= 0 else (b"SS", "h")
        file = put(file, tag, vr, file.coding.pack(code, value))
    return file


def _size_lies(rng: random.Random, file: BadFile) -> BadFile:
    rows, columns = rng.choice(SIZES)
    return _sized(rng, file, rows=rows, columns=columns)


def _bits_lie(rng: random.Random, file: BadFile) -> BadFile:
    for number in (0x0002, 0x0100, 0x0101, 0x0102, 0x0103):
        if rng.random() < 0.5:
            value = rng.choice((0, 1, 3, 7, 8, 12, 15, 16, 32, 64, 255, 65535))
            file = put(file, (0x0028, number), b"US", file.coding.pack("H", value))
    return file


def _fragments(file: BadFile, *pieces: bytes, offsets: bytes = b"", end: bool = True) -> BadFile:
    """Put encapsulated pixel data (PS3.5 A.4) in place of those that are there."""
    coding = Coding()
    items = b"".join(coding.element(ITEM, b"", piece) for piece in (offsets, *pieces))
    last = coding.element(SEQUENCE_END, b"", b"") if end else b""
    at = min((e.at for e in top_level(file) if e.tag >= PIXEL_DATA), default=len(file.data_set))
    value = coding.element(PIXEL_DATA, b"OB", items + last, length=UNDEFINED)
    return replace(file, data_set=file.data_set[:at] + value)


def _own(rng: random.Random, number: int, syntax: str) -> BadFile:
    """A mammogram of the project's own: it is eligible, and goes all the way to a decoder."""
    mine = [seed for seed in seeds() if seed.name.startswith("own/") and seed.syntax == syntax]
    return _distinct(_good(mine[0], number), rng.randrange(10**9))


def _frame(file: BadFile) -> bytes:
    """Give the codestream of the only frame."""
    items = [e for e in elements(file) if e.tag == ITEM and e.end <= len(file.data_set)]
    frame = max(items, key=lambda e: e.length)
    return file.data_set[frame.value_at : frame.end]


def _rle_bomb(rng: random.Random, file: BadFile) -> BadFile:
    file = _sized(rng, _own(rng, file.number, RLE), rows=65535, columns=65535)
    segments = struct.pack("<16L", 2, 64, 70, *[0] * 13)
    return _fragments(file, segments + b"\x81\0" * rng.choice((1, 1000, 50_000)))


def _codec_lies(rng: random.Random, file: BadFile) -> BadFile:
    """A codestream whose own header claims another size than the object, or anything."""
    syntax = rng.choice((J2K, RLE, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70"))
    file = _own(rng, file.number, syntax)
    code = bytearray(_frame(file))
    for _ in range(rng.choice((1, 2, 6))):
        at = rng.randrange(min(len(code) - 4, rng.choice((60, 60, len(code) - 4))))
        code[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", rng.randbytes(4)))
    return _fragments(file, bytes(code[: rng.choice((len(code), len(code) // 2))]))


def _j2k_bomb(rng: random.Random, file: BadFile) -> BadFile:
    file = _own(rng, file.number, J2K)
    code = _frame(file)
    at = code.find(b"\xff\x51")  # SIZ: the image's width and height stand 6 and 10 bytes behind it
    huge = struct.pack(">LL", *rng.choice(((65535, 65535), (0x7FFFFFFF, 1), (0xFFFFFFFF, 0xFFFFFFFF))))
    changed = code[: at + 6] + huge + code[at + 14 :]
    return _fragments(rng.choice((file, _sized(rng, file, rows=65535, columns=65535))), changed)


def _frames_lie(rng: random.Random, file: BadFile) -> BadFile:
    return put(file, (0x0028, 0x0008), b"IS", rng.choice(FRAMES))


def _pixels_odd(rng: random.Random, file: BadFile) -> BadFile:
    kind = rng.randrange(6)
    if kind == 0:
        return without(file, PIXEL_DATA)
    if kind == 1:
        return put(file, PIXEL_DATA, b"OW", b"")
    if kind == 2:
        return _fragments(file, rng.randbytes(33), end=False)
    if kind == 3:
        return _fragments(file, offsets=rng.randbytes(400))
    if kind == 4:
        return _fragments(file, *[b""] * 20_000, offsets=struct.pack("<LL", 0xFFFFFFFE, 1))
    return put(file, PIXEL_DATA, b"OW", rng.randbytes(64), length=0x7FFFFFFE)


def _deflate_bomb(rng: random.Random, file: BadFile) -> BadFile:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = packer.compress(file.data_set + bytes(BOMB_BYTES)) + packer.flush()
    return replace(file, data_set=zeros, syntax=rng.choice((DEFLATED, file.syntax)))


def _nasty_names(rng: random.Random, file: BadFile) -> BadFile:
    """A name that must not become a path, a command or a statement, in one of the UIDs or IDs."""
    name = rng.choice(NASTY_NAMES)
    tag, vr = rng.choice(
        (
            ((0x0008, 0x0016), b"UI"),
            ((0x0008, 0x0018), b"UI"),
            ((0x0020, 0x000D), b"UI"),
            ((0x0020, 0x000E), b"UI"),
            ((0x0010, 0x0020), b"LO"),
            ((0x0010, 0x0021), b"LO"),
            ((0x0008, 0x0050), b"SH"),
            ((0x0020, 0x0010), b"SH"),
            ((0x0008, 0x0080), b"LO"),
        )
    )
    file = put(file, tag, vr, name)
    said_so = rng.random() < 0.7
    if tag == (0x0008, 0x0018) and said_so:
        return replace(file, instance=name)
    if tag == (0x0008, 0x0016) and said_so:
        return replace(file, sop_class=name)
    return file


def _uids_missing(rng: random.Random, file: BadFile) -> BadFile:
    tags = ((0x0008, 0x0016), (0x0008, 0x0018), (0x0020, 0x000D), (0x0020, 0x000E))
    return without(file, *rng.sample(tags, rng.choice((1, 2, 4))))


def _uids_doubled(rng: random.Random, file: BadFile) -> BadFile:
    again = file.coding.element((0x0008, 0x0018), b"UI", b"2.25.9\0\0")
    return rng.choice((inserted(file, (0x0008, 0x0018), again), inserted(file, (0x0020, 0x000F), again)))


def _uids_differ(rng: random.Random, file: BadFile) -> BadFile:
    other = rng.choice((b"2.25.1", b"1.2.840.10008.1.1", file.instance + b"0", file.instance + b" ", b"", b"\0"))
    return rng.choice((replace(file, instance=other), replace(file, sop_class=other)))


def _meta_inside(rng: random.Random, file: BadFile) -> BadFile:
    """The whole file in place of its data set, or elements of its meta among the others."""
    coding = file.coding
    meta = coding.element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.5\0") + coding.element(
        (0x0002, 0x0001), b"OB", b"\0\1"
    )
    return replace(file, data_set=rng.choice((file.before + file.data_set, meta + file.data_set, file.data_set + meta)))


def _polyglot(rng: random.Random, file: BadFile) -> BadFile:
    preamble = rng.choice(PREAMBLES).ljust(128, b"\0")[:128]
    file = replace(file, before=preamble + file.before[128:])
    if rng.random() < 0.3:
        return replace(file, data_set=file.before + file.data_set)
    return put(file, (0x0009, 0x1010), b"OB", preamble)


def _charset(rng: random.Random, file: BadFile) -> BadFile:
    file = put(file, (0x0008, 0x0005), b"CS", rng.choice(CHARACTER_SETS))
    for tag, vr in (((0x0010, 0x0010), b"PN"), ((0x0010, 0x0020), b"LO"), ((0x0008, 0x103E), b"LO")):
        file = put(file, tag, vr, rng.choice(NAMES))
    return file


def _other_order(rng: random.Random, file: BadFile) -> BadFile:
    top = [e for e in top_level(file) if e.length != UNDEFINED]
    pieces = [file.data_set[e.at : e.end] for e in top]
    rng.shuffle(pieces)
    return replace(file, data_set=b"".join(pieces) + file.data_set[top[-1].end if top else 0 :])


def _odd(rng: random.Random, file: BadFile) -> BadFile:
    tag, vr = rng.choice(
        (((0x0010, 0x0020), b"LO"), ((0x0018, 0x1164), b"DS"), ((0x0008, 0x0018), b"UI"), ((0x0028, 0x0010), b"US"))
    )
    return put(file, tag, vr, b"1.2.3"[: rng.choice((1, 3, 5))], length=rng.choice((1, 3, 5)))


def _no_object(rng: random.Random, file: BadFile) -> BadFile:
    other = (b"", b"\0", bytes(100_000), rng.randbytes(5000), b"<html>", b"{}", b"DICM", b"\xff" * 4096, file.before)
    return replace(file, data_set=rng.choice(other))


def _large_value(rng: random.Random, file: BadFile) -> BadFile:
    size = rng.choice((70_000, 2_000_000, 18_000_000))
    tag, vr = rng.choice((((0x0009, 0x1010), b"OB"), ((0x0040, 0xA160), b"UT"), ((0x0008, 0x0119), b"UC")))
    return put(file, tag, vr, rng.choice((bytes(size), b"\\" * size)))


WAYS: dict[str, Way] = {
    "truncated": _truncated,
    "bits_flipped": lambda r, f: _changed(r, f, lambda value: value ^ 1 << r.randrange(8), most=10**9),
    "bits_flipped_in_header": lambda r, f: _changed(r, f, lambda value: value ^ 1 << r.randrange(8), most=900),
    "bytes_changed": lambda r, f: _changed(r, f, lambda _: r.choice((0, 0xFF, 0x5C, r.randrange(256))), most=900),
    "length_lies": _length_lies,
    "undefined_length_without_end": _endless,
    "deep_sequence": _deep,
    "deep_sequence_with_lengths": _deep_with_lengths,
    "huge_counts": _many,
    "large_value": _large_value,
    "wrong_vr": _wrong_vr,
    "nasty_value": _nasty_value,
    "odd_length": _odd,
    "size_lies": _size_lies,
    "negative_size": lambda r, f: _sized(r, f, rows=r.choice((-1, -32768)), columns=r.choice((-1, 8))),
    "bits_lie": _bits_lie,
    "frames_lie": _frames_lie,
    "rle_bomb": _rle_bomb,
    "j2k_bomb": _j2k_bomb,
    "codestream_lies": _codec_lies,
    "pixel_data_lie": _pixels_odd,
    "deflate_bomb": _deflate_bomb,
    "nasty_names": _nasty_names,
    "uids_missing": _uids_missing,
    "uids_doubled": _uids_doubled,
    "uids_differ": _uids_differ,
    "meta_inside": _meta_inside,
    "polyglot": _polyglot,
    "character_set": _charset,
    "other_order": _other_order,
    "no_object": _no_object,
}
