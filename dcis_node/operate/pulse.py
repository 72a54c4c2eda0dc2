"""The sign of life that a process shows its supervisor, and its last words: short lines in a pipe.

Not the index: a child whose index is locked, full or broken lives all the same, and must not be ended for its sake. The
pipe needs no disk and no lock, its writer never waits, and the moment of a line is taken by the reader's own clock.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

# In the environment of a child: the write end that it has inherited.
VARIABLE = "DCIS_NODE_PULSE_FD"
# PIPE_BUF of Linux is 4096: a line of this length is written whole or not at all.
LONGEST_TEXT = 800


@dataclass(frozen=True)
class LastWords:
    """Why a process ends.

    Parameters
    ----------
    kind
        Name of the error's class; "" if it ends as it should and wants to be started again.
    text
        What is to be known, without patient data.
    """

    kind: str
    text: str


class Pulse:
    """The child's end; it never waits and never fails.

    Parameters
    ----------
    descriptor
        Write end of the pipe; None: nobody listens.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Pulse":
        """Take what the supervisor has handed on."""
        found = environment.get(VARIABLE, "")
        return cls(int(found) if found.isdecimal() else None)

    def beat(self) -> None:
        """Show that the process lives."""
        self._write(b"\n")

    def leave(self, words: LastWords) -> None:
        """Say why the process is about to end."""
        self._write(json.dumps([words.kind, words.text[:LONGEST_TEXT]]).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, line)
        except OSError:
            # Full (the supervisor stands still) or closed (it is gone): nobody to tell.
            return


class Listener:
    """The supervisor's end."""

    def __init__(self) -> None:
        self._descriptor, self.handed = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._rest = b""
        self.words: LastWords | None = None

    def close_handed(self) -> None:
        """Close the write end here, once the child has its own."""
        os.close(self.handed)

    def heard(self) -> int:
        """Give how many signs of life came since the last call; last words are kept in `words`."""
        lines = self._read().split(b"\n")
        self._rest = lines.pop()
        for line in filter(None, lines):
            self.words = _words(line) or self.words
        return len(lines)

    def close(self) -> None:
        """Close this end."""
        os.close(self._descriptor)

    def _read(self) -> bytes:
        data = self._rest
        try:
            while read := os.read(self._descriptor, 65536):
                data += read
        except BlockingIOError:
            pass
        return data


def _words(line: bytes) -> LastWords | None:
    try:
        kind, text = json.loads(line)
    except ValueError:
        return None
    return LastWords(str(kind), str(text))
