"""Random fields that are a function of the place, so that a window of a view equals the same place of the whole view.

White noise is drawn block by block from a generator seeded with the block's address, on grids whose pitch doubles
from level to level (level 0 = pixels of the detector). A field is built from the coarsest level down: enlarge by two,
add the next level. Every amplitude is fixed by the analytic power of the filter (`gain`), never by the spread within a
window: that depends on the window's size, and would give training regions another texture than whole views.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

# Side of the blocks in which white noise is drawn, by level: larger where windows are larger.
_BLOCKS = (128, 64, 32)
_ADDRESS_OFFSET = 1 << 20  # block addresses are positive in a seed sequence; windows may begin before the frame


@dataclass(frozen=True)
class Window:
    """A rectangle of cells on the grid of one level; may reach beyond the frame."""

    row: int
    column: int
    rows: int
    columns: int

    def parent(self) -> "Window":
        """Give the cells of the next coarser level that `enlarge` needs to fill this window."""
        row, column = (self.row >> 1) - 1, (self.column >> 1) - 1
        last_row = ((self.row + self.rows - 1) >> 1) + 1
        last_column = ((self.column + self.columns - 1) >> 1) + 1
        return Window(row, column, last_row - row + 1, last_column - column + 1)

    def centres_mm(self, pitch_mm: float) -> tuple[Field, Field]:
        """Give y (rows, 1) and x (1, columns) of the cell centres in mm from the frame's corner."""
        y = (np.arange(self.row, self.row + self.rows, dtype=np.float32) + np.float32(0.5)) * np.float32(pitch_mm)
        x = (np.arange(self.column, self.column + self.columns, dtype=np.float32) + np.float32(0.5)) * np.float32(
            pitch_mm
        )
        return y[:, None], x[None, :]


def white(seed: int, stream: int, level: int, window: Window) -> Field:
    """Draw standard normal noise at the cells of a window; equal for equal cells, whatever the window.

    Returns
    -------
    (rows, columns) float32, mean 0 and variance 1.
    """
    out = np.empty((window.rows, window.columns), np.float32)
    bottom, right = window.row + window.rows, window.column + window.columns
    side = _BLOCKS[min(level, len(_BLOCKS) - 1)]
    for block_row in range(window.row // side, (bottom - 1) // side + 1):
        top = max(window.row, block_row * side)
        end = min(bottom, (block_row + 1) * side)
        for block_column in range(window.column // side, (right - 1) // side + 1):
            left = max(window.column, block_column * side)
            stop = min(right, (block_column + 1) * side)
            block = _block((seed, stream, level, block_row, block_column), side)
            out[top - window.row : end - window.row, left - window.column : stop - window.column] = block[
                top - block_row * side : end - block_row * side,
                left - block_column * side : stop - block_column * side,
            ]
    return out


def _block(address: tuple[int, int, int, int, int], side: int) -> Field:
    *stream, row, column = address
    words = (*stream, row + _ADDRESS_OFFSET, column + _ADDRESS_OFFSET)
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))
    return generator.standard_normal((side, side), dtype=np.float32)


def enlarge(coarse: Field, window: Window) -> Field:
    """Double the resolution with the weights 1/4, 3/4 (a quadratic B-spline in the limit).

    Parameters
    ----------
    coarse
        The field on `window.parent()`.
    window
        The window to fill, one level finer.
    """
    return _double(_double(coarse, window.row, window.rows, axis=0), window.column, window.columns, axis=1)


def _double(coarse: Field, first: int, count: int, *, axis: int) -> Field:
    cells = coarse.shape[axis]
    before, middle, after = (_slice(coarse, start, cells - 2 + start, axis=axis) for start in range(3))
    shape = (2 * (cells - 2), coarse.shape[1]) if axis == 0 else (coarse.shape[0], 2 * (cells - 2))
    out = np.empty(shape, np.float32)
    near = middle * np.float32(0.75)
    even, odd = (out[0::2], out[1::2]) if axis == 0 else (out[:, 0::2], out[:, 1::2])
    np.multiply(before, np.float32(0.25), out=even)
    even += near
    np.multiply(after, np.float32(0.25), out=odd)
    odd += near
    offset = first & 1  # the parent begins one cell before the cell that holds the first one
    return _slice(out, offset, offset + count, axis=axis)


def _slice(array: Field, start: int, stop: int, *, axis: int) -> Field:
    return array[start:stop] if axis == 0 else array[:, start:stop]


def lift(source: Callable[[Window], Field], window: Window, *, levels: int) -> Field:
    """Compute a field `levels` levels coarser than the window's, and enlarge it to the window."""
    if levels == 0:
        return source(window)
    return enlarge(lift(source, window.parent(), levels=levels - 1), window)


@lru_cache(maxsize=32)
def gain(times: int) -> float:
    """Variance of white noise of variance 1 after it was enlarged `times` times, averaged over the places."""
    weights = np.ones(1)
    for _ in range(times):
        stuffed = np.zeros(2 * weights.size - 1)
        stuffed[::2] = weights
        weights = np.convolve(stuffed, (0.25, 0.75, 0.75, 0.25))
    along_one_axis = float((weights**2).sum()) / 2**times
    return float(along_one_axis**2)


@dataclass(frozen=True)
class Octaves:
    """Amplitudes of a fractal field by level, from `first` on (finest), for a detector of one pitch."""

    first: int
    amplitudes: tuple[float, ...]


@lru_cache(maxsize=256)
def octaves(
    pitch_mm: float, *, finest_mm: float, coarsest_mm: float, beta: float, deviation: float = 1.0, base: int = 1
) -> Octaves:
    """Fix the amplitudes of a field with power ~ 1/f^beta between two grain sizes.

    A level whose grain lies partly within the range counts in part, so that detectors of other pitch get the same
    total power from other grids.

    Parameters
    ----------
    pitch_mm
        Pitch of level 0.
    finest_mm, coarsest_mm
        Range of the grain (cell pitch).
    beta
        Slope of the power spectrum (two dimensions): variance per octave ~ grain^(beta - 2).
    deviation
        Standard deviation of the whole field, held analytically.
    base
        Level on which the field will be evaluated; finer levels are left out.
    """
    variances = []
    level = base
    while pitch_mm * 2**level < coarsest_mm:
        low, high = pitch_mm * 2**level, pitch_mm * 2 ** (level + 1)
        share = max(0.0, np.log2(min(high, coarsest_mm) / max(low, finest_mm))) if high > finest_mm else 0.0
        variances.append(share * low ** (beta - 2.0))
        level += 1
    total = sum(variances) or 1.0
    amplitudes = tuple(
        float(deviation * np.sqrt(variance / total / gain(step))) for step, variance in enumerate(variances)
    )
    return Octaves(base, amplitudes)


def fractal(seed: int, stream: int, window: Window, settings: Octaves) -> Field:
    """Evaluate a fractal field on a window of the level `settings.first`.

    Returns
    -------
    (rows, columns) float32; mean 0, standard deviation as asked of `octaves`.
    """
    return _descend(seed, stream, settings.first, window, settings.amplitudes)


def _descend(seed: int, stream: int, level: int, window: Window, amplitudes: Sequence[float]) -> Field:
    rest = amplitudes[1:]
    own = white(seed, stream, level, window) * np.float32(amplitudes[0]) if amplitudes[0] else None
    if not rest:
        return own if own is not None else np.zeros((window.rows, window.columns), np.float32)
    out = enlarge(_descend(seed, stream, level + 1, window.parent(), rest), window)
    if own is not None:
        out = out + own
    return out
