"""Stored slices become the network's input on the device, a batch at a time: display, average, vary.

Display and average give the values of `dcis_node.model.preprocess`, up to rounding. The noise of a crop depends on its
seed and on the kind of device: each draws its own random numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dcis_node.model.preprocess import area_shares, area_starts
from training.augment import Drawn
from training.placing import Placed


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of one size, as the host read them.

    Parameters
    ----------
    places
        Where each stands in the batch.
    placed
        Rows and columns of each crop.
    stored
        (n, rows, columns) int16: the bits of the uint16 stored values; 0 beyond the region.
    labels
        (m, rows, columns) uint8 of the first m of them.
    tables
        (n, values) float32, each crop's grey of every stored value.
    """

    places: tuple[int, ...]
    placed: tuple[tuple[Placed, Placed], ...]
    stored: Tensor
    labels: Tensor
    tables: Tensor

    def to(self, device: torch.device) -> "Slices":
        """Copy to the device; pinned memory does not wait."""
        moved = (tensor.to(device, non_blocking=True) for tensor in (self.stored, self.labels, self.tables))
        return Slices(self.places, self.placed, *moved)


def display(slices: Slices) -> Tensor:
    """Look each stored value up in its crop's table: (n, rows, columns) float32 in [0, 1]."""
    count, values = slices.tables.shape
    # uint16 has few kernels; as int16 its upper half is negative until the sign is cut off again.
    index = slices.stored.to(torch.int32).bitwise_and_(0xFFFF)
    index += (torch.arange(count, dtype=torch.int32) * values).to(index.device, non_blocking=True)[:, None, None]
    return slices.tables.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def average_crops(images: Tensor, placed: Sequence[tuple[Placed, Placed]]) -> Tensor:
    """Average (n, rows, columns) float32 over the area of input pixels: (n, size, size)."""
    ratio, size = _common_ratio(placed), placed[0][0].size
    if ratio == 1:
        averaged = images
    elif ratio:
        averaged = functional.avg_pool2d(images[:, None], ratio)[:, 0]
    else:
        averaged = _average_rows(images, [rows for rows, _ in placed])
        averaged = _average_rows(averaged.transpose(1, 2), [columns for _, columns in placed]).transpose(1, 2)
    shown = [(rows.shown, columns.shown) for rows, columns in placed]
    for image, (rows_shown, columns_shown) in zip(averaged, shown, strict=True):
        if min(rows_shown, columns_shown) < size:  # the view is smaller than the crop
            image[rows_shown:] = 0.0
            image[:, columns_shown:] = 0.0
    return averaged


def highest_labels(labels: Tensor, placed: Sequence[tuple[Placed, Placed]]) -> Tensor:
    """Give the highest label in each input pixel: (m, rows, columns) uint8 -> (m, size, size)."""
    if not len(labels):
        size = placed[0][0].size if placed else 0
        return labels.new_zeros((0, size, size))
    ratio = _common_ratio(placed)
    if ratio == 1:
        return labels
    if ratio:
        count, rows, columns = labels.shape
        return labels.reshape(count, rows // ratio, ratio, columns // ratio, ratio).amax((2, 4))
    by_rows = _highest_rows(labels, [rows for rows, _ in placed])
    return _highest_rows(by_rows.transpose(1, 2), [columns for _, columns in placed]).transpose(1, 2)


def vary_crops(images: Tensor, drawn: Sequence[Drawn], averaged: Sequence[float]) -> Tensor:
    """Apply flip, gamma and noise to (n, size, size) float32 crops in [0, 1].

    `averaged` is the side of the square of stored pixels that an input pixel of each crop stands for: the noise is
    that of stored pixels, and averaging n * n of them divides its deviation by n.
    """
    images = _flip(images, drawn)
    if any(crop.gamma != 1.0 for crop in drawn):
        images = images.pow(_column([crop.gamma for crop in drawn], images.device))
    if any(crop.noise > 0.0 for crop in drawn):
        deviations = [crop.noise / side for crop, side in zip(drawn, averaged, strict=True)]
        fields = torch.stack([_noise(crop.noise_seed, images) for crop in drawn])
        images = images * fields.mul_(_column(deviations, images.device)).add_(1.0)
    return images.clamp(0.0, 1.0)


def flip_labels(labels: Tensor, drawn: Sequence[Drawn]) -> Tensor:
    """Apply to (m, size, size) labels what moves pixels."""
    return _flip(labels, drawn)


def _flip(batch: Tensor, drawn: Sequence[Drawn]) -> Tensor:
    if not any(crop.flip for crop in drawn):
        return batch
    return torch.stack([plane.flip(1) if crop.flip else plane for plane, crop in zip(batch, drawn, strict=True)])


def _noise(seed: int, like: Tensor) -> Tensor:
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape[1:], generator=generator, device=like.device)


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).to(device, non_blocking=True)[:, None, None]


def _common_ratio(placed: Sequence[tuple[Placed, Placed]]) -> int:
    ratios = {axis.whole_ratio for pair in placed for axis in pair}
    return ratios.pop() if len(ratios) == 1 else 0


def _average_rows(images: Tensor, placed: Sequence[Placed]) -> Tensor:
    """Average along rows: (n, length, columns) -> (n, size, columns). Row copies and sums; no matrix is built."""
    parts = [area_shares(max(0.0, axis.start - axis.first), axis.ratio, axis.size) for axis in placed]
    first = np.stack([part[0] for part in parts])
    shares = torch.from_numpy(np.stack([part[1] for part in parts])).to(images.device, non_blocking=True)
    summed = None
    for tap in range(shares.shape[2]):
        taken = _take_rows(images, np.minimum(first + tap, images.shape[1] - 1))
        share = shares[:, :, tap, None]
        summed = taken * share if summed is None else summed.addcmul_(taken, share)
    if summed is None:
        raise AssertionError
    return summed


def _highest_rows(labels: Tensor, placed: Sequence[Placed]) -> Tensor:
    starts = np.stack([area_starts(axis.start - axis.first, axis.ratio, axis.size + 1) for axis in placed])
    lengths = np.maximum(starts[:, 1:] - starts[:, :-1], 1)
    highest = _take_rows(labels, starts[:, :-1])
    for tap in range(1, int(lengths.max())):
        rows = starts[:, :-1] + np.minimum(tap, lengths - 1)
        highest = torch.maximum(highest, _take_rows(labels, np.minimum(rows, labels.shape[1] - 1)))
    return highest


def _take_rows(images: Tensor, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
    """Take rows (n, count) of (n, length, columns): (n, count, columns)."""
    count, length, columns = images.shape
    flat = torch.from_numpy(np.maximum(rows, 0) + np.arange(count)[:, None] * length).reshape(-1)
    taken = images.reshape(count * length, columns).index_select(0, flat.to(images.device, non_blocking=True))
    return taken.reshape(count, -1, columns)
