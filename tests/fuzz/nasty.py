"""Values that no careful program trusts."""

OUTSIDE = "FUZZ-OUTSIDE"  # in every name that a careless program would write to
IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE, J2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
DEPTH = 5000
MANY = 250_000
BOMB_BYTES = 64 * 1024 * 1024
NASTY_NAMES = tuple(
    text.encode("latin-1")
    for text in (
        f"../../../../tmp/{OUTSIDE}",
        f"/tmp/{OUTSIDE}",  # noqa: S108 -- a name that must not come to be
        f"..\\..\\{OUTSIDE}",
        f"$(touch {OUTSIDE})",
        f"`touch {OUTSIDE}`",
        f"; touch {OUTSIDE};",
        f"| tee {OUTSIDE}",
        f"&& touch {OUTSIDE} #",
        f"'; DROP TABLE instance; -- {OUTSIDE}",
        f"{OUTSIDE}\0.dcm",
        "\0",
        "",
        " ",
        ".",
        "..",
        "%s%n%p%x",
        "%2e%2e%2f",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "\xff\xfe\xe9\x00",
        "1.2.3" * 30,
        "1.2..3",
        "01.02",
        "1.2.3.\n4",
        "A" * 5000,
        "\r\nevent=forged level=INFO",
    )
)
CHARACTER_SETS = (
    b"ISO_IR 999",
    b"ISO 2022 IR 87\\ISO 2022 IR 6\\\\ISO 2022 IR 13",
    b"utf-8",
    b"\\ISO 2022 IR 149",
    b"ISO_IR 192\\ISO_IR 100",
    b"../../etc/passwd",
    b"\xff\xff",
    b"idna",
    b"zlib_codec",
    b"base64",
    b"unicode_escape",
    b"",
)
NAMES = (b"\x1b$B\x1b(B\x1b$)C\xff", b"\x1b$)C\xb1\xe8^" * 9, b"\xc3\x28", b"\xed\xa0\x80", b"=" * 64, b"^" * 200)
PREAMBLES = (
    b"MZ\x90\0" + b"This program cannot be run in DOS mode.",
    b"\x7fELF\x02\x01\x01",
    b"%PDF-1.7\n%\xe2\xe3",
    b"PK\x03\x04\x14\0",
    b"#!/bin/sh\ntouch FUZZ-OUTSIDE\n",
    b"II*\0\x08\0\0\0",
)
SIZES = ((0, 0), (1, 1), (65535, 65535), (65535, 1), (1, 65535), (0, 65535), (7, 9))
FRAMES = (b"2147483647", b"-1 ", b"0 ", b"1e9 ", b"", b"999999999999", b"NaN ", b"1\\2 ", b"0x10")
