"""The crop store: stored pixels, labels and display tables on disk, read without copying.

Regions are cut once, larger than the training crop by the shift on each side, so that a shifted crop is a slice. The
pixels stay integers as stored; a display transform is kept as a table over stored values, so any transform that the
mammogram package knows, now or later, can be drawn at random for the price of a look-up.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from dcis_node.mammogram.display import DisplayTransform, choose
from dcis_node.model.preprocess import Grid, Preprocessing, input_grid
from training.cohort import CohortView

_ROWS, _STORED, _LABELS, _TABLES = "regions.json", "stored.raw", "labels.raw", "tables.npy"


@dataclass(frozen=True)
class Region:
    """One region of a store.

    Parameters
    ----------
    view
        Of whom and of what.
    centre
        (row, column) of the lesion's middle in the region; the region's own middle where there is none.
    spacing_mm
        Spacing of a stored pixel.
    rows, columns, offset
        Shape, and where its first pixel lies in the raw files, in pixels.
    displays
        (first, end) rows of the display tables that belong to it.
    chosen_display
        Which of them the node would take, counted from `first`.
    file
        Which of the store's files holds it; 0 but in joined stores.
    whole
        (rows, columns) of the view it was cut from; (0, 0): it is a view of its own.
    origin
        (row, column) of its first pixel in the view, as the network sees the view: a mirrored one is turned first.
    column_spacing_mm
        Spacing by columns where it is not `spacing_mm`; 0: it is.
    """

    view: CohortView
    centre: tuple[float, float]
    spacing_mm: float
    rows: int
    columns: int
    offset: int
    displays: tuple[int, int]
    chosen_display: int
    file: int = 0
    whole: tuple[int, int] = (0, 0)
    origin: tuple[int, int] = (0, 0)
    column_spacing_mm: float = 0.0

    @property
    def middle(self) -> tuple[float, float]:
        """(row, column) of the lesion's middle in the view."""
        return self.origin[0] + self.centre[0], self.origin[1] + self.centre[1]

    def grid(self, preprocessing: Preprocessing) -> Grid:
        """Lay the network's input over the view, just as the node does."""
        shape = self.whole if any(self.whole) else (self.rows, self.columns)
        return input_grid(shape, (self.spacing_mm, self.column_spacing_mm or self.spacing_mm), preprocessing)


@dataclass(frozen=True, eq=False)
class CropStore:
    """An opened store.

    Parameters
    ----------
    regions
        One row per region.
    tables
        (displays, values) float32 in [0, 1].
    stored_files, label_files
        Flat memory-mapped pixels; a region says which file and where.
    """

    regions: tuple[Region, ...]
    tables: NDArray[np.float32]
    stored_files: tuple[NDArray[np.uint16], ...]
    label_files: tuple[NDArray[np.uint8], ...]

    def stored(self, index: int) -> NDArray[np.uint16]:
        """Give a region's stored pixels, (rows, columns) uint16, memory-mapped."""
        return self._shape(self.stored_files, index)

    def labels(self, index: int) -> NDArray[np.uint8]:
        """Give a region's labels, (rows, columns) uint8: 0 background, 1 lesion region, 2 calcification."""
        return self._shape(self.label_files, index)

    def displays(self, index: int) -> int:
        """Give how many display transforms a region has."""
        first, end = self.regions[index].displays
        return end - first

    def table(self, index: int, preprocessing: Preprocessing, *, display: int | None = None) -> NDArray[np.float32]:
        """Give the (values,) float32 grey in [0, 1] of every stored value of a region, as `prepare_view` shows it.

        Parameters
        ----------
        display
            Which display transform; None follows the bundle's rule.
        """
        region = self.regions[index]
        first, end = region.displays
        if display is not None:
            return np.asarray(self.tables[first + display])
        if preprocessing.display_rule == "first" or end - first == 1:
            return np.asarray(self.tables[first + region.chosen_display])
        # In the order of `prepare_view`, so that the last bit is its own, too.
        total = np.zeros(self.tables.shape[1], np.float32)
        for row in self.tables[first:end]:
            total += row
        return np.asarray(total / np.float32(end - first))

    def _shape(self, files: tuple[NDArray[Any], ...], index: int) -> NDArray[Any]:
        region = self.regions[index]
        flat = files[region.file]
        end = region.offset + region.rows * region.columns
        return flat[region.offset : end].reshape(region.rows, region.columns)


def open_store(folder: Path) -> CropStore:
    """Open a store that `CropWriter` finished.

    Raises
    ------
    TrainingError
        If the folder holds no finished one, or a file of it was cut short.
    """
    try:
        rows = json.loads((folder / _ROWS).read_text(encoding="utf-8"))
        regions = tuple(_region(row) for row in rows)
        tables = np.load(folder / _TABLES, mmap_mode="r", allow_pickle=False)
        stored = np.memmap(folder / _STORED, dtype=np.uint16, mode="r")
        labels = np.memmap(folder / _LABELS, dtype=np.uint8, mode="r")
    except OSError as error:
        msg = f"no finished crop store in {folder}: {error.strerror}"
        raise TrainingError(msg) from error
    except (ValueError, TypeError, KeyError) as error:
        msg = f"the crop store in {folder} is damaged: {type(error).__name__}"
        raise TrainingError(msg) from error
    pixels = sum(region.rows * region.columns for region in regions)
    if not stored.size == labels.size == pixels:
        msg = f"the crop store in {folder} is damaged: it holds {stored.size} of {pixels} pixels"
        raise TrainingError(msg)
    return CropStore(regions, tables, (stored,), (labels,))


