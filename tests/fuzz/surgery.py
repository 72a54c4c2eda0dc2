"""A bad file, and the surgery by which it becomes one."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.fuzz.elements import UNDEFINED, Coding, Element
from tests.fuzz.nasty import BIG, IMPLICIT


@dataclass(frozen=True)
class BadFile:
    """What is sent.

    Parameters
    ----------
    ways
        What was done to it.
    sop_class, instance
        What the C-STORE request names; bytes, as they are not always text.
    context
        The SOP class of its presentation context.
    before
        Preamble and file meta, for readers of files; C-STORE does not carry them.
    """

    number: int
    seed: str
    ways: tuple[str, ...]
    sop_class: bytes
    instance: bytes
    context: str
    syntax: str
    before: bytes
    data_set: bytes

    @property
    def coding(self) -> Coding:
        """Give how its elements are written."""
        return Coding(explicit=self.syntax != IMPLICIT, big=self.syntax == BIG)


Way = Callable[[random.Random, BadFile], BadFile]


def elements(file: BadFile) -> list[Element]:
    return list(file.coding.walk(file.data_set))


def any_element(rng: random.Random, file: BadFile) -> Element | None:
    found = elements(file)
    return rng.choice(found) if found else None


def put(file: BadFile, tag: tuple[int, int], vr: bytes, value: bytes, *, length: int | None = None) -> BadFile:
    """Put an element in its place, instead of one that is there."""
    data = file.data_set
    written = file.coding.element(tag, vr, value + b"\0" * (len(value) % 2 if length is None else 0), length=length)
    depth_0 = top_level(file)
    same = [e for e in depth_0 if e.tag == tag]
    if same and same[0].length != UNDEFINED:
        return replace(file, data_set=data[: same[0].at] + written + data[same[0].end :])
    later = [e.at for e in depth_0 if e.tag > tag]
    at = min(later, default=len(data))
    return replace(file, data_set=data[:at] + written + data[at:])


def top_level(file: BadFile) -> list[Element]:
    """List the elements until the first one of no length; those of sequences left out."""
    top: list[Element] = []
    end = 0
    for element in elements(file):
        if element.at < end:
            continue
        top.append(element)
        end = element.end
        if element.length == UNDEFINED:
            break
    return top


def without(file: BadFile, *tags: tuple[int, int]) -> BadFile:
    for tag in tags:
        for element in top_level(file):
            if element.tag == tag and element.length != UNDEFINED:
                data = file.data_set
                file = replace(file, data_set=data[: element.at] + data[element.end :])
                break
    return file


def inserted(file: BadFile, tag: tuple[int, int], written: bytes) -> BadFile:
    at = min((e.at for e in top_level(file) if e.tag > tag), default=len(file.data_set))
    return replace(file, data_set=file.data_set[:at] + written + file.data_set[at:])
