"""The child process that decodes the pixels of one file: `python -m dcis_node.analyse.decode_child LIMITS... FILE`.

It limits and confines itself before it imports any decoder, writes the stored pixels as one .npy to standard output,
and says with its exit code what was wrong otherwise. Nothing else leaves it.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable

from dcis_node.analyse.confinement import PARENT, confine, die_with_parent
from dcis_node.analyse.limits import EXIT_CODES, EXIT_MACHINE, MACHINE_ERRNOS, DecodeLimits

LIMITS = 4


def main(arguments: list[str], work: Callable[[str, int, int], int] | None = None) -> int:
    """Work on one file within the limits, for standard output; gives the exit code.

    Parameters
    ----------
    work
        Gets the path, the most pixels and the file descriptor for the outcome, and gives the exit code; None decodes.
    """
    if PARENT in os.environ:
        die_with_parent(int(os.environ[PARENT]))
    # A stop of the node finishes the current item; the signal goes to all processes of a unit, this one too.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = DecodeLimits.from_arguments(arguments[:LIMITS])
    limits.impose()
    output = _take_standard_output()
    confine()
    try:
        return (work or _decode)(arguments[LIMITS], limits.max_pixels, output)
    except MemoryError:
        return EXIT_CODES["pixels_over_limit"]
    except OSError as error:
        if error.errno in MACHINE_ERRNOS:
            return EXIT_MACHINE
        if error.errno == errno.EFBIG:  # RLIMIT_FSIZE: Python ignores its signal
            return EXIT_CODES["pixels_over_limit"]
        raise


def _take_standard_output() -> int:
    """Keep standard output for the result: decoders in C print what they like."""
    output = os.dup(sys.stdout.fileno())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.dup2(null, sys.stderr.fileno())
    return output


def _decode(path: str, max_pixels: int, output: int) -> int:
    # Imported here: everything that parses foreign bytes comes after the limits.
    import numpy as np  # noqa: PLC0415
    from pydicom import dcmread  # noqa: PLC0415

    from dcis_node.errors import PixelError  # noqa: PLC0415
    from dcis_node.mammogram.pixels import stored_pixels  # noqa: PLC0415

    try:
        pixels = stored_pixels(dcmread(path), max_pixels=max_pixels)
    except PixelError as error:
        return EXIT_CODES.get(error.reason, EXIT_CODES["pixels_undecodable"])
    array = np.ascontiguousarray(pixels)
    with os.fdopen(output, "wb") as file:
        # Not `write_array`: of a full disk it says how many bytes were written, and no error number.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
