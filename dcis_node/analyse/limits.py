"""What the decoding child and its parent agree on: arguments, exit codes, limits. Standard library only."""

import errno
import resource
from dataclasses import astuple, dataclass

# Exit codes of the child, beside 0. Each stands for one reason, so that no text of a decoder (which may quote the
# patient) has to cross. Python itself uses 1 (an error nobody caught) and 2 (wrong arguments).
EXIT_CODES = {
    "unsupported_transfer_syntax": 10,
    "pixels_missing": 11,
    "pixels_truncated": 12,
    "pixels_undecodable": 13,
    "pixels_over_limit": 14,
}
# That the machine failed and the file is not to blame: no reason of a view.
EXIT_MACHINE = 15
# What the system says when it is short of something for everybody, and may have it again the next minute. An error of
# one file (EIO) is not among them: that file would be waited for without end.
MACHINE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
)
# A decoder that takes SIGXCPU for something else is killed so much later.
HARD_CPU_SECONDS = 2


@dataclass(frozen=True)
class DecodeLimits:
    """What one decoding may use.

    Parameters
    ----------
    max_pixels
        Rows times columns.
    memory_bytes
        Address space of the child (RLIMIT_AS).
    cpu_seconds
        Processor time of the child (RLIMIT_CPU): ends it by SIGXCPU, even if its parent is gone.
    output_bytes
        Largest file it may write (RLIMIT_FSIZE).
    """

    max_pixels: int
    memory_bytes: int
    cpu_seconds: int
    output_bytes: int

    def to_arguments(self) -> list[str]:
        """Give the limits as command line arguments."""
        return [str(value) for value in astuple(self)]

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> "DecodeLimits":
        """Read what `to_arguments` gave."""
        return cls(*(int(text) for text in arguments))

    def impose(self) -> None:
        """Put the limits on this process, for good; that on processes does not bind root."""
        for kind, value in (
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_FSIZE, self.output_bytes),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NPROC, 0),  # no child and no thread of its own
        ):
            resource.setrlimit(kind, (value, value))
        # At its hard limit a process gets SIGKILL, as from a kernel that is out of memory; at the soft one SIGXCPU.
        resource.setrlimit(resource.RLIMIT_CPU, (self.cpu_seconds, self.cpu_seconds + HARD_CPU_SECONDS))
