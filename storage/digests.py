"""A large set of digests in little memory: 16 MB a million."""

# Of the 32 bytes of a SHA-256: two of a billion files agree in these with a probability of 1e-21.
KEY_BYTES = 16


class Digests:
    """Digests sorted into 256 heaps by their first byte, so that one heap at a time is looked at as a set."""

    def __init__(self) -> None:
        self._heaps = [bytearray() for _ in range(256)]

    def add(self, sha256: str) -> None:
        """Add a digest of 64 hexadecimal digits."""
        self._heaps[int(sha256[:2], 16)] += self.key(sha256)

    def of(self, number: int) -> frozenset[bytes]:
        """Give the keys of the digests that begin with a byte."""
        heap = self._heaps[number]
        return frozenset(bytes(heap[start : start + KEY_BYTES]) for start in range(0, len(heap), KEY_BYTES))

    def __len__(self) -> int:
        return sum(map(len, self._heaps)) // KEY_BYTES

    @staticmethod
    def key(sha256: str) -> bytes:
        """Give what is kept of a digest."""
        return bytes.fromhex(sha256[: 2 * KEY_BYTES])