def join_stores(*stores: CropStore) -> CropStore:
    """Give one store of the regions of several, in their order; nothing is copied but the display tables.

    Tables that several stores share, as those of one vendor do, are kept once.
    """
    longest = max((store.tables.shape[1] for store in stores), default=1)
    tables: list[NDArray[np.float32]] = []
    places: dict[bytes, int] = {}
    regions: list[Region] = []
    files = 0
    for store in stores:
        moved: dict[tuple[int, int], tuple[int, int]] = {}
        for region in store.regions:
            if region.displays not in moved:
                moved[region.displays] = _keep(store.tables[slice(*region.displays)], longest, tables, places)
            regions.append(replace(region, file=region.file + files, displays=moved[region.displays]))
        files += len(store.stored_files)
    return CropStore(
        tuple(regions),
        np.array(tables, np.float32).reshape(-1, longest),
        tuple(file for store in stores for file in store.stored_files),
        tuple(file for store in stores for file in store.label_files),
    )


def _keep(
    group: NDArray[np.float32], longest: int, tables: list[NDArray[np.float32]], places: dict[bytes, int]
) -> tuple[int, int]:
    """Add the tables of one image if they are not there yet; they stay together, in their order."""
    padded = np.pad(group, ((0, 0), (0, longest - group.shape[1])), mode="edge")
    first = places.setdefault(hashlib.sha256(padded.tobytes()).digest(), len(tables))
    if first == len(tables):
        tables.extend(padded)
    return first, first + len(padded)


def _region(row: dict[str, Any]) -> Region:
    pairs: dict[str, tuple[Any, ...]] = {
        name: tuple(row[name]) for name in ("centre", "displays", "whole", "origin") if name in row
    }
    return Region(**{**row, **pairs, "view": CohortView.from_json(row["view"])})


class CropWriter:
    """Fill a store region by region; without an error on the way, leaving the `with` block makes it readable.

    Parameters
    ----------
    folder
        Made if missing; a store in it is replaced.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _ROWS).unlink(missing_ok=True)
        self._folder = folder
        self._regions: list[Region] = []
        self._tables: list[NDArray[np.float32]] = []
        self._places: dict[tuple[bytes, ...], int] = {}
        self._offset = 0
        self._stored: BufferedWriter = (folder / _STORED).open("wb")
        self._labels: BufferedWriter = (folder / _LABELS).open("wb")

    def __enter__(self) -> "CropWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stored.close()
        self._labels.close()
        if kind is None:
            self._finish()

    def add(
        self,
        view: CohortView,
        stored: NDArray[Any],
        labels: NDArray[Any],
        *,
        transforms: Sequence[DisplayTransform],
        spacing_mm: float | tuple[float, float],
        centre: tuple[float, float] | None = None,
        whole: tuple[int, int] = (0, 0),
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        """Add one region: (rows, columns) stored values below 65536 and labels 0 ... 2.

        `spacing_mm` may be (row, column); `whole` and `origin` as of `Region`.
        """
        by_rows, by_columns = spacing_mm if isinstance(spacing_mm, tuple) else (spacing_mm, spacing_mm)
        tables = [display_table(transform, stored) for transform in transforms]
        # Regions of one vendor mostly share their tables.
        key = tuple(table.tobytes() for table in tables)
        first = self._places.setdefault(key, len(self._tables))
        if first == len(self._tables):
            self._tables.extend(tables)
        rows, columns = stored.shape
        self._stored.write(np.ascontiguousarray(stored, np.uint16).tobytes())
        self._labels.write(np.ascontiguousarray(labels, np.uint8).tobytes())
        self._regions.append(
            Region(
                view=view,
                centre=centre or ((rows - 1) / 2, (columns - 1) / 2),
                spacing_mm=by_rows,
                rows=rows,
                columns=columns,
                offset=self._offset,
                displays=(first, first + len(tables)),
                chosen_display=list(transforms).index(choose(transforms)),
                whole=whole,
                origin=origin,
                column_spacing_mm=by_columns,
            )
        )
        self._offset += rows * columns

    def _finish(self) -> None:
        longest = max((len(table) for table in self._tables), default=1)
        tables = [np.pad(table, (0, longest - len(table)), mode="edge") for table in self._tables]
        np.save(self._folder / _TABLES, np.array(tables, np.float32), allow_pickle=False)
        # Last, and in one move: a store without this file is not finished.
        part = self._folder / f"{_ROWS}.part"
        part.write_text(json.dumps([asdict(region) for region in self._regions]), encoding="utf-8")
        part.replace(self._folder / _ROWS)


def display_table(transform: DisplayTransform, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Give the grey of every stored value from 0 to the next power of two above the region's largest.

    A transform over the image's own range is taken over the region's.
    """
    end = max(4096, 1 << int(stored.max()).bit_length())
    values = np.arange(end, dtype=np.int32)
    if transform.kind == "min_max":
        values = np.clip(values, int(stored.min()), int(stored.max()))
    return transform.apply(values)
