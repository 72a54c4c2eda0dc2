"""Read the marks of a compressed segmentation in a child process: its decoders are C code that meets foreign bytes."""

import json
import math
from pathlib import Path
from typing import Any

from dcis_node.analyse.decode import answer_of_child
from dcis_node.analyse.limits import DecodeLimits
from dcis_node.errors import DecoderError
from dcis_node.mammogram.facts import Mark, Reason
from dcis_node.mammogram.marks_seg import MOST_FRAMES, MOST_PIXELS

CHILD = "dcis_node.analyse.marks_child"
# A mask of the largest detector decodes in a second. What takes longer marks nothing: the exam goes on without it.
CPU_SECONDS = 5
SECONDS = 15.0
LIMITS = DecodeLimits(
    max_pixels=MOST_PIXELS,
    memory_bytes=4 * 1024**3,
    cpu_seconds=CPU_SECONDS,
    # 256 places with a UID of 64 characters each.
    output_bytes=64 * 1024,
)


def decode_marks(path: Path, *, source_uid: str, scratch: Path) -> tuple[Mark, ...]:
    """Read the marks of one file.

    Parameters
    ----------
    path
        A PS3.10 file that holds a segmentation.
    source_uid
        Its SOP Instance UID.
    scratch
        Folder for the outcome on its way; it has no name there.

    Raises
    ------
    DecoderError, PixelError
        The child died, reached a limit, or gave something else than marks.
    """
    with answer_of_child(CHILD, path, LIMITS, timeout=SECONDS, scratch=scratch) as answer:
        text = answer.read(LIMITS.output_bytes)
    try:
        return tuple(_mark(place, source_uid) for place in _places(json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        raise DecoderError(Reason.PIXELS_UNDECODABLE, "the decoder's answer is no list of marks") from None


def _places(answer: Any) -> list[Any]:  # noqa: ANN401 -- whatever the child has written
    if not isinstance(answer, list) or len(answer) > MOST_FRAMES:
        raise ValueError("no list, or too long a one")
    return answer


def _mark(place: Any, source_uid: str) -> Mark:  # noqa: ANN401 -- whatever the child has written
    image_uid, row, column = place
    if not isinstance(image_uid, str) or not all(type(at) is float and math.isfinite(at) for at in (row, column)):
        raise TypeError("no place")
    return Mark(image_uid, row, column, "seg", source_uid)
