"""Secrets in files, and who else could read them."""

import stat
from pathlib import Path

LONGEST_SECRET_BYTES = 64 * 1024


class Unusable(Exception):  # noqa: N818 -- an outcome between modules of this room, not an error of the tree
    """A file that says who we are, or whom to trust, cannot be used; the text names the setting only."""


def read_secret(name: str, path: Path) -> str:
    """Read a secret of one line.

    Parameters
    ----------
    name
        The setting, for the words.

    Raises
    ------
    Unusable
        It cannot be read, or is not one line of printable ASCII characters: nothing else fits into a header.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_SECRET_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{name}: {error.strerror}") from error
    if len(data) > LONGEST_SECRET_BYTES:
        raise Unusable(f"{name}: longer than {LONGEST_SECRET_BYTES} bytes")
    secret = data.strip()
    if not secret:
        raise Unusable(f"{name}: empty")
    if not all(0x20 <= byte < 0x7F for byte in secret):
        raise Unusable(f"{name}: not one line of printable ASCII characters")
    return secret.decode("ascii")


def open_to_others(path: Path) -> bool:
    """Tell whether others than the owner of a file can read it; one of ours would be 0600 or 0400.

    Raises
    ------
    OSError
        There is no such file.
    """
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
