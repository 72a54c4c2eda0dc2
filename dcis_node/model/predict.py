"""Judge one view with all folds of a bundle: find the lesion, crop round it, classify, outline."""

from dataclasses import replace
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcis_node.model.bundle import Bundle
from dcis_node.model.device import has_fast_bfloat16
from dcis_node.model.evidence import Candidate, LesionSource, ViewPrediction
from dcis_node.model.fuse import fuse_norms
from dcis_node.model.localise import Component, Localisation, outline, sweep
from dcis_node.model.network import UNet
from dcis_node.model.preprocess import Grid, average, highest, input_grid
from dcis_node.model.tiles import crop_origin, cut

# Detector pixel where a view does not tell its own: the commonest one (Hologic, 0.07 mm).
NOMINAL_SPACING_MM = 0.07

# A given mark stands somewhere on the lesion, seldom on its centre of mass: what is outlined this near to it is the
# marked lesion. Larger than any reader's imprecision, smaller than the distance of two separate lesions.
MARK_REACH_MM = 10.0

# Tiles that are segmented at once. A processor has its cores busy with one; a GPU idles between small ones. Whoever
# runs out of memory halves it (`Ensemble.tiles_at_once`).
TILES_AT_ONCE = {"cuda": 4}

_Foreground = NDArray[np.float32]


