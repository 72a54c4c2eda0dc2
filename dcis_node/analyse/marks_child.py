"""The child process that reads the marks of one compressed segmentation: `... marks_child LIMITS... FILE`.

As `decode_child`: limits first, then the foreign bytes. It writes JSON to standard output: a list of image UID, row and
column.
"""

import os
import sys

from dcis_node.analyse.decode_child import main


def _read(path: str, _max_pixels: int, output: int) -> int:
    # Imported here: everything that parses foreign bytes comes after the limits.
    import json  # noqa: PLC0415

    from pydicom import dcmread  # noqa: PLC0415

    from dcis_node.mammogram.marks import read_marks  # noqa: PLC0415

    places = [(mark.image_uid, mark.row, mark.column) for mark in read_marks(dcmread(path))]
    with os.fdopen(output, "w", encoding="ascii") as file:
        json.dump(places, file, allow_nan=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _read))
