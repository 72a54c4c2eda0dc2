"""The one form of plain values that is hashed, below both wings: what one writes the other can verify."""

import hashlib
import json


def canonical_json(values: object) -> bytes:
    """Give plain values as JSON with sorted keys, without spaces, in ASCII.

    Raises
    ------
    ValueError
        If a figure is not finite: it would not be JSON.
    """
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(values: object) -> str:
    """Give the SHA-256 of `canonical_json`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(values)).hexdigest()