class Ensemble:
    """The folds of a bundle on a device, ready to judge views.

    Parameters
    ----------
    bundle
        A loaded bundle.
    device
        From `choose_device`.

    Attributes
    ----------
    tiles_at_once
        How many tiles of a sweep are computed at once: more are faster on a GPU, and need more of its memory. The last
        digits of a result may depend on it, as they do on the device.
    """

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self.bundle = bundle
        self.device = device
        self.tiles_at_once = TILES_AT_ONCE.get(device.type, 1)
        self._bfloat16 = has_fast_bfloat16(device)
        self._networks = tuple(self._build(fold) for fold in bundle.folds)

    def predict_view(
        self,
        image: NDArray[np.float32],
        breast_mask: NDArray[np.bool_],
        *,
        mirrored: bool = False,
        given: tuple[float, float] | None = None,
        spacing_mm: tuple[float, float] | None = None,
    ) -> ViewPrediction:
        """Judge one view.

        Parameters
        ----------
        image
            (rows, columns) float32 in [0, 1], as `prepare_view` gives it.
        breast_mask
            (rows, columns) bool; nothing is looked for outside.
        mirrored
            True if the stored image shows the breast mirrored: it is turned for the network and everything that is
            found is turned back, so all coordinates and the mask are as stored.
        given
            (row, column) of somebody's mark in stored pixels. The crop is centred on it and no sweep is made.
        spacing_mm
            (row, column) spacing of a stored pixel; None takes 0.07 mm.

        Returns
        -------
        ViewPrediction. Without a mark and without a component that counts: source NONE, no probability.

        Raises
        ------
        ValueError
            If image and mask differ in shape.
        """
        if image.shape != breast_mask.shape:
            msg = f"image and breast mask must have one shape, got {image.shape} and {breast_mask.shape}"
            raise ValueError(msg)
        if mirrored:
            last = image.shape[1] - 1
            turned = None if given is None else (given[0], last - given[1])
            seen = self._predict(image[:, ::-1], breast_mask[:, ::-1], turned, spacing_mm)
            return _mirror(seen, last)
        return self._predict(image, breast_mask, given, spacing_mm)

    def _predict(
        self,
        image: NDArray[np.float32],
        breast_mask: NDArray[np.bool_],
        given: tuple[float, float] | None,
        spacing_mm: tuple[float, float] | None,
    ) -> ViewPrediction:
        grid = self.grid((image.shape[0], image.shape[1]), spacing_mm)
        seen, breast = average(image, grid.shape), highest(breast_mask, grid.shape)
        probabilities: tuple[float, ...] = ()
        centre = (0.0, 0.0)
        if given is not None:
            source = LesionSource.GIVEN
            centre = grid.to_input(given)
            whole, probabilities = self.judge_marked(seen, breast, centre)
            settings = self.bundle.manifest.localisation
            labels, components = outline_marked(whole, settings, mark=centre, spacing_mm=grid.spacing_mm)
        else:
            whole = self.sweep_input(seen, breast)
            labels, components = outline(whole, self.bundle.manifest.localisation, spacing_mm=grid.spacing_mm)
            source = LesionSource.FOUND if components else LesionSource.NONE
            if components:
                centre = (components[0].row, components[0].column)
                probabilities = self._classify_crop(self._crop(seen, centre)[1])
        if source is LesionSource.NONE:
            return ViewPrediction(source, None, (), None, (), np.zeros(image.shape, np.bool_))
        lesion = labels == components[0].label if components else np.zeros(labels.shape, np.bool_)
        return ViewPrediction(
            source=source,
            probability=fmean(probabilities),
            fold_probabilities=probabilities,
            centre=given or grid.to_stored(centre),
            candidates=tuple(_candidate(component, grid) for component in components),
            mask=grid.spread(lesion) & breast_mask,
        )

    def grid(self, shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> Grid:
        """Lay the bundle's input over a view of that shape; None takes the nominal spacing."""
        return input_grid(shape, spacing_mm or (NOMINAL_SPACING_MM, NOMINAL_SPACING_MM), self.bundle.preprocessing)

    def sweep_input(self, seen: NDArray[np.float32], breast: NDArray[np.bool_]) -> _Foreground:
        """Segment a whole view of input pixels; see `localise.sweep`."""
        settings = self.bundle.preprocessing
        return sweep(
            seen,
            breast,
            self._segment_tiles,
            tile=settings.tile_px,
            overlap=settings.overlap_px,
            at_once=self.tiles_at_once,
        )

    def judge_marked(
        self, seen: NDArray[np.float32], breast: NDArray[np.bool_], centre: tuple[float, float]
    ) -> tuple[_Foreground, tuple[float, ...]]:
        """Segment and classify round a mark in a whole view of input pixels.

        Returns
        -------
        (classes - 1, rows, columns) float32 foreground probabilities, 0 outside the crop and the breast, and each
        fold's calibrated probability of high risk.
        """
        origin, crop = self._crop(seen, centre)
        foreground, probabilities = self.judge_crop(crop)
        return _place(foreground, origin, seen.shape) * breast, probabilities

    def judge_crop(self, crop: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[float, ...]]:
        """Segment and classify a (size, size) crop of network input.

        Returns
        -------
        (classes - 1, size, size) float32 foreground probabilities averaged over the folds, and each fold's
        calibrated probability of high risk.
        """
        x = self._tensor(crop[None])
        with torch.inference_mode(), self._autocast():
            outputs = [network(x) for network in self._networks]
            maps = torch.stack([output.segmentation.float().softmax(1) for output in outputs]).mean(0)[0]
            return _numpy(maps[1:]), tuple(self._calibrated(output.classification) for output in outputs)

    def _build(self, weights: object) -> UNet:
        network = UNet(self.bundle.network)
        network.load_state_dict(weights)  # type: ignore[arg-type]
        return fuse_norms(network).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _crop(
        self, seen: NDArray[np.float32], centre: tuple[float, float]
    ) -> tuple[tuple[int, int], NDArray[np.float32]]:
        settings = self.bundle.preprocessing
        size = settings.crop_px
        origin = crop_origin(centre, size, (seen.shape[0], seen.shape[1]), border=settings.border)
        return origin, cut(seen, origin, size, border=settings.border)

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(images))[:, None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16)

    def _segment_tiles(self, tiles: NDArray[np.float32]) -> _Foreground:
        x = self._tensor(tiles)
        with torch.inference_mode(), self._autocast():
            maps = [network.segment(network.encode(x)).float().softmax(1) for network in self._networks]
            return _numpy(torch.stack(maps).mean(0))

    def _classify_crop(self, crop: NDArray[np.float32]) -> tuple[float, ...]:
        x = self._tensor(crop[None])
        with torch.inference_mode(), self._autocast():
            return tuple(self._calibrated(network.classify(network.encode(x))) for network in self._networks)

    def _calibrated(self, logits: Tensor) -> float:
        return self.bundle.manifest.calibration.apply(float(logits.float().softmax(1)[0, 1]))


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.cpu().numpy(), np.float32)


