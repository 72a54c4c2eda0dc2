"""Decode pixels in a child process with limits: a stream that crashes a decoder costs one view, not the node."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dcis_node.analyse.confinement import PARENT
from dcis_node.analyse.limits import EXIT_CODES, EXIT_MACHINE, DecodeLimits
from dcis_node.config import AnalyseSettings
from dcis_node.errors import DecoderError, MachineError, PixelError
from dcis_node.mammogram.facts import Reason

CHILD = "dcis_node.analyse.decode_child"
# Stored pixels have at most 32 bits (PS3.5 8.1.1); a .npy header is far below this.
BYTES_PER_PIXEL = 4
NPY_HEADER_BYTES = 4096
# The child inherits nothing that it does not need; one thread each, since address space is what is limited.
KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
REASON_OF_EXIT = {code: Reason(name) for name, code in EXIT_CODES.items()}
TEXTS = {
    Reason.UNSUPPORTED_TRANSFER_SYNTAX: "no decoder for this transfer syntax",
    Reason.PIXELS_MISSING: "the file has no pixel data",
    Reason.PIXELS_TRUNCATED: "the pixel data end too early",
    Reason.PIXELS_UNDECODABLE: "the pixel data cannot be decoded",
    Reason.PIXELS_OVER_LIMIT: "the image needs more than decoding may use",
}
# Python's own exit code: an error that nobody caught, such as a disk that cannot be read, or a module that is missing.
PYTHON_ERROR = 1
# The kernel's ways to say that a limit was reached. Not SIGKILL: that is a machine out of memory, or a person.
LIMIT_SIGNALS = (signal.SIGXCPU, signal.SIGXFSZ)
# Processor time has its own limit, reached before the time-out by all that really computes: so a time-out says that the
# machine had no time for the decoder, or its disk no answer, and nothing about the image.
CPU_SHARE = 0.75


def decode_pixels(path: Path, settings: AnalyseSettings, *, scratch: Path) -> NDArray[Any]:
    """Decode one file.

    Parameters
    ----------
    path
        A PS3.10 file.
    settings
        Timeout, memory and size limits.
    scratch
        Folder for the result on its way; it has no name there, so that nothing is left whoever dies.

    Returns
    -------
    NDArray
        (rows, columns) stored pixels, an integer type.

    Raises
    ------
    PixelError
        The decoder said no; the same file will be refused again.
    DecoderError
        It died (`pixels_undecodable`), reached its limit of processor time or memory (`pixels_over_limit`), or met what
        no bytes account for: time-out, SIGKILL, an error of Python's (`analysis_failed`: `retry` tries it again).
    MachineError
        The machine was short of disk, memory or descriptors; the file is not to blame.
    OSError
        The same, on this side.
    """
    limits = DecodeLimits(
        max_pixels=settings.max_pixels,
        memory_bytes=settings.decode_memory_bytes,
        cpu_seconds=math.ceil(CPU_SHARE * settings.decode_timeout_seconds),
        output_bytes=settings.max_pixels * BYTES_PER_PIXEL + NPY_HEADER_BYTES,
    )
    with answer_of_child(CHILD, path, limits, timeout=settings.decode_timeout_seconds, scratch=scratch) as result:
        return _read_array(result, settings.max_pixels)


@contextlib.contextmanager
def answer_of_child(
    child: str, path: Path, limits: DecodeLimits, *, timeout: float, scratch: Path
) -> Iterator[IO[bytes]]:
    """Run a child that reads one file, and give what it wrote; nothing in it can be trusted.

    Parameters
    ----------
    child
        Module that is run.
    timeout
        Seconds that it may take.

    Raises
    ------
    PixelError, DecoderError, MachineError, OSError
        As `decode_pixels` does.
    """
    command = [sys.executable, "-P", "-m", child, *limits.to_arguments(), str(path)]
    with tempfile.TemporaryFile(dir=scratch) as result:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DecoderError(Reason.ANALYSIS_FAILED, f"decoding took longer than {timeout:g} s") from None
        _raise_for(done.returncode)
        result.seek(0)
        yield result


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, **ONE_THREAD, PARENT: str(os.getpid())}


def _raise_for(code: int) -> None:
    """Turn the child's exit code into its reason."""
    if code == 0:
        return
    if code == EXIT_MACHINE:
        raise MachineError("the decoder had too little room on the disk, or too little memory")
    reason = REASON_OF_EXIT.get(code)
    if reason is not None:
        raise PixelError(reason, TEXTS[reason])
    if code < 0 and -code in LIMIT_SIGNALS:
        raise DecoderError(Reason.PIXELS_OVER_LIMIT, f"the decoder was ended by {signal.Signals(-code).name}")
    if code == -signal.SIGKILL:
        raise DecoderError(Reason.ANALYSIS_FAILED, "the decoder was killed, as by a kernel that is out of memory")
    if code == PYTHON_ERROR:
        raise DecoderError(Reason.ANALYSIS_FAILED, "the decoder ended by an error that is none of the pixels")
    raise DecoderError(Reason.PIXELS_UNDECODABLE, f"the decoder died with code {code}")


def _read_array(file: IO[bytes], max_pixels: int) -> NDArray[Any]:
    """Read one .npy, trusting nothing in it: the child has met the foreign bytes."""
    try:
        np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except ValueError:
        raise DecoderError(Reason.PIXELS_UNDECODABLE, "the decoder's answer is not an array") from None
    is_image = len(shape) == 2 and dtype.kind in "iu" and not fortran_order
    expected = math.prod(shape) * dtype.itemsize
    if not is_image or math.prod(shape) > max_pixels or os.fstat(file.fileno()).st_size - file.tell() != expected:
        raise DecoderError(Reason.PIXELS_UNDECODABLE, "the decoder's answer is not the image it should be")
    return np.frombuffer(file.read(expected), dtype=dtype).reshape(shape)
