"""The real decoding child, but for images whose Series Description tells it what a broken decoder would do."""

import ctypes
import errno
import os
import socket
import sys
import time
from pathlib import Path

from dcis_node.analyse.decode_child import _decode, main

READY = 64  # an exit code of its own


def segfault() -> None:
    ctypes.string_at(0)


def eat() -> None:
    held = []
    while True:
        held.append(bytearray(1 << 28))


def hang() -> None:
    time.sleep(60)


def reach_out(path: Path) -> None:
    """Exit with what a decoder could do: 1 write a file, 2 remove one, 4 run a program, 8 reach a socket."""

    def connect() -> None:
        with socket.socket() as probe:
            probe.connect(("127.0.0.1", 9))

    deeds = (
        path.with_suffix(".written").touch,
        path.unlink,
        lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 -- what must not succeed
        connect,
    )
    could = 0
    for bit, deed in enumerate(deeds):
        try:
            deed()
            could |= 1 << bit
        except PermissionError:
            pass
        except ConnectionRefusedError:
            could |= 1 << bit
        except OSError as error:
            if error.errno != errno.ENETUNREACH:  # a network without any way out is as good
                raise
    sys.exit(READY + could)


DEEDS = {"segfault": segfault, "eat": eat, "hang": hang}


def work(path: str, max_pixels: int, output: int) -> int:
    from pydicom import dcmread  # noqa: PLC0415 -- after the limits, as the real one

    deed = str(dcmread(path, stop_before_pixels=True).get("SeriesDescription", ""))
    if deed == "reach out":
        reach_out(Path(path))
    if deed in DEEDS:
        DEEDS[deed]()
    return _decode(path, max_pixels, output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], work))