def _place(foreground: _Foreground, origin: tuple[int, int], shape: tuple[int, ...]) -> _Foreground:
    """Put a crop's probabilities where the crop was cut; 0 elsewhere."""
    whole = np.zeros((len(foreground), *shape), np.float32)
    size = foreground.shape[1:]
    first = [max(0, start) for start in origin]
    last = [min(start + side, length) for start, side, length in zip(origin, size, shape, strict=True)]
    inside = [slice(a - start, b - start) for a, b, start in zip(first, last, origin, strict=True)]
    whole[:, first[0] : last[0], first[1] : last[1]] = foreground[:, inside[0], inside[1]]
    return whole


def outline_marked(
    foreground: _Foreground, settings: Localisation, *, mark: tuple[float, float], spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.int32], tuple[Component, ...]]:
    """Outline what a mark means: all components within reach of it, as one lesion that is outlined in pieces.

    The least number of calcifications is not asked for: it keeps false marks out of a sweep, and here somebody has said
    that there is a lesion. On 53 phantom views that trained nothing (demo bundle 0.1.0) the mean overlap rose from
    0.727 to 0.757, in 10 views and down in none; going on from piece to piece by 5 mm lowered it in 2.

    Parameters
    ----------
    foreground
        (classes - 1, rows, columns) probabilities.
    mark
        (row, column) in input pixels.
    spacing_mm
        Row and column spacing of an input pixel.

    Returns
    -------
    (rows, columns) int32 labels, 0 = background, and the one component; none if nothing outlined is near.
    """
    labels, components = outline(foreground, replace(settings, min_calcifications=0), spacing_mm=spacing_mm)
    near = [component for component in components if _gap_mm(labels, component, mark, spacing_mm) <= MARK_REACH_MM]
    if not near:
        return labels, ()
    whole = _as_one(near)
    for component in near:
        rows, columns = slice(component.box[0], component.box[2]), slice(component.box[1], component.box[3])
        labels[rows, columns][labels[rows, columns] == component.label] = whole.label
    return labels, (whole,)


def _gap_mm(
    labels: NDArray[np.int32], component: Component, mark: tuple[float, float], spacing_mm: tuple[float, float]
) -> float:
    first_row, first_column, end_row, end_column = component.box
    rows, columns = np.nonzero(labels[first_row:end_row, first_column:end_column] == component.label)
    gaps = (rows + first_row - mark[0]) * spacing_mm[0], (columns + first_column - mark[1]) * spacing_mm[1]
    return float(np.hypot(*gaps).min())


def _as_one(pieces: list[Component]) -> Component:
    """Give the pieces of a lesion as one component, under the first one's label."""
    total = sum(piece.summed_probability for piece in pieces)
    counts = [piece.calcifications for piece in pieces if piece.calcifications is not None]
    boxes = list(zip(*(piece.box for piece in pieces), strict=True))
    return Component(
        label=pieces[0].label,
        row=sum(piece.row * piece.summed_probability for piece in pieces) / total,
        column=sum(piece.column * piece.summed_probability for piece in pieces) / total,
        box=(min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])),
        pixels=sum(piece.pixels for piece in pieces),
        summed_probability=total,
        calcifications=sum(counts) if counts else None,
    )


def _candidate(component: Component, grid: Grid) -> Candidate:
    row, column = grid.to_stored((component.row, component.column))
    stored_per_input = grid.ratio[0] * grid.ratio[1]
    return Candidate(
        row=row,
        column=column,
        box=grid.spread_box(component.box),
        area_px=round(component.pixels * stored_per_input),
        summed_probability=component.summed_probability * stored_per_input,
        mean_probability=component.mean_probability,
        calcifications=component.calcifications,
    )


def _mirror(seen: ViewPrediction, last: int) -> ViewPrediction:
    """Turn a prediction of a mirrored view back; `last` is the index of the last column."""
    candidates = tuple(
        replace(
            candidate,
            column=last - candidate.column,
            box=(candidate.box[0], last + 1 - candidate.box[3], candidate.box[2], last + 1 - candidate.box[1]),
        )
        for candidate in seen.candidates
    )
    centre = None if seen.centre is None else (seen.centre[0], last - seen.centre[1])
    return replace(seen, candidates=candidates, centre=centre, mask=np.ascontiguousarray(seen.mask[:, ::-1]))
