"""A decoder that misbehaves as its file tells it to: stands in for the child of `dcis_node.analyse.decode`."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from dcis_node.analyse.limits import DecodeLimits

OUT = sys.stdout.buffer


def spin():
    while True:
        pass


def short():
    np.lib.format.write_array_header_1_0(OUT, {"shape": (99, 99), "fortran_order": False, "descr": "<u2"})


MISDEEDS = {
    "abort": os.abort,
    "hang": lambda: time.sleep(60),
    "spin": spin,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raise": lambda: {}["nothing"],
    "text": lambda: OUT.write(b"not an array"),
    "object": lambda: np.save(OUT, np.array([["a", {}]], dtype=object), allow_pickle=True),
    "float": lambda: np.save(OUT, np.zeros((4, 4))),
    "three": lambda: np.save(OUT, np.zeros((4, 4, 4), np.uint16)),
    "large": lambda: np.save(OUT, np.zeros((2000, 1000), np.uint8)),
    "short": short,
    "exit": lambda: sys.exit(77),
    "nothing": lambda: None,
}


if __name__ == "__main__":
    DecodeLimits.from_arguments(sys.argv[1:5]).impose()
    MISDEEDS[Path(sys.argv[5]).read_text()]()
